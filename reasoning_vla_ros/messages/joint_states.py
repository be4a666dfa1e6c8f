"""sensor_msgs/JointState as stamped joint positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.stamps import stamp_to_ns


class JointStateError(ValueError):
    """A JointState message that holds no usable positions."""


@dataclass(frozen=True)
class StampedJoints:
    """Joint positions at an instant.

    Attributes:
        stamp_ns: header stamp in nanoseconds.
        names: of the joints, sorted.
        positions: float64 [D], radians or metres, in the order of `names`.
    """

    stamp_ns: int
    names: tuple[str, ...]
    positions: NDArray[np.float64]


def joints_from_message(msg: Any) -> StampedJoints:
    """The positions of a sensor_msgs/JointState message (rclpy's or rosbags'), joints sorted by name.

    Raises:
        JointStateError: names and positions of different numbers, none, a name twice, a NaN or an infinity.
    """
    stamp_ns = stamp_to_ns(msg.header.stamp)
    names = [str(name) for name in msg.name]
    positions = np.asarray(msg.position, np.float64)
    if not names or len(names) != len(positions) or len(set(names)) != len(names):
        raise JointStateError(
            f"joint state at {stamp_ns} ns: needs a position for each of at least one distinct name, "
            f"got {len(positions)} positions of {names}"
        )
    if not np.isfinite(positions).all():
        raise JointStateError(f"joint state at {stamp_ns} ns: needs finite positions, got {positions.tolist()}")
    order = sorted(range(len(names)), key=names.__getitem__)
    return StampedJoints(stamp_ns, tuple(names[i] for i in order), positions[order])
