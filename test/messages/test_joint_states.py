"""JointState messages."""

from __future__ import annotations

import numpy as np
import pytest

from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.messages.joint_states import JointStateError, joints_from_message


def message(names: list[str], positions: list[float]) -> object:
    header = t.Header(stamp=t.Time(sec=3, nanosec=5), frame_id="")
    joint_state = t.TYPESTORE.types["sensor_msgs/msg/JointState"]
    empty = np.array([])
    return joint_state(header=header, name=names, position=np.array(positions), velocity=empty, effort=empty)


def test_joints_come_sorted_by_name() -> None:
    joints = joints_from_message(message(["b", "c", "a"], [2.0, 3.0, 1.0]))
    assert joints.stamp_ns == 3_000_000_005
    assert joints.names == ("a", "b", "c")
    assert joints.positions.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("names", "positions", "error"),
    [
        ([], [], "at least one distinct name, got 0 positions"),
        (["a"], [], r"got 0 positions of \['a'\]"),
        (["a", "a"], [1.0, 2.0], "distinct name"),
        (["a", "b"], [1.0, float("nan")], r"finite positions, got \[1.0, nan\]"),
    ],
)
def test_what_holds_no_positions_is_refused(names: list[str], positions: list[float], error: str) -> None:
    with pytest.raises(JointStateError, match=error):
        joints_from_message(message(names, positions))
