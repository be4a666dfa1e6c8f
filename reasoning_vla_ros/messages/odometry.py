"""nav_msgs/Odometry as a stamped ego pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.stamps import stamp_to_ns

MIN_QUATERNION_NORM = 0.9
MAX_QUATERNION_NORM = 1.1


class OdometryError(ValueError):
    """An odometry message that holds no usable pose."""


@dataclass(frozen=True)
class StampedPose:
    """Pose of `child_frame_id` in `frame_id` at an instant.

    Attributes:
        stamp_ns: header stamp in nanoseconds.
        xyz: float64 [3], metres.
        quat_xyzw: float64 [4], unit quaternion in ROS (and SciPy) order.
        frame_id: frame that the pose is given in, usually "odom".
        child_frame_id: frame whose pose it is, usually "base_link".
    """

    stamp_ns: int
    xyz: NDArray[np.float64]
    quat_xyzw: NDArray[np.float64]
    frame_id: str
    child_frame_id: str


def ego_pose_from_odometry(msg: Any) -> StampedPose:
    """The pose of a nav_msgs/Odometry message (rclpy's or rosbags').

    A quaternion whose norm is within 0.9..1.1 is normalised (drivers round); one further off is no rotation.

    Raises:
        OdometryError: a NaN or an infinity in the pose, or a quaternion whose norm is outside 0.9..1.1.
    """
    stamp_ns = stamp_to_ns(msg.header.stamp)
    position, orientation = msg.pose.pose.position, msg.pose.pose.orientation
    xyz = np.array([position.x, position.y, position.z], dtype=np.float64)
    quat_xyzw = np.array([orientation.x, orientation.y, orientation.z, orientation.w], dtype=np.float64)
    if not np.isfinite(xyz).all():
        raise OdometryError(f"odometry at {stamp_ns} ns: position needs finite metres, got {xyz.tolist()}")
    if not np.isfinite(quat_xyzw).all():
        raise OdometryError(
            f"odometry at {stamp_ns} ns: orientation needs a finite quaternion, got {quat_xyzw.tolist()} (x, y, z, w)"
        )
    norm = float(np.linalg.norm(quat_xyzw))
    if not MIN_QUATERNION_NORM <= norm <= MAX_QUATERNION_NORM:
        raise OdometryError(
            f"odometry at {stamp_ns} ns: orientation needs a quaternion of norm "
            f"{MIN_QUATERNION_NORM}..{MAX_QUATERNION_NORM}, got norm {norm:.6g} of {quat_xyzw.tolist()} (x, y, z, w)"
        )
    return StampedPose(
        stamp_ns=stamp_ns,
        xyz=xyz,
        quat_xyzw=quat_xyzw / norm,
        frame_id=str(msg.header.frame_id),
        child_frame_id=str(msg.child_frame_id),
    )
