"""The tokenizers against the plain methods, in this process; the ratios measured are far larger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from reasoning_vla_ros.evaluation.bench import baseline_kdisks, measure
from reasoning_vla_ros.evaluation.bench.timing import best_seconds
from reasoning_vla_ros.evaluation.bench.workload import TOKENIZERS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    # As waiting for a second one on a busy machine would be what is measured.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_batches_are_faster_than_one_by_one() -> None:
    names = ["unicycle+uniform", "delta_xyz+uniform"]
    ratios = {speed.name: speed.ratio for speed in measure(batch=1024, baseline_batch=8, names=names, quick=True)}
    assert ratios["unicycle+uniform encode"] > 10
    assert ratios["delta_xyz+uniform decode"] > 100
    assert ratios["delta_xyz+uniform encode"] is None


def test_every_tokenizer_is_timed_beside_what_gives_the_same_answers() -> None:
    heard: list[str] = []
    speeds = measure(batch=128, baseline_batch=8, quick=True, on_case=heard.append)
    assert heard == [speed.name for speed in speeds]
    assert heard == [f"{name} {operation}" for name in TOKENIZERS for operation in ("encode", "decode")]
    with_baseline = [speed.name for speed in speeds if speed.ratio is not None]
    assert with_baseline == [
        "unicycle+uniform encode",
        "delta_xyz+uniform decode",
        "pose+text encode",
        "pose+text decode",
        "delta_xyz+fast encode",
        "delta_xyz+fast decode",
        "planar_pose+kdisks encode",
        "pose+rvq encode",
    ]
    assert all(speed.per_s > 0 and speed.single_us > 0 and speed.single_ratio > 0 for speed in speeds)


def test_no_comparison_with_a_baseline_that_answers_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = baseline_kdisks.plain_encode
    monkeypatch.setattr(baseline_kdisks, "plain_encode", lambda *arguments: plain(*arguments) ^ 1)
    with pytest.raises(RuntimeError, match=r"kdisks encode: .*disagree: 0.0000 of"):
        measure(batch=64, baseline_batch=8, names=["planar_pose+kdisks"], quick=True)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"knows .*got 'nobody'"):
        measure(names=["nobody"])


def test_runs_take_turns() -> None:
    turns: list[str] = []
    first, second = best_seconds([lambda: turns.append("a"), lambda: turns.append("b")], 3)
    assert turns == ["a", "b"] * 4
    assert 0 <= first < 1
    assert 0 <= second < 1
