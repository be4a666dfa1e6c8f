"""What `reasoning-vla tokenizers fit` does."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from reasoning_vla_ros.datasets import TrajectorySet, hold_out, load_trajectories
from reasoning_vla_ros.datasets.reconstruction import Reconstruction, error_unit, reconstruct
from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec, build_tokenizer, fit_tokenizer


@dataclass(frozen=True)
class FitResult:
    """How well a fitted tokenizer does on data that it was not fitted to. `unit` is that of all errors.

    Attributes:
        ade, ade_p99: mean and 99 % quantile of the trajectories' mean errors.
        max_error: of any waypoint.
        tokens_mean, tokens_max: ids a trajectory.
        refused: trajectories whose ids did not decode.
    """

    tokenizer: str
    output: str
    fitted_on: int
    held_out: int
    unit: str
    ade: float
    ade_p99: float
    max_error: float
    tokens_mean: float
    tokens_max: int
    vocab_size: int
    refused: int
    fit_s: float
    notes: tuple[str, ...]


def fit_tokenizer_command(
    sources: Sequence[str],
    tokenizer: str,
    output: Path,
    *,
    arguments: Mapping[str, Any] | None = None,
    load_options: Mapping[str, Any] | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    json_path: Path | None = None,
    console: Console | None = None,
) -> FitResult:
    """Loads trajectories, fits a tokenizer to most of them, saves it, and measures it on the others.

    Args:
        sources: as `load_trajectories` takes them.
        tokenizer: as `TokenizerSpec.parse` reads it.
        output: folder for `save_pretrained`; `create_tokenizer` loads it.
        arguments: of the tokenizer's parts, besides those that `tokenizer` holds.
        load_options: of the loader.
        held_out: share that is not fitted to: whole recordings or episodes, or stretches of time (see `hold_out`).
        seed: of the fit and the held-out share.
        json_path: where the result goes as JSON.
        console: for progress and the result.

    Raises:
        ValueError: sources, names or arguments that make no tokenizer; see the functions called.
    """
    console = console or Console(quiet=True)
    parsed = TokenizerSpec.parse(tokenizer)
    spec = TokenizerSpec(parsed.name, {**parsed.arguments, **(arguments or {})}, fit=True)
    if "+" not in spec.name:
        raise ValueError(f"a tokenizer to fit is named by its two parts, such as 'path+klt', got {spec.name!r}")
    if output.is_file() or (json_path is not None and json_path.is_dir()):
        raise ValueError(f"the output {output} must be a folder and --json {json_path} a file")
    with console.status("Loading trajectories"):
        data = load_trajectories(list(sources), **(load_options or {}))
        fit_on, test = hold_out(data, held_out, seed)
    built = build_tokenizer(spec, fit_on)
    begin = time.perf_counter()
    with console.status(f"Fitting {spec}") as status:
        fit_tokenizer(built, fit_on, seed=seed, on_progress=lambda note: status.update(f"Fitting {spec}: {note}"))
    fit_s = time.perf_counter() - begin
    with console.status("Saving and measuring"):
        built.save_pretrained(output)
        result = _result(spec, output, fit_on, test, reconstruct(built, test), built.vocab_size, fit_s)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    _print(result, console)
    return result


def _result(
    spec: TokenizerSpec,
    output: Path,
    fit_on: TrajectorySet,
    test: TrajectorySet,
    found: Reconstruction,
    vocab_size: int,
    fit_s: float,
) -> FitResult:
    ade, errors = found.ade.double(), found.errors
    return FitResult(
        tokenizer=str(spec),
        output=str(output),
        fitted_on=len(fit_on),
        held_out=len(test),
        unit=error_unit(test),
        ade=float(ade.nanmean()),
        ade_p99=float(ade.nanquantile(0.99)),
        max_error=float(errors.nan_to_num(nan=-math.inf).max()),
        tokens_mean=float(found.counts.double().mean()),
        tokens_max=int(found.counts.max()),
        vocab_size=vocab_size,
        refused=found.refused,
        fit_s=fit_s,
        notes=test.notes,
    )


def _print(result: FitResult, console: Console) -> None:
    table = Table(title=f"{result.tokenizer} on {result.held_out} trajectories held out", title_justify="left")
    for column in ("tokens", "vocabulary", f"ADE ({result.unit})", "ADE p99", "max", "fit (s)"):
        table.add_column(column, justify="right")
    cells = [result.ade, result.ade_p99, result.max_error]
    table.add_row(
        f"{result.tokens_mean:.1f}", str(result.vocab_size), *(f"{cell:.4g}" for cell in cells), f"{result.fit_s:.1f}"
    )
    console.print(table)
    lines = [
        f"fitted to {result.fitted_on} trajectories, saved in {result.output}",
        *([f"{result.refused} held-out trajectories did not decode again"] if result.refused else []),
        *(f"left out: {note}" for note in result.notes),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
