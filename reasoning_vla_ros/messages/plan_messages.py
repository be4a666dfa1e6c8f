"""Plans as messages of this package and back.

The message classes come in as a namespace, so that rclpy's classes and those of rosbags serve alike. It needs the
attributes Plan, PlannedTrajectory, PlanPoint, ReasoningTrace, Header, Time, Duration, Pose, Point and Quaternion, and
for :func:`trajectory_to_path` also PathMsg (nav_msgs/Path) and PoseStamped; `reasoning_vla_ros.bags.types` is one.
Every number goes through float() or int(): rclpy sends a NumPy scalar, or an int in a float field, as garbage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.geometry.frames import from_ego_frame, invert
from reasoning_vla_ros.geometry.kinematics import path_kinematics
from reasoning_vla_ros.geometry.rotations import matrix_to_quaternion, quaternion_to_matrix
from reasoning_vla_ros.messages.stamps import ns_to_stamp, stamp_to_ns
from reasoning_vla_ros.planning.plan import Plan, StageSeconds

PoseArrays = tuple[ArrayLike, ArrayLike]
EGO_POSE: PoseArrays = (np.zeros(3), np.eye(3))


def plan_to_msg(
    plan: Plan,
    ego_pose: PoseArrays,
    frame_id: str,
    types: Any,
    *,
    publish_stamp_ns: int = 0,
    camera_names: Sequence[str] = (),
    camera_stamps_ns: Sequence[int] = (),
) -> Any:
    """The plan as a reasoning_vla_ros/Plan message.

    A candidate that is not finite, because it could not be decoded, gets no points.

    Args:
        ego_pose: pose at t0 in the output frame, xyz [3] in metres and rotation [3, 3]; :data:`EGO_POSE` leaves the
            plan in the ego frame.
        frame_id: the output frame.
        types: namespace of message classes.
        publish_stamp_ns: node clock at publication, nanoseconds.
        camera_names, camera_stamps_ns: names and newest stamps of the cameras, ascending camera ids.
    """
    header = _header(plan.t0_ns, frame_id, types)
    shown = plan.shown
    return types.Plan(
        header=header,
        candidates=[_trajectory_to_msg(plan, k, ego_pose, header, types) for k in range(len(plan.xyz))],
        selected=int(plan.selected),
        trace=reasoning_to_msg(
            plan.t0_ns,
            frame_id,
            types,
            text=_at(plan.reasoning, shown, ""),
            meta_action=_at(plan.meta_actions, shown, ""),
            num_tokens=_at(plan.num_reasoning_tokens, shown, 0),
            complete=_at(plan.reasoning_complete, shown, False),
        ),
        camera_names=[str(name) for name in camera_names],
        camera_stamps=[ns_to_stamp(stamp_ns, types.Time) for stamp_ns in camera_stamps_ns],
        publish_stamp=ns_to_stamp(publish_stamp_ns, types.Time),
        encode_duration_s=float(plan.seconds.encode),
        prefill_duration_s=float(plan.seconds.prefill),
        reason_duration_s=float(plan.seconds.reason),
        act_duration_s=float(plan.seconds.act),
        total_duration_s=float(plan.seconds.total),
        num_prompt_tokens=int(plan.num_prompt_tokens),
        num_reasoning_tokens=int(_at(plan.num_reasoning_tokens, shown, 0)),
        num_trajectory_tokens=int(plan.num_trajectory_tokens),
        seed=int(plan.seed),
        status=int(plan.status),
        status_reason=str(plan.status_reason),
    )


def reasoning_to_msg(
    t0_ns: int, frame_id: str, types: Any, *, text: str, meta_action: str = "", num_tokens: int = 0, complete: bool
) -> Any:
    """A reasoning_vla_ros/ReasoningTrace message; `complete` is False too while the text is still being written."""
    return types.ReasoningTrace(
        header=_header(t0_ns, frame_id, types),
        text=str(text),
        meta_action=str(meta_action),
        num_tokens=int(num_tokens),
        complete=bool(complete),
    )


def trajectory_to_path(trajectory: Any, types: Any) -> Any:
    """A PlannedTrajectory message as nav_msgs/Path; each pose is stamped with its own instant."""
    t0_ns, frame_id = stamp_to_ns(trajectory.header.stamp), trajectory.header.frame_id
    return types.PathMsg(
        header=_header(t0_ns, frame_id, types),
        poses=[
            types.PoseStamped(
                header=_header(t0_ns + stamp_to_ns(point.time_from_start), frame_id, types), pose=point.pose
            )
            for point in trajectory.points
        ],
    )


def plan_from_msg(msg: Any, ego_pose: PoseArrays = EGO_POSE) -> Plan:
    """The plan of a reasoning_vla_ros/Plan message, in the ego frame at t0.

    The message carries the text of one candidate; the others come back with an empty one. Waypoints that the message
    leaves out come back as NaN.

    Args:
        ego_pose: pose at t0 in the message's frame, xyz [3] and rotation [3, 3].

    Raises:
        ValueError: the candidates have different numbers of points, or their times are not one step apart.
    """
    counts = {len(candidate.points) for candidate in msg.candidates} - {0}
    if len(counts) > 1:
        raise ValueError(f"the candidates of a plan need the same number of points, got {sorted(counts)}")
    count, num_candidates = counts.pop() if counts else 0, len(msg.candidates)
    xyz = np.full((num_candidates, count, 3), np.nan)
    rot = np.full((num_candidates, count, 3, 3), np.nan)
    speed = np.full((num_candidates, count), np.nan, np.float32)
    dt_ns = 0
    for k, candidate in enumerate(msg.candidates):
        if not len(candidate.points):
            continue
        dt_ns = _step_ns(candidate.points)
        xyz[k], rot[k] = _poses_in_ego(candidate.points, ego_pose)
        speed[k] = [point.longitudinal_velocity_mps for point in candidate.points]
    shown = max(int(msg.selected), 0)
    return Plan(
        t0_ns=stamp_to_ns(msg.header.stamp),
        xyz=xyz.astype(np.float32),
        rot=rot.astype(np.float32),
        speed_mps=speed,
        dt_s=dt_ns * 1e-9,
        score=np.array([candidate.score for candidate in msg.candidates], np.float32),
        valid=np.array([candidate.valid for candidate in msg.candidates], np.bool_),
        invalid_reasons=tuple(str(candidate.invalid_reason) for candidate in msg.candidates),
        selected=int(msg.selected),
        reasoning=tuple(str(msg.trace.text) if k == shown else "" for k in range(num_candidates)),
        meta_actions=tuple(str(msg.trace.meta_action) if k == shown else "" for k in range(num_candidates)),
        reasoning_complete=tuple(bool(msg.trace.complete) and k == shown for k in range(num_candidates)),
        num_prompt_tokens=int(msg.num_prompt_tokens),
        num_reasoning_tokens=tuple(int(msg.num_reasoning_tokens) if k == shown else 0 for k in range(num_candidates)),
        num_trajectory_tokens=int(msg.num_trajectory_tokens),
        seconds=StageSeconds(
            encode=float(msg.encode_duration_s),
            prefill=float(msg.prefill_duration_s),
            reason=float(msg.reason_duration_s),
            act=float(msg.act_duration_s),
            total=float(msg.total_duration_s),
        ),
        seed=int(msg.seed),
        reduced=str(msg.status_reason) if int(msg.selected) >= 0 else "",
    )


def _header(stamp_ns: int, frame_id: str, types: Any) -> Any:
    return types.Header(stamp=ns_to_stamp(stamp_ns, types.Time), frame_id=frame_id)


def _at(values: Sequence[Any], index: int, default: Any) -> Any:
    return values[index] if index < len(values) else default


def _trajectory_to_msg(plan: Plan, k: int, ego_pose: PoseArrays, header: Any, types: Any) -> Any:
    points = []
    if np.isfinite(plan.xyz[k]).all() and np.isfinite(plan.rot[k]).all() and plan.xyz.shape[1]:
        points = _points(plan, k, ego_pose, types)
    return types.PlannedTrajectory(
        header=header,
        score=float(plan.score[k]),
        valid=bool(plan.valid[k]),
        invalid_reason=str(plan.invalid_reasons[k]),
        points=points,
    )


def _points(plan: Plan, k: int, ego_pose: PoseArrays, types: Any) -> list[Any]:
    xyz_in_ego, rot_in_ego = plan.xyz[k].astype(np.float64), plan.rot[k].astype(np.float64)
    motion = path_kinematics(xyz_in_ego, rot_in_ego, plan.dt_s, plan.v0_mps)
    ego_xyz, ego_rot = np.asarray(ego_pose[0], np.float64), np.asarray(ego_pose[1], np.float64)
    xyz, rot = from_ego_frame(xyz_in_ego, rot_in_ego, ego_xyz, ego_rot)
    columns = (xyz, matrix_to_quaternion(rot), plan.speed_mps[k], motion.acceleration, motion.heading_rate)
    rows = zip(*(column.tolist() for column in (*columns, motion.curvature)), strict=True)
    times_ns = (plan.stamps_ns() - plan.t0_ns).tolist()
    return [
        types.PlanPoint(
            time_from_start=ns_to_stamp(time_ns, types.Duration),
            pose=types.Pose(
                position=types.Point(x=float(x), y=float(y), z=float(z)),
                orientation=types.Quaternion(x=float(qx), y=float(qy), z=float(qz), w=float(qw)),
            ),
            longitudinal_velocity_mps=float(speed),
            acceleration_mps2=float(acceleration),
            heading_rate_rps=float(heading_rate),
            curvature=float(curvature),
        )
        for time_ns, ((x, y, z), (qx, qy, qz, qw), speed, acceleration, heading_rate, curvature) in zip(
            times_ns, rows, strict=True
        )
    ]


def _step_ns(points: Sequence[Any]) -> int:
    times_ns = np.array([stamp_to_ns(point.time_from_start) for point in points])
    expected_ns = np.arange(1, len(times_ns) + 1) * times_ns[-1] / len(times_ns)
    off_ns = abs(times_ns - expected_ns).max()
    if times_ns[0] <= 0 or off_ns > 1000:
        raise ValueError(
            "the points of a plan need to lie one step apart, the first one step after t0; "
            f"got {times_ns[0] * 1e-9:.3f} s, ..., {times_ns[-1] * 1e-9:.3f} s with {len(times_ns)} points"
        )
    return round(float(times_ns[-1]) / len(times_ns))


def _poses_in_ego(points: Sequence[Any], ego_pose: PoseArrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    poses = [point.pose for point in points]
    xyz = np.array([[pose.position.x, pose.position.y, pose.position.z] for pose in poses])
    quat = np.array([[q.x, q.y, q.z, q.w] for q in (pose.orientation for pose in poses)])
    ego_xyz, ego_rot = np.asarray(ego_pose[0], np.float64), np.asarray(ego_pose[1], np.float64)
    odom_xyz, odom_rot = invert(ego_xyz, ego_rot)
    return from_ego_frame(xyz, quaternion_to_matrix(quat), odom_xyz, odom_rot)
