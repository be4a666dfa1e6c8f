"""The comparison as a table, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from reasoning_vla_ros.evaluation.tokenizers.comparison import Comparison
from reasoning_vla_ros.evaluation.tokenizers.labels import labels

Row = dict[str, Any]
Columns = dict[str, Callable[[Row], str]]


def terminal_tables(result: Comparison) -> list[Table]:
    """Narrow tables, each of one question."""
    return [_terminal(title, columns, result) for title, columns in _tables(result).items()]


def markdown_tables(result: Comparison) -> str:
    """The same tables in Markdown, the footnote, and what exactly each name stands for."""
    names = labels([row["tokenizer"] for row in result.rows])
    tables = [f"**{title}**\n\n{_markdown(columns, names, result)}" for title, columns in _tables(result).items()]
    longer = [f"- {name}: `{text}`\n" for text, name in names.items() if name != text]
    return "\n".join([*tables, f"{footnote(result)}\n", "".join(longer)])


def _tables(result: Comparison) -> dict[str, Columns]:
    """Cells of each table by its title and the columns' names."""
    unit = result.unit
    errors: Columns = {
        "tokens (p99)": _tokens,
        "bits": lambda row: f"{row['bits']:.0f}",
        "ADE": lambda row: _number(row["ade"]),
        "ADE p99": lambda row: _number(row["ade_p99"]),
        "max": lambda row: _number(row["max_error"]),
        "longer rows %": lambda row: _percent(row["escape_rate"]),
    }
    motion: Columns = {
        f"acceleration rms ({unit}/s²)": lambda row: _number(row["acceleration_rms"]),
        "jerk ratio": lambda row: _number(row["jerk_ratio"]),
    }
    if result.is_driving:
        motion["yaw (deg)"] = lambda row: _number(row["yaw_deg_mean"])
        motion["yaw p99"] = lambda row: _number(row["yaw_deg_p99"])
    motion["ADE after 1/2/4/8 tokens"] = lambda row: _prefixes(row["prefix_ade"])
    speed: Columns = {
        "encode/s": lambda row: _rate(row["encode_per_s"]),
        "decode/s": lambda row: _rate(row["decode_per_s"]),
        "one: µs enc/dec": lambda row: f"{row['encode_us']:.0f}/{row['decode_us']:.0f}",
        "in numpy solves": lambda row: f"{row['encode_ratio']:.1f}/{row['decode_ratio']:.1f}",
        "vocabulary": lambda row: f"{row['vocab_size']}",
    }
    bad_ids: Columns = {
        "random: usable/refused %": lambda row: f"{row['random_usable'] * 100:.0f}/{row['random_refused'] * 100:.0f}",
        "silent zeros %": lambda row: _percent(row["random_silent_zeros"]),
        "one changed: refused %": lambda row: _percent(row["substituted_refused"]),
        "ADE p50": lambda row: _number(row["substituted_ade_median"]),
        "p99": lambda row: _number(row["substituted_ade_p99"]),
    }
    return {f"Tokens and errors ({unit})": errors, "Motion and prefixes": motion, "Speed": speed, "Bad ids": bad_ids}


def footnote(result: Comparison) -> str:
    """What the table does not say of itself."""
    solve_us = sorted(row["numpy_solve_us"] for row in result.rows)[len(result.rows) // 2]
    fitted = f"; fitted to {result.num_fitted} of {result.fitted_on}" if result.fitted_on else ""
    return (
        f"{result.num_tested} trajectories of {result.tested_on}{fitted}. "
        f"PyTorch threads: {result.threads}. One numpy solve of a 64 x 64 system took {solve_us:.0f} µs in this run."
    )


def _terminal(title: str, columns: Columns, result: Comparison) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("tokenizer", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right")
    names = labels([row["tokenizer"] for row in result.rows])
    for row in result.rows:
        table.add_row(Text(names[row["tokenizer"]]), *(cell(row) for cell in columns.values()))
    return table


def _markdown(columns: Columns, names: dict[str, str], result: Comparison) -> str:
    lines = [["tokenizer", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[names[row["tokenizer"]], *(cell(row) for cell in columns.values())] for row in result.rows]
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


def _prefixes(table: dict[str, float] | None) -> str:
    if table is None:
        return "-"
    return "/".join(_number(table[count]) for count in ("1", "2", "4", "8") if count in table)
