"""Recordings of a vehicle and an arm, a few seconds long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags import BagWriter
from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.messages.stamps import ns_to_stamp

START_NS = 1_700_000_000_000_000_000
SPEED_MPS = 8.0
YAW_RATE_RPS = 0.1


def circle(time_s: float) -> tuple[np.ndarray, float]:
    """Position and heading on a circle far from the origin of its frame."""
    yaw = 1 + YAW_RATE_RPS * time_s
    radius = SPEED_MPS / YAW_RATE_RPS
    return np.array([5e5 + radius * np.sin(yaw), -radius * np.cos(yaw), 2.0]), yaw


def odometry(time_s: float, speed_factor: float = 1.0) -> Any:
    xyz, yaw = circle(time_s * speed_factor)
    quat = Rotation.from_euler("z", yaw).as_quat()
    pose = t.Pose(position=t.Point(*xyz.tolist()), orientation=t.Quaternion(*quat.tolist()))
    zero = t.Vector3(0.0, 0.0, 0.0)
    return t.Odometry(
        header=t.Header(stamp=ns_to_stamp(START_NS + round(time_s * 1e9), t.Time), frame_id="odom"),
        child_frame_id="base_link",
        pose=t.PoseWithCovariance(pose=pose, covariance=np.zeros(36)),
        twist=t.TwistWithCovariance(twist=t.Twist(linear=zero, angular=zero), covariance=np.zeros(36)),
    )


@pytest.fixture
def write_drive() -> Callable[..., Path]:
    """Writes odometry on a circle, stamped with the given times (seconds) and logged in the order given."""

    def write(path: Path, times_s: Iterable[float], topic: str = "/odometry", **changes: Any) -> Path:
        with BagWriter(path, overwrite=path.exists()) as writer:
            for index, time_s in enumerate(times_s):
                writer.write(topic, odometry(time_s, **changes), START_NS + index * 1_000_000)
        return path

    return write


@pytest.fixture
def write_joints() -> Callable[..., Path]:
    """Writes joint states (names, positions) at the given times, all in the order given."""

    def write(path: Path, states: Iterable[tuple[float, list[str], list[float]]]) -> Path:
        with BagWriter(path) as writer:
            for index, (time_s, names, positions) in enumerate(states):
                header = t.Header(stamp=ns_to_stamp(START_NS + round(time_s * 1e9), t.Time), frame_id="")
                message = t.TYPESTORE.types["sensor_msgs/msg/JointState"](
                    header=header, name=names, position=np.array(positions), velocity=np.array([]), effort=np.array([])
                )
                writer.write("/joint_states", message, START_NS + index * 1_000_000)
        return path

    return write
