"""Stamps and ego poses of messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning_vla_ros.messages.odometry import OdometryError, ego_pose_from_odometry
from reasoning_vla_ros.messages.stamps import (
    StampError,
    ns_to_seconds,
    ns_to_stamp,
    seconds_to_ns,
    split_ns,
    stamp_to_ns,
)


@given(st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1))
def test_stamps_keep_every_nanosecond(stamp_ns: int) -> None:
    stamp = ns_to_stamp(stamp_ns, SimpleNamespace)
    assert stamp_to_ns(stamp) == stamp_ns
    assert 0 <= stamp.nanosec < 10**9


@pytest.mark.parametrize("stamp_ns", [2**31 * 10**9, -(2**31) * 10**9 - 1])
def test_stamps_beyond_int32_seconds_are_refused(stamp_ns: int) -> None:
    with pytest.raises(StampError, match=f"-2147483648..2147483647 .*{stamp_ns} ns"):
        split_ns(stamp_ns)


def test_seconds_are_rounded_to_the_nearest_nanosecond() -> None:
    assert seconds_to_ns(0.1) == 100_000_000
    assert seconds_to_ns(-1.0000000006) == -1_000_000_001
    assert ns_to_seconds(1_500_000_000) == 1.5


def odometry(xyz: tuple[float, ...] = (1.0, 2.0, 3.0), quat: tuple[float, ...] = (0.0, 0.0, 0.6, 0.8)) -> Any:
    position = SimpleNamespace(**dict(zip("xyz", xyz, strict=True)))
    orientation = SimpleNamespace(**dict(zip("xyzw", quat, strict=True)))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=7, nanosec=5), frame_id="odom"),
        child_frame_id="base_link",
        pose=SimpleNamespace(pose=SimpleNamespace(position=position, orientation=orientation)),
    )


def test_pose_of_odometry() -> None:
    pose = ego_pose_from_odometry(odometry())
    assert (pose.stamp_ns, pose.frame_id, pose.child_frame_id) == (7_000_000_005, "odom", "base_link")
    np.testing.assert_array_equal(pose.xyz, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(pose.quat_xyzw, [0.0, 0.0, 0.6, 0.8])
    assert pose.xyz.dtype == pose.quat_xyzw.dtype == np.float64


@given(st.floats(0.905, 1.095), st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_nearly_unit_quaternions_are_normalised(norm: float, direction: tuple[float, ...]) -> None:
    unit = np.array(direction) / np.linalg.norm(direction)
    pose = ego_pose_from_odometry(odometry(quat=tuple(norm * unit)))
    np.testing.assert_allclose(pose.quat_xyzw, unit, atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("field", ["position", "orientation"])
def test_values_that_are_not_finite_are_refused(field: str, bad: float) -> None:
    msg = odometry()
    getattr(msg.pose.pose, field).y = bad
    with pytest.raises(OdometryError, match=rf"7000000005 ns: {field} needs .*finite .*{bad}"):
        ego_pose_from_odometry(msg)


@pytest.mark.parametrize(("quat", "norm"), [((0, 0, 0, 0), "0"), ((0, 0, 0, 0.89), "0.89"), ((0, 0, 1, 1), "1.41421")])
def test_quaternions_that_are_no_rotation_are_refused(quat: tuple[float, ...], norm: str) -> None:
    with pytest.raises(OdometryError, match=rf"norm 0.9..1.1, got norm {norm} "):
        ego_pose_from_odometry(odometry(quat=quat))
