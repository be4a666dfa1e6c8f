"""Many tokenizers on the same trajectories."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from reasoning_vla_ros.datasets import DataError, TrajectorySet
from reasoning_vla_ros.datasets.reconstruction import reconstruct
from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec, build_tokenizer, fit_tokenizer
from reasoning_vla_ros.evaluation.tokenizers.accuracy import accuracy
from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores
from reasoning_vla_ros.evaluation.tokenizers.motion import motion
from reasoning_vla_ros.evaluation.tokenizers.prefixes import prefixes
from reasoning_vla_ros.evaluation.tokenizers.rate import rate
from reasoning_vla_ros.evaluation.tokenizers.robustness import random_ids, substituted_id
from reasoning_vla_ros.evaluation.tokenizers.speed import speed
from reasoning_vla_ros.tokenizers import TrajectoryTokenizer

MEASURES: tuple[Callable[[Case], Scores], ...] = (rate, accuracy, motion, random_ids, substituted_id, prefixes, speed)

OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """Scores of tokenizers.

    Attributes:
        tested_on, fitted_on: names of the data.
        num_tested, num_fitted: how many trajectories.
        is_driving: errors are metres, else in the joints' unit.
        threads: of PyTorch, in all timings.
        rows: one dict a tokenizer: "tokenizer", and the scores of all measures.
        left_out: tokenizers that do not fit the data, each with the reason.
    """

    tested_on: str
    fitted_on: str | None
    num_tested: int
    num_fitted: int
    is_driving: bool
    threads: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Of all errors."""
        return "m" if self.is_driving else "joint units"

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values; numbers that are not finite become None."""
        return {**vars(self), "unit": self.unit, "rows": [{k: _plain(v) for k, v in row.items()} for row in self.rows]}


def compare(
    test: TrajectorySet,
    fit_on: TrajectorySet | None,
    specs: Sequence[TokenizerSpec],
    *,
    leave_out_misfits: bool = False,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    on_fitted: Callable[[TokenizerSpec, TrajectoryTokenizer], None] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> Comparison:
    """Fits those of the tokenizers that need it, and takes all measures of each.

    Args:
        test: trajectories to measure with.
        fit_on: trajectories to fit to; None where nothing is to be fitted.
        specs: the tokenizers.
        leave_out_misfits: note a tokenizer that refuses the data instead of raising.
        seed: of the fits and of the random ids.
        on_progress: hears what is being done.
        on_fitted: gets each tokenizer that was fitted.
        on_row: gets each row of scores.

    Raises:
        ValueError: a tokenizer that can't be built, fitted or used with this data.
    """
    tell: OnProgress = on_progress or (lambda note: None)
    fitted_on, num_fitted = (None, 0) if fit_on is None else (fit_on.name, len(fit_on))
    result = Comparison(test.name, fitted_on, len(test), num_fitted, test.is_driving, torch.get_num_threads())
    fits = _Fits(fit_on, seed, tell)
    for spec in specs:
        try:
            tell(f"{spec}: building")
            tokenizer = fits.get(spec) if spec.fit else build_tokenizer(spec, test)
            if spec.fit and on_fitted is not None:
                on_fitted(spec, tokenizer)
            tell(f"{spec}: encoding and decoding")
            case = Case(tokenizer, test, reconstruct(tokenizer, test), seed)
        except ValueError as error:
            if not leave_out_misfits:
                raise
            result.left_out[str(spec)] = str(error)
            continue
        row: dict[str, Any] = {"tokenizer": str(spec)}
        for measure in MEASURES:
            tell(f"{spec}: {measure.__name__.replace('_', ' ')}")
            row.update(measure(case))
        result.rows.append(row)
        if on_row is not None:
            on_row(row)
    if not result.rows:
        raise DataError(f"no tokenizer takes {test.name}: {result.left_out}")
    return result


class _Fits:
    """Fitted tokenizers. Codebooks that serve several lengths are learned once (`with_num_tokens`)."""

    def __init__(self, fit_on: TrajectorySet | None, seed: int, tell: OnProgress) -> None:
        self._fit_on, self._seed, self._tell = fit_on, seed, tell
        self._fitted: dict[str, TrajectoryTokenizer] = {}

    def get(self, spec: TokenizerSpec) -> TrajectoryTokenizer:
        if self._fit_on is None:
            raise DataError(f"{spec} has to be fitted, and there is nothing to fit it to")
        tokenizer = build_tokenizer(spec, self._fit_on)
        any_length = {key: value for key, value in spec.arguments.items() if key != "num_tokens"}
        key = str(replace(spec, arguments=any_length))
        shorter = getattr(tokenizer.action_tokenizer, "with_num_tokens", None)
        if shorter is not None and key in self._fitted:
            other = self._fitted[key].action_tokenizer
            num_tokens = tokenizer.action_tokenizer.num_tokens
            return TrajectoryTokenizer(tokenizer.action_space, other.with_num_tokens(num_tokens))  # type: ignore[attr-defined]
        fit_tokenizer(
            tokenizer, self._fit_on, seed=self._seed, on_progress=lambda note: self._tell(f"{spec}: fitting, {note}")
        )
        self._fitted[key] = tokenizer
        return tokenizer


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
