"""Windows of recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.bags.kitti import import_kitti
from reasoning_vla_ros.datasets import DataError, from_bag
from reasoning_vla_ros.geometry.frames import to_ego_frame
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw
from reasoning_vla_ros.messages.odometry import ego_pose_from_odometry
from reasoning_vla_ros.planning.ego_history import EgoHistory

Write = Callable[..., Path]


def test_a_window_is_the_drive_seen_from_its_t0(tmp_path: Path, write_drive: Write) -> None:
    data = from_bag(write_drive(tmp_path / "drive.mcap", np.arange(0, 10, 0.01)))
    assert data.is_driving
    assert (data.hist_xyz.shape[1:], data.fut_xyz.shape[1:], data.dt_s) == ((16, 3), (64, 3), 0.1)
    # 9.99 s have room for t0 from 1.5 s to 3.59 s.
    assert len(data) == 5
    time_s = torch.arange(1, 65) * 0.1
    yaw, radius = 0.1 * time_s, 80
    expected = torch.stack([radius * yaw.sin(), radius * (1 - yaw.cos()), torch.zeros(64)], -1)
    for row in range(len(data)):
        assert torch.allclose(data.fut_xyz[row], expected, atol=1e-3)
        assert torch.allclose(matrix_to_yaw(data.fut_rot[row]), yaw, atol=1e-4)  # type: ignore[index]
    assert float(data.hist_xyz[:, -1].abs().max()) == 0
    assert torch.allclose(data.hist_xyz[:, 0, 0], torch.full((5,), -80 * np.sin(0.15)).float(), atol=1e-3)
    assert data.t0_s is not None
    assert torch.allclose(data.t0_s, 1.5 + 0.5 * torch.arange(5).double())
    assert data.notes == ()


def test_poses_are_those_that_the_planner_would_see(tmp_path: Path, write_drive: Write) -> None:
    """Odometry at uneven times, as the live buffer interpolates it."""
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.2, 150))
    data = from_bag(write_drive(tmp_path / "drive.mcap", times_s))
    history = EgoHistory(keep_s=1e6, max_gap_s=0.25)
    with BagReader(tmp_path / "drive.mcap") as reader:
        for _, _, message in reader.messages():
            pose = ego_pose_from_odometry(message)
            history.add(pose.stamp_ns, pose.xyz, pose.quat_xyzw)
    assert data.t0_s is not None
    first_ns = history._stamps_ns[0]
    for row in range(len(data)):
        stamps_ns = first_ns + round(float(data.t0_s[row]) * 1e9) + np.arange(-15, 1) * 100_000_000
        xyz, rot = to_ego_frame(*history.poses_in_odom(stamps_ns))
        assert np.allclose(data.hist_xyz[row], xyz, atol=1e-5)
        assert np.allclose(data.hist_rot[row], rot, atol=1e-6)  # type: ignore[index]


def test_no_window_lies_over_a_gap(tmp_path: Path, write_drive: Write) -> None:
    times_s = np.arange(0, 30, 0.05)
    whole = from_bag(write_drive(tmp_path / "whole.mcap", times_s))
    gap = from_bag(write_drive(tmp_path / "gap.mcap", times_s[(times_s < 15) | (times_s > 15.5)]))
    assert 0 < len(gap) < len(whole)
    assert gap.t0_s is not None
    assert not bool(((gap.t0_s - 1.5 < 15) & (gap.t0_s + 6.4 > 15.5)).any())
    skipped = int(gap.notes[0].split(" x ")[0])
    assert "gap" in gap.notes[0]
    assert len(gap) + skipped == pytest.approx(len(whole), abs=1)


def test_duplicates_add_nothing_and_are_counted(tmp_path: Path, write_drive: Write) -> None:
    once = np.arange(0, 9, 0.05)
    data = from_bag(write_drive(tmp_path / "twice.mcap", np.repeat(once, 2)))
    assert torch.equal(data.fut_xyz, from_bag(write_drive(tmp_path / "once.mcap", once)).fut_xyz)
    assert data.notes[0].startswith(f"{len(once)} x message no newer")


def test_a_clock_that_jumps_back_begins_a_new_stretch(tmp_path: Path, write_drive: Write) -> None:
    once = np.arange(0, 9, 0.05)
    data = from_bag(write_drive(tmp_path / "looped.mcap", np.tile(once, 2)))
    single = from_bag(write_drive(tmp_path / "once.mcap", once))
    assert torch.equal(data.fut_xyz, torch.cat([single.fut_xyz, single.fut_xyz]))
    assert data.group is not None
    assert data.group.unique().tolist() == [0, 1]
    assert "clock jumps back" in data.notes[0]


def test_a_jump_of_the_odometry_is_a_gap(tmp_path: Path, write_drive: Write) -> None:
    with pytest.raises(DataError, match=r"window over a jump .*allowed 0.25 s and 100 m/s"):
        from_bag(write_drive(tmp_path / "fast.mcap", np.arange(0, 10, 0.05), speed_factor=20))


def test_what_is_missing_is_named(tmp_path: Path, write_drive: Write, write_joints: Write) -> None:
    short = write_drive(tmp_path / "short.mcap", np.arange(0, 3, 0.05))
    with pytest.raises(DataError, match=r"needs 7.90 s .* got stretches of 2.95 s"):
        from_bag(short)
    with pytest.raises(DataError, match=r"no sensor_msgs/msg/JointState. It has: /odometry"):
        from_bag(short, kind="joints")
    with pytest.raises(DataError, match=r"on /other"):
        from_bag(short, topic="/other")
    with pytest.raises(DataError, match=r"kind must be"):
        from_bag(short, kind="tf")  # type: ignore[arg-type]


def test_joint_states_become_chunks(tmp_path: Path, write_joints: Write) -> None:
    """Two publishers share a topic; joints come in any order; one message is broken."""
    states = []
    for time_s in np.arange(0, 4, 0.01):
        states.append((time_s, ["b", "a"], [2 * time_s, time_s]))
        if round(time_s * 100) % 10 == 0:
            states.append((time_s, ["gripper"], [0.5]))
    states.insert(7, (0.05, ["a", "b"], [np.nan, 0.0]))
    data = from_bag(write_joints(tmp_path / "arm.db3", states))
    assert not data.is_driving
    assert (data.hist_xyz.shape[1:], data.fut_xyz.shape[1:], data.dt_s) == ((16, 2), (50, 2), 0.02)
    assert data.t0_s is not None
    time_s = data.t0_s[:, None] + torch.arange(1, 51) * 0.02
    assert torch.allclose(data.fut_xyz, torch.stack([time_s, 2 * time_s], -1).float(), atol=1e-5)
    notes = " ".join(data.notes)
    assert "1 x bad message" in notes
    assert "40 messages of gripper" in notes


def test_joint_chunks_leave_gaps_out(tmp_path: Path, write_joints: Write) -> None:
    times_s = [time_s for time_s in np.arange(0, 9, 0.01) if not 4 < time_s < 4.5]
    data = from_bag(write_joints(tmp_path / "arm.mcap", [(time_s, ["a"], [time_s]) for time_s in times_s]))
    assert data.t0_s is not None
    assert not bool(((data.t0_s + 1 > 4.01) & (data.t0_s - 0.3 < 4.49)).any())
    assert "window over a gap" in data.notes[0]


def test_a_real_drive(tmp_path: Path, test_data: Path) -> None:
    """KITTI 06: a loop through a town, 114 s at 10 Hz."""
    import_kitti(test_data / "kitti_06_head", tmp_path / "kitti.mcap", poses="poses_full_06.txt")
    data = from_bag(tmp_path / "kitti.mcap", stride_s=1.0)
    assert len(data) > 90
    speeds_mps = torch.linalg.vector_norm(data.fut_xyz.diff(dim=1), dim=-1) / data.dt_s
    assert 3 < float(speeds_mps.median()) < 20
    assert float(speeds_mps.max()) < 30
