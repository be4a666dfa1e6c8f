"""Measures of tokenizers: against tokenizers whose faults are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from reasoning_vla_ros.datasets import TrajectorySet, synthetic_arms, synthetic_driving
from reasoning_vla_ros.datasets.reconstruction import reconstruct
from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec
from reasoning_vla_ros.evaluation.tokenizers import compare
from reasoning_vla_ros.evaluation.tokenizers.accuracy import accuracy
from reasoning_vla_ros.evaluation.tokenizers.candidates import candidates
from reasoning_vla_ros.evaluation.tokenizers.case import Case
from reasoning_vla_ros.evaluation.tokenizers.labels import families, labels
from reasoning_vla_ros.evaluation.tokenizers.motion import motion
from reasoning_vla_ros.evaluation.tokenizers.plot import plot
from reasoning_vla_ros.evaluation.tokenizers.prefixes import prefixes
from reasoning_vla_ros.evaluation.tokenizers.rate import rate
from reasoning_vla_ros.evaluation.tokenizers.robustness import random_ids, substituted_id
from reasoning_vla_ros.evaluation.tokenizers.table import markdown_tables
from reasoning_vla_ros.tokenizers import (
    ActionTokenizer,
    InvalidTokensError,
    PoseActionSpace,
    TrajectoryTokenizer,
    UniformActionTokenizer,
)


class Uniform(UniformActionTokenizer):
    """Bins that may be shifted, decode to zeros, crash, or go on with an escape."""

    def __init__(self, offset: torch.Tensor | None = None, fault: str = "", num_bins: int = 100_001) -> None:
        super().__init__(3, num_bins, (-500.0, 500.0))
        self.offset, self.fault = offset, fault

    def decode(self, tokens: Any, strict: bool = True, dtype: torch.dtype = torch.float32) -> Any:
        if self.fault == "crash":
            raise IndexError("out of range")
        if self.fault == "refuse":
            raise InvalidTokensError("never")
        actions = super().decode(tokens, strict=strict, dtype=dtype)
        values = actions if strict else actions[0]
        if self.fault == "zeros":
            values = torch.zeros_like(values)
        if self.offset is not None:
            values = values + self.offset
        return values if strict else (values, actions[1])


def case(action_tokenizer: ActionTokenizer, data: TrajectorySet, faulty: str = "") -> Case:
    tokenizer = TrajectoryTokenizer(PoseActionSpace(), action_tokenizer)
    found = reconstruct(tokenizer, data)
    if faulty:
        tokenizer = TrajectoryTokenizer(PoseActionSpace(), Uniform(fault=faulty))
    return Case(tokenizer, data, found)


@pytest.fixture(scope="module")
def drives() -> TrajectorySet:
    return synthetic_driving(60)


def test_rate(drives: TrajectorySet) -> None:
    scores = rate(case(Uniform(num_bins=1024 + 1), drives))
    assert scores["tokens_mean"] == scores["tokens_p99"] == scores["tokens_max"] == 192
    assert scores["bits"] == pytest.approx(192 * math.log2(1025))
    assert scores["escape_rate"] == 0


def test_a_known_offset_is_the_error(drives: TrajectorySet) -> None:
    """3 m along, 4 m across, and 0.2 m of 2 m a radian."""
    scores = accuracy(case(Uniform(torch.tensor([3.0, 4.0, 0.2])), drives))
    for name in ("ade", "ade_p99", "max_error"):
        assert scores[name] == pytest.approx(5, abs=0.02), name
    for name in ("yaw_deg_mean", "yaw_deg_p99"):
        assert scores[name] == pytest.approx(math.degrees(0.1), abs=0.2), name
    assert scores["refused"] == 0


def test_motion_of_an_exact_and_of_a_rough_decoder(drives: TrajectorySet) -> None:
    exact = motion(case(Uniform(num_bins=10_000_001), drives))
    assert exact["acceleration_rms"] < 0.1
    assert exact["jerk_ratio"] == pytest.approx(1, abs=0.02)
    zigzag = torch.zeros(64, 3)
    zigzag[::2, 0] = 0.03
    rough = motion(case(Uniform(zigzag, num_bins=10_000_001), drives))
    assert rough["acceleration_rms"] > 0.2
    assert rough["jerk_ratio"] > 1.5


def test_acceleration_of_arms() -> None:
    """A decoder that is late by a parabola errs by its second derivative."""
    arms = synthetic_arms(8)
    tokenizer = TrajectoryTokenizer(PoseActionSpace(), Uniform())
    wrong = arms.fut_xyz + 0.5 * 3 * (torch.arange(50)[None, :, None] * arms.dt_s) ** 2
    found = reconstruct(TrajectoryTokenizer(PoseActionSpace(), Uniform()), synthetic_driving(8))
    late = type(found)(found.tokens, found.counts, wrong, found.rot, found.errors, 0)
    assert motion(Case(tokenizer, arms, late))["acceleration_rms"] == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize(("fault", "outcome"), [("refuse", "refused"), ("zeros", "silent_zeros"), ("crash", "crashed")])
def test_what_bad_ids_become_is_told_apart(drives: TrajectorySet, fault: str, outcome: str) -> None:
    faulty = case(Uniform(), drives, fault)
    for measure, kind in ((random_ids, "random"), (substituted_id, "substituted")):
        scores = measure(faulty, 20)
        assert scores[f"{kind}_{outcome}"] == 1, (kind, scores)


def test_the_ids_of_a_standstill_are_no_silent_zeros(drives: TrajectorySet) -> None:
    """The only id that there is says zeros; another decoder makes zeros of anything."""

    class Standstill(Uniform):
        def encode(self, actions: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(actions), 1, dtype=torch.long)

        def decode(self, tokens: Any, strict: bool = True, dtype: torch.dtype = torch.float32) -> Any:
            actions = torch.zeros(len(tokens), 64, 3, dtype=dtype)
            return actions if strict else (actions, torch.ones(len(tokens), dtype=torch.bool))

        def num_tokens_for(self, horizon: int | None) -> int:
            return 1

    scores = random_ids(case(Standstill(num_bins=2), drives), 100)
    assert scores["random_usable"] == pytest.approx(0.5, abs=0.2)
    assert scores["random_usable"] + scores["random_silent_zeros"] == 1


def test_one_substituted_id_of_bins_moves_one_number(drives: TrajectorySet) -> None:
    scores = substituted_id(case(Uniform(), drives), 100)
    assert scores["substituted_refused"] == 0
    # A random place on +-500 m for one waypoint of 64; every third id is of the yaw, which moves no waypoint.
    assert 1 < scores["substituted_ade_median"] < 8
    assert scores["substituted_out_of_bounds"] > 0
    # All of a row at random lies beyond reach.
    assert random_ids(case(Uniform(), drives), 20)["random_out_of_bounds"] == 1


class Coarse(UniformActionTokenizer):
    """Two ids a trajectory: the first says the last waypoint's x roughly, the second more exactly."""

    @property
    def num_tokens(self) -> int:
        return 2

    def num_tokens_for(self, horizon: int | None) -> int:
        return 2

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        fine = actions[:, -1, 0].round().long().clamp(-500, 499) + 500
        return torch.stack([fine // 100, fine % 100], 1)

    def decode(self, tokens: Any, strict: bool = True, dtype: torch.dtype = torch.float32) -> Any:
        last = tokens[:, 0] * 100 + (tokens[:, 1] if tokens.shape[1] == 2 else 50) - 500
        actions = torch.zeros(len(tokens), 64, 3, dtype=dtype)
        actions[:, -1, 0] = last
        return actions if strict else (actions, torch.ones(len(tokens), dtype=torch.bool))


def test_prefixes(drives: TrajectorySet) -> None:
    found = prefixes(case(Coarse(3, 1000), drives))["prefix_ade"]
    assert list(found) == ["1", "2"]
    assert found["1"] > found["2"]
    # The first ids of bins are another, shorter trajectory, and of one id alone they are none.
    assert prefixes(case(Uniform(), drives))["prefix_ade"] is None


def test_compare_fits_what_needs_it_and_leaves_out_what_does_not_fit(drives: TrajectorySet) -> None:
    specs = [
        TokenizerSpec.parse("pose+truncated_dct,num_frequencies=4"),
        TokenizerSpec.parse("pose+uniform,num_bins=101,fit=false"),
        TokenizerSpec.parse("pose+truncated_dct,num_frequencies=400"),
    ]
    fitted = []
    result = compare(
        drives, synthetic_driving(200, 1), specs, leave_out_misfits=True, on_fitted=lambda spec, _: fitted.append(spec)
    )
    assert fitted == specs[:1]
    assert [row["tokenizer"] for row in result.rows] == [str(spec) for spec in specs[:2]]
    assert "num_frequencies must lie in 1..64" in result.left_out[str(specs[2])]
    assert result.rows[0]["ade"] < result.rows[1]["ade"]
    assert all(row["random_crashed"] == row["random_silent_zeros"] == 0 for row in result.rows)
    assert result.rows[0]["encode_ratio"] > 0
    with pytest.raises(ValueError, match="num_frequencies must lie"):
        compare(drives, drives, specs)
    with pytest.raises(ValueError, match="nothing to fit it to"):
        compare(drives, None, specs[:1])


def test_one_fit_serves_all_lengths(drives: TrajectorySet) -> None:
    fit_on = synthetic_driving(300, 1)
    rest = "max_tokens=4,vocabulary=65,max_error=null"
    specs = [TokenizerSpec.parse(f"path+klt,num_tokens={count},{rest}") for count in (2, 4)]
    found = []
    result = compare(drives, fit_on, specs, on_fitted=lambda _, tokenizer: found.append(tokenizer))
    first, second = (tokenizer.action_tokenizer.state_dict() for tokenizer in found)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert [row["tokens_mean"] for row in result.rows] == [2, 4]
    assert result.rows[0]["ade"] > result.rows[1]["ade"]
    assert list(result.rows[1]["prefix_ade"]) == ["1", "2", "4"]


def test_every_registered_tokenizer_is_a_candidate(drives: TrajectorySet) -> None:
    from reasoning_vla_ros.tokenizers import available_tokenizers

    names = {spec.name.split("+")[1] for spec in candidates(drives) if "+" in spec.name}
    assert names == set(available_tokenizers()["action_tokenizers"])
    whole = [spec for spec in candidates(synthetic_arms(2)) if "+" not in spec.name]
    assert whole
    assert all(spec.name.startswith("arm") and not spec.fit for spec in whole)


def test_names_show_what_differs() -> None:
    specs = [
        "path+klt,num_tokens=4,max_error=0.5",
        "path+klt,num_tokens=8,max_error=0.5",
        "delta_xyz+uniform,num_bins=1000,fit=false",
        "delta_xyz+uniform,num_bins=1000,closed_loop=true,fit=false",
        "unicycle+uniform,accel_std=0.681,fit=false",
        "fits/driving-klt-16",
    ]
    assert list(labels(specs).values()) == [
        "path+klt (4 tokens)",
        "path+klt (8 tokens)",
        "delta_xyz+uniform",
        "delta_xyz+uniform (closed loop)",
        "unicycle+uniform",
        "driving-klt-16",
    ]
    assert list(dict.fromkeys(families(specs).values())) == [
        "path+klt",
        "delta_xyz+uniform",
        "delta_xyz+uniform (closed loop)",
        "unicycle+uniform",
        "driving-klt",
    ]


def test_tables_and_plot_take_what_has_no_number(tmp_path: Path, drives: TrajectorySet) -> None:
    """A tokenizer of which nothing decodes, and one without any error."""
    result = compare(drives, None, [TokenizerSpec.parse("pose+uniform,num_bins=1001,fit=false")])
    nan = float("nan")
    hopeless = {**result.rows[0], "tokenizer": "no+good", "ade": nan, "max_error": nan, "jerk_ratio": None}
    exact = {**result.rows[0], "tokenizer": "quite+exact", "ade": 0.0}
    both = replace(result, rows=[*result.rows, hopeless, exact])
    text = markdown_tables(both)
    assert "| no+good | 192 | " in text
    assert "- pose+uniform: `pose+uniform,num_bins=1001,fit=false`" in text
    assert json.loads(json.dumps(both.as_json(), allow_nan=False))["rows"][1]["ade"] is None
    plot(both, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
