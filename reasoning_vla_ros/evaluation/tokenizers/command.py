"""What `reasoning-vla tokenizers compare` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from reasoning_vla_ros.datasets import TrajectorySet, hold_out, load_trajectories
from reasoning_vla_ros.datasets.load import loader_options
from reasoning_vla_ros.datasets.reconstruction import error_unit
from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec
from reasoning_vla_ros.evaluation.tokenizers.candidates import candidates
from reasoning_vla_ros.evaluation.tokenizers.comparison import Comparison, compare
from reasoning_vla_ros.evaluation.tokenizers.plot import SUFFIXES, plot
from reasoning_vla_ros.evaluation.tokenizers.table import footnote, markdown_tables, terminal_tables
from reasoning_vla_ros.tokenizers import TrajectoryTokenizer

FILE_WIDTH = 140


def compare_command(
    sources: Sequence[str],
    *,
    tokenizers: Sequence[str] = (),
    fit_sources: Sequence[str] = (),
    load_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int = 1,
    json_path: Path | None = None,
    plot_path: Path | None = None,
    output: Path | None = None,
    console: Console | None = None,
) -> Comparison:
    """Loads trajectories, compares tokenizers on them, and prints, writes and draws the result.

    Args:
        sources: to test on, as `load_trajectories` takes them.
        tokenizers: as `TokenizerSpec.parse` reads them; all that make sense for the data by default.
        fit_sources: to fit to; by default 80 % of `sources`, and the test is then on the rest (see `hold_out`), unless
            nothing has to be fitted.
        load_options: of the loaders, for both.
        seed: of fits, random ids and the held-out share.
        threads: of PyTorch, while it measures; what was set before is set again.
        json_path, plot_path: files to write.
        output: folder for comparison.json, comparison.md, comparison.png and the fitted tokenizers.
        console: for progress and tables.

    Raises:
        ValueError: sources or tokenizers that don't work, files that can't be written; see the functions called.
    """
    console = console or Console(quiet=True)
    plots = [path for path in (plot_path, output and output / "comparison.png") if path]
    tables = [path for path in (json_path, output and output / "comparison.json") if path]
    for path in (*plots, *tables):
        if path.is_dir():
            raise ValueError(f"{path} is a folder, needed the name of a file")
    if plot_path is not None and plot_path.suffix not in SUFFIXES:
        raise ValueError(f"--plot needs a file ending in one of {', '.join(SUFFIXES)}, got {plot_path}")
    specs = [TokenizerSpec.parse(text) for text in tokenizers]
    with console.status("Loading trajectories"):
        test, fit_on = _load(sources, fit_sources, load_options or {})
        if fit_on is None and not (specs and not any(spec.fit for spec in specs)):
            fit_on, test = hold_out(test, seed=seed)

    def save(spec: TokenizerSpec, tokenizer: TrajectoryTokenizer) -> None:
        if output is not None:
            tokenizer.save_pretrained(output / "tokenizers" / folder_name(spec))

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with console.status("Comparing") as status:
            result = compare(
                test,
                fit_on,
                specs or candidates(test),
                leave_out_misfits=not specs,
                seed=seed,
                on_progress=lambda note: status.update(note),
                on_fitted=save,
                on_row=lambda row: console.print(_line(row, test), markup=False, highlight=False, soft_wrap=True),
            )
    finally:
        torch.set_num_threads(before)
    # A file or pipe has no width to keep to.
    wide = console if console.is_terminal else Console(file=console.file, width=FILE_WIDTH, quiet=console.quiet)
    for table in terminal_tables(result):
        wide.print(table)
    lines = [
        footnote(result),
        *(f"data: {note}" for note in test.notes),
        *(f"left out: {name}: {reason}" for name, reason in result.left_out.items()),
    ]
    for path in tables:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    if output is not None:
        (output / "comparison.md").write_text(markdown_tables(result), encoding="utf-8")
    for path in plots:
        plot(result, path)
    lines += [f"written: {path}" for path in (*tables, *plots)]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return result


def folder_name(spec: TokenizerSpec) -> str:
    """The spec as the name of a folder."""
    return "".join(letter if letter.isalnum() or letter in "+-_.=" else "_" for letter in str(spec))


def _line(row: dict[str, Any], test: TrajectorySet) -> str:
    return f"{row['tokenizer']}: {row['tokens_mean']:.1f} tokens, ADE {row['ade']:.4g} {error_unit(test)}"


def _load(
    sources: Sequence[str], fit_sources: Sequence[str], options: Mapping[str, Any]
) -> tuple[TrajectorySet, TrajectorySet | None]:
    """(what to test on, what to fit to where that is told)."""
    if not fit_sources:
        return load_trajectories(list(sources), **options), None
    taken = {key for source in fit_sources for key in loader_options(source)}
    data = load_trajectories(list(sources), **options)
    fit_on = load_trajectories(list(fit_sources), **{key: value for key, value in options.items() if key in taken})
    kinds = [(one.is_driving, one.horizon, one.fut_xyz.shape[2], one.dt_s) for one in (data, fit_on)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "what to test on and what to fit to need the same kind, number of steps, dimensions and step; "
            f"got {kinds[0]} and {kinds[1]}"
        )
    return data, fit_on
