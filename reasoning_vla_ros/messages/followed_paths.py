"""Plans of other nodes as what a follower takes: PlannedTrajectory and nav_msgs/Path, of rclpy or of rosbags."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, quaternion_to_matrix
from reasoning_vla_ros.messages.odometry import MAX_QUATERNION_NORM, MIN_QUATERNION_NORM
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.planning.followed_path import FollowedPath, PathRefusedError, direction_of_travel

FloatArray = NDArray[np.float64]


class Cruise(NamedTuple):
    """How a path without time is driven: m/s, and m/s^2 sideways and along it."""

    speed_mps: float
    lateral_acceleration_mps2: float
    acceleration_mps2: float


class Placement(NamedTuple):
    """Pose [3] and [3, 3] of the message's frame in the frame that is followed in."""

    xyz: FloatArray
    rot: FloatArray


def path_from_trajectory(msg: Any, placement: Placement | None = None) -> FollowedPath:
    """A reasoning_vla_ros/PlannedTrajectory message, by its times and speeds.

    Raises:
        PathRefusedError: a trajectory that is marked invalid, without points, with NaN, times that do not ascend or
            a quaternion that is no rotation; or one in reverse.
    """
    if not msg.valid:
        raise PathRefusedError(f"the trajectory is marked invalid: {msg.invalid_reason}")
    xy, yaw = _poses([point.pose for point in msg.points], placement)
    times_s = [stamp_to_ns(point.time_from_start) * 1e-9 for point in msg.points]
    speed = [float(point.longitudinal_velocity_mps) for point in msg.points]
    return FollowedPath.timed(stamp_to_ns(msg.header.stamp), times_s, xy, yaw, speed)


def path_from_nav_path(msg: Any, cruise: Cruise, placement: Placement | None = None) -> FollowedPath:
    """A nav_msgs/Path message: by the stamps of its poses where they ascend from the header's on, else by `cruise`.

    It is driven forwards; its orientations count only where it stands.

    Raises:
        PathRefusedError: a path without poses, with NaN or a quaternion that is no rotation, or stamps that differ and
            do not ascend from the header's on.
    """
    xy, yaw = _poses([stamped.pose for stamped in msg.poses], placement)
    stamp_ns = stamp_to_ns(msg.header.stamp)
    stamps_ns = [stamp_to_ns(stamped.header.stamp) for stamped in msg.poses]
    if len(set(stamps_ns)) < 2:
        return FollowedPath.untimed(stamp_ns, xy, float(yaw[0]), *cruise)
    times_s = [(pose_ns - stamp_ns) * 1e-9 for pose_ns in stamps_ns]
    return FollowedPath.timed(stamp_ns, times_s, xy, direction_of_travel(xy, float(yaw[0])))


def _poses(poses: list[Any], placement: Placement | None) -> tuple[FloatArray, FloatArray]:
    """Positions [T, 2] and headings [T] in the frame that is followed in."""
    if not poses:
        raise PathRefusedError("the plan has no waypoints, needed at least one")
    xyz = np.array([[pose.position.x, pose.position.y, pose.position.z] for pose in poses], np.float64)
    quat = np.array([[q.x, q.y, q.z, q.w] for q in (pose.orientation for pose in poses)], np.float64)
    norm = np.linalg.norm(quat, axis=1)
    off = ~((norm >= MIN_QUATERNION_NORM) & (norm <= MAX_QUATERNION_NORM))
    if off.any():
        raise PathRefusedError(
            f"waypoint {int(off.argmax())} has a quaternion of norm {norm[off.argmax()]:.6g}, needed "
            f"{MIN_QUATERNION_NORM}..{MAX_QUATERNION_NORM}"
        )
    rot = quaternion_to_matrix(quat / norm[:, None])
    if placement is not None:
        xyz, rot = xyz @ placement.rot.T + placement.xyz, placement.rot @ rot
    return xyz[:, :2], np.asarray(matrix_to_yaw(rot))
