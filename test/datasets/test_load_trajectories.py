"""Sources by name, and a share held out of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.datasets import DataError, TrajectorySet, hold_out, join, load_trajectories, synthetic_driving


def test_made_up_data_by_name() -> None:
    data = load_trajectories("synthetic:driving:12:3")
    assert torch.equal(data.fut_xyz, synthetic_driving(12, seed=3).fut_xyz)
    assert load_trajectories("synthetic:arms:5").fut_xyz.shape == (5, 50, 7)


def test_sources_are_told_apart_and_joined(tmp_path: Path, write_drive: Callable[..., Path]) -> None:
    bag = write_drive(tmp_path / "drive.mcap", np.arange(0, 10, 0.05))
    folder = write_drive(tmp_path / "folder", np.arange(0, 10, 0.05))
    np.savez(tmp_path / "chunks.npz", actions=np.zeros((3, 50, 7)), dt_s=0.02)
    assert len(load_trajectories(tmp_path / "chunks.npz")) == 3
    single = load_trajectories(bag, stride_s=0.25)
    both = load_trajectories([bag, str(folder), "synthetic:driving:3"])
    assert len(both) == 2 * len(load_trajectories(bag)) + 3
    assert len(single) > len(load_trajectories(bag))
    assert both.group is not None
    # Each bag is one group, each made-up drive one of its own.
    assert len(both.group.unique()) == 2 + 3


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nothing.mcap", {}, r"nothing.mcap does not exist; a source is a bag"),
        ("synthetic:boats", {}, "is not understood; a source is"),
        ("synthetic:driving:many", {}, "is not understood"),
        ("synthetic:driving:0", {}, "count of at least 1"),
        ("synthetic:driving:4", {"stride_s": 1}, r"takes the options \['lever_m'.*got \['stride_s'\]"),
        ([], {}, "at least one source"),
        (["synthetic:driving:4", "synthetic:arms:4"], {}, "can be joined when"),
    ],
)
def test_errors_list_what_is_accepted(source: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_trajectories(source, **options)


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is none of them"):
        load_trajectories(tmp_path)


def windows(groups: list[int], times_s: list[float]) -> TrajectorySet:
    made_up = synthetic_driving(len(groups))
    return TrajectorySet(
        *made_up.tensors(), made_up.dt_s, "windows", torch.tensor(groups), torch.tensor(times_s, dtype=torch.float64)
    )


def test_whole_recordings_are_held_out() -> None:
    data = windows([number for number in range(12) for _ in range(5)], [float(i) for _ in range(12) for i in range(5)])
    fit, test = hold_out(data, 0.25)
    assert fit.group is not None
    assert test.group is not None
    assert set(fit.group.tolist()).isdisjoint(test.group.tolist())
    assert len(test.group.unique()) == 3
    assert len(fit) + len(test) == len(data)


def test_of_one_recording_a_stretch_is_held_out_and_nothing_overlaps_it() -> None:
    data = windows([0] * 200, [0.5 * i for i in range(200)])
    for seed in range(5):
        fit, test = hold_out(data, 0.2, seed)
        assert fit.t0_s is not None
        assert test.t0_s is not None
        apart_s = (fit.t0_s[:, None] - test.t0_s[None]).abs().min()
        assert float(apart_s) > 7.8
        assert 30 <= len(test) <= 50
        assert len(fit) >= 200 - len(test) - 2 * 17


def test_rows_of_unknown_origin_are_split_in_order() -> None:
    data = synthetic_driving(10)
    fit, test = hold_out(data, 0.3)
    assert torch.equal(torch.cat([fit.fut_xyz, test.fut_xyz]), data.fut_xyz)
    assert len(test) == 3


def test_too_little_data_to_hold_any_out() -> None:
    with pytest.raises(DataError, match="needed at least one of each"):
        hold_out(synthetic_driving(1))
    with pytest.raises(DataError, match="source of its own"):
        hold_out(windows([0] * 4, [0.0, 0.5, 1.0, 1.5]))


def test_joining_numbers_groups_anew() -> None:
    one, other = windows([5, 5, 7], [0, 1, 2]), windows([0, 0], [0, 1])
    joined = join([one, other])
    assert joined.group is not None
    assert joined.group.tolist() == [0, 0, 1, 2, 2]
    with pytest.raises(ValueError, match="group and t0_s"):
        TrajectorySet(*one.tensors(), 0.1, group=torch.zeros(2))
