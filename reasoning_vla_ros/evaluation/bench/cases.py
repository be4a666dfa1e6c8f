"""What is timed: an operation of a tokenizer, and where there is one its baseline, which must give the same answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.bench import (
    baseline_delta,
    baseline_kdisks,
    baseline_rvq,
    baseline_text,
    baseline_unicycle,
)
from reasoning_vla_ros.evaluation.bench.baseline_fast import PlainFast
from reasoning_vla_ros.evaluation.bench.timing import Run
from reasoning_vla_ros.evaluation.bench.workload import Workload
from reasoning_vla_ros.tokenizers.fast import FASTBPEActionTokenizer
from reasoning_vla_ros.tokenizers.kdisks import KDisksActionTokenizer
from reasoning_vla_ros.tokenizers.rvq import RVQActionTokenizer
from reasoning_vla_ros.tokenizers.text import TextActionTokenizer

# Share of ids, or of numbers within 1e-4 of their range, that must be equal: rounding decides ties differently, and the
# heading of a parked car.
LEAST_EQUAL = 0.99


@dataclass(frozen=True)
class Case:
    """An operation on many trajectories at once, and on one; and the baseline on a few, one by one.

    Baselines of action tokenizers start from actions, or end with them: what the action space does is not in their
    time, though it is in ours.

    Attributes:
        check: raises RuntimeError where ours and the baseline's answers differ.
    """

    name: str
    many: Run
    one: Run
    baseline: Run | None = None
    check: Callable[[], None] | None = None


def cases(work: Workload) -> Iterator[Case]:
    """Encoding and decoding by one tokenizer."""
    if isinstance(work.codec, TextActionTokenizer):
        yield from _text_cases(work, work.codec)
        return
    tokenizer, history, one = work.tokenizer, work.many[:2], work.one[:2]
    ids, one_ids = tokenizer.encode(*work.many), tokenizer.encode(*work.one)
    few_ids = ids[: len(work.few[0])]
    encoding, decoding = _baselines(work, few_ids)
    yield _case(
        work, "encode", lambda: tokenizer.encode(*work.many), lambda: tokenizer.encode(*work.one), few_ids, encoding
    )
    yield _case(
        work,
        "decode",
        lambda: tokenizer.decode(*history, ids),
        lambda: tokenizer.decode(*one, one_ids),
        _decoded(work, few_ids),
        decoding,
    )


def _baselines(work: Workload, ids: torch.Tensor) -> tuple[Run | None, Run | None]:
    """For encoding and decoding the few trajectories."""
    codec = work.codec
    if work.name == "unicycle+uniform":
        return lambda: baseline_unicycle.plain_encode(work.few, codec.vocab_size), None
    if work.name == "delta_xyz+uniform":
        return None, lambda: baseline_delta.plain_decode(ids)
    actions: NDArray[Any] = work.space.encode(*work.few).numpy()
    if isinstance(codec, KDisksActionTokenizer):
        disks = codec.disks.double().numpy()
        return lambda: baseline_kdisks.plain_encode(actions, disks, codec.yaw_weight_m), None
    if isinstance(codec, RVQActionTokenizer):
        return lambda: baseline_rvq.plain_encode(actions, codec.state_dict(), codec.beam), None
    if isinstance(codec, FASTBPEActionTokenizer):
        definition = bytes(codec.state_dict()["bpe"].tolist()).decode()
        plain = PlainFast(definition, codec.scale, codec.min_token, (actions.shape[1], actions.shape[2]))
        rows = [row[:count] for row, count in zip(ids.tolist(), codec.token_counts(ids).tolist(), strict=True)]
        return lambda: plain.encode(actions), lambda: plain.decode(rows)
    return None, None


def _text_cases(work: Workload, codec: TextActionTokenizer) -> Iterator[Case]:
    """Texts in place of ids, as that is what RT-2's language model reads and says."""
    space, bins = work.space, codec.bins_per_dim
    low, high = np.array(codec.action_range).reshape(-1, 2).T
    actions = space.encode(*work.few).numpy()
    many, few, one = (codec.to_text(space.encode(*data)) for data in (work.many, work.few, work.one))
    yield _case(
        work,
        "encode",
        lambda: codec.to_text(space.encode(*work.many)),
        lambda: codec.to_text(space.encode(*work.one)),
        few,
        lambda: baseline_text.plain_write(actions, low, high, bins),
    )
    yield _case(
        work,
        "decode",
        lambda: space.decode(*work.many[:2], codec.parse(many)),
        lambda: space.decode(*work.one[:2], codec.parse(one)),
        codec.parse(few),
        lambda: baseline_text.plain_read(few, low, high, bins),
    )


def _decoded(work: Workload, ids: torch.Tensor) -> torch.Tensor:
    """What the baseline gives too: cosines of headings for `delta_xyz`, actions for others."""
    if work.name == "delta_xyz+uniform":
        return work.tokenizer.decode(*work.few[:2], ids)[1][..., 0, 0]
    return work.codec.decode(ids)


def _case(work: Workload, operation: str, many: Run, one: Run, ours: Any, baseline: Run | None) -> Case:
    name = f"{work.name} {operation}"
    if baseline is None:
        return Case(name, many, one)

    def check() -> None:
        theirs: Any = baseline()
        if operation == "encode":
            equal = _share_equal(ours, theirs)
        else:
            theirs = np.cos(theirs) if work.name == "delta_xyz+uniform" else theirs
            least = 1e-4 * max(1.0, float(ours.abs().max()))
            equal = float((np.abs(theirs - ours.numpy()) < least).mean())
        if not equal >= LEAST_EQUAL:
            raise RuntimeError(f"{name}: baseline and tokenizer disagree: {equal:.4f} of the numbers are equal")

    return Case(name, many, one, baseline, check)


def _share_equal(ours: Any, theirs: Any) -> float:
    """Share of equal ids, or where rows are texts or differ in length, of equal rows."""
    if isinstance(theirs, np.ndarray):
        return float((ours.numpy() == theirs).mean())
    if isinstance(ours, torch.Tensor):  # padded on the right
        ours = [row[: len(other)] for row, other in zip(ours.tolist(), theirs, strict=True)]
    return sum(mine == other for mine, other in zip(ours, theirs, strict=True)) / len(theirs)
