"""The comparison as a table, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.table import Table

from reasoning_vla_ros.evaluation.tokenizers.comparison import Comparison

Row = dict[str, Any]


def terminal_tables(result: Comparison) -> list[Table]:
    """What it costs and how exact it is; and how fast and how sturdy."""
    return [
        _terminal("Tokens and errors", accuracy_columns(result), result),
        _terminal("Speed and robustness", robustness_columns(result), result),
    ]


def markdown_tables(result: Comparison) -> str:
    """The same two tables in Markdown."""
    tables = [_markdown(columns(result), result) for columns in (accuracy_columns, robustness_columns)]
    return "\n".join(tables)


Columns = dict[str, Callable[[Row], str]]


def accuracy_columns(result: Comparison) -> Columns:
    unit = f" ({result.unit})"
    columns: Columns = {
        "tokens (p99)": lambda row: _tokens(row),
        "vocabulary": lambda row: str(row["vocab_size"]),
        "bits": lambda row: f"{row['bits']:.0f}",
        f"ADE{unit}": lambda row: _number(row["ade"]),
        "p99": lambda row: _number(row["ade_p99"]),
        "max": lambda row: _number(row["max_error"]),
    }
    if result.is_driving:
        columns["yaw (deg)"] = lambda row: _number(row["yaw_deg_mean"])
        columns["yaw p99"] = lambda row: _number(row["yaw_deg_p99"])
    columns[f"accel. rms ({result.unit}/s²)"] = lambda row: _number(row["acceleration_rms"])
    columns["jerk ratio"] = lambda row: _number(row["jerk_ratio"])
    columns["longer rows %"] = lambda row: _percent(row["escape_rate"])
    return columns


def robustness_columns(result: Comparison) -> Columns:
    return {
        "enc/s": lambda row: _rate(row["encode_per_s"]),
        "dec/s": lambda row: _rate(row["decode_per_s"]),
        "single µs enc/dec": lambda row: f"{row['encode_us']:.0f}/{row['decode_us']:.0f}",
        "in numpy solves": lambda row: f"{row['encode_ratio']:.1f}/{row['decode_ratio']:.1f}",
        "random ids: usable/refused %": lambda row: _shares(row, "random"),
        "silent zeros %": lambda row: _percent(row["random_silent_zeros"]),
        "one id changed: ADE p50": lambda row: _number(row["substituted_ade_median"]),
        "p99": lambda row: _number(row["substituted_ade_p99"]),
        "refused %": lambda row: _percent(row["substituted_refused"]),
        "prefix ADE 1/2/4/8": lambda row: _prefixes(row["prefix_ade"]),
    }


def footnote(result: Comparison) -> str:
    """What the table does not say of itself."""
    solve_us = sorted(row["numpy_solve_us"] for row in result.rows)[len(result.rows) // 2]
    fitted = f"; fitted to {result.num_fitted} of {result.fitted_on}" if result.fitted_on else ""
    return (
        f"{result.num_tested} trajectories of {result.tested_on}{fitted}. "
        f"PyTorch threads: {result.threads}. One numpy solve of a 64 x 64 system took {solve_us:.0f} µs in this run."
    )


def _terminal(title: str, columns: Columns, result: Comparison) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("tokenizer", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right")
    for row in result.rows:
        table.add_row(row["tokenizer"], *(cell(row) for cell in columns.values()))
    return table


def _markdown(columns: Columns, result: Comparison) -> str:
    lines = [["tokenizer", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[f"`{row['tokenizer']}`", *(cell(row) for cell in columns.values())] for row in result.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None or value != value:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.6f}".rstrip("0")


def _tokens(row: Row) -> str:
    mean, p99 = row["tokens_mean"], row["tokens_p99"]
    whole = f"{mean:.0f}" if mean == round(mean) else f"{mean:.1f}"
    return whole if mean == p99 == row["tokens_max"] else f"{whole} ({p99:.0f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.2g}"


def _rate(per_s: float) -> str:
    return f"{per_s / 1000:,.0f}k" if per_s >= 10_000 else f"{per_s / 1000:.1f}k"


def _shares(row: Row, kind: str) -> str:
    return f"{row[f'{kind}_usable'] * 100:.0f}/{row[f'{kind}_refused'] * 100:.0f}"


def _prefixes(table: dict[str, float] | None) -> str:
    if table is None:
        return "-"
    return "/".join(_number(table[count]) for count in ("1", "2", "4", "8") if count in table)
