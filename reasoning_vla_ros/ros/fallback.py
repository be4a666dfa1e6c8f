"""What to follow while there is no valid plan: the rest of the last valid one, then a comfortable stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from reasoning_vla_ros.geometry.frames import compose, from_ego_frame, invert
from reasoning_vla_ros.geometry.kinematics import SLOW_MPS
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.ros.inputs import EgoMotion

COMFORTABLE_BRAKING_MPS2 = 2.0
# After the stop the trajectory goes on standing for so long, so that it is no shorter than a controller looks ahead.
STANDING_S = 1.0


@dataclass(frozen=True)
class HeldPlan:
    """A valid plan and the ego pose in the odometry's frame at its t0."""

    plan: Plan
    ego_xyz_in_odom: NDArray[np.float64]
    ego_rot_in_odom: NDArray[np.float64]


def fallback_plan(held: HeldPlan | None, motion: EgoMotion, reason: str, default_dt_s: float = 0.1) -> Plan:
    """A plan from the newest odometry on: what is left of the held one, then braking at 2 m/s² on its last curvature.

    It is the same road that the last valid plan took, so it is as valid as that one; `reduced` says that it is a
    fallback, and why. Without a held plan, or with nothing left of it, it is the stop alone, from the vehicle's
    motion as it is now.

    Args:
        held: the last valid plan.
        motion: pose and motion of the vehicle at the newest odometry, the plan's t0.
        reason: why there is no valid plan.
        default_dt_s: step where there is no held plan.
    """
    dt_s = held.plan.dt_s if held else default_dt_s
    xyz, rot = np.zeros((1, 3)), np.eye(3)[None]
    speed = np.array([motion.speed_mps])
    curvature = motion.heading_rate_rps * motion.speed_mps / max(motion.speed_mps**2, SLOW_MPS**2)
    kept = _remaining(held, motion) if held else None
    if kept is not None:
        xyz, rot, speed = kept
        curvature = _last_curvature(xyz, rot)
    stop_xyz, stop_rot, stop_speed = comfortable_stop(float(speed[-1]), curvature, dt_s)
    stop_xyz, stop_rot = from_ego_frame(stop_xyz, stop_rot, xyz[-1], rot[-1])
    start = 0 if kept is not None else 1  # the vehicle's own pose at t0 is no waypoint
    all_xyz = np.concatenate([xyz[start:], stop_xyz])[None].astype(np.float32)
    all_rot = np.concatenate([rot[start:], stop_rot])[None].astype(np.float32)
    kind = f"{len(xyz) * dt_s:.1f} s of the last valid plan, then a stop" if kept is not None else "a stop"
    return Plan(
        t0_ns=motion.stamp_ns,
        xyz=all_xyz,
        rot=all_rot,
        speed_mps=np.concatenate([speed[start:], stop_speed])[None].astype(np.float32),
        dt_s=dt_s,
        v0_mps=motion.speed_mps,
        score=np.zeros(1, np.float32),
        valid=np.ones(1, np.bool_),
        invalid_reasons=("",),
        selected=0,
        reasoning=("",),
        meta_actions=("",),
        reasoning_complete=(True,),
        reduced=f"fallback, {kind}: {reason}",
    )


def comfortable_stop(
    speed_mps: float, curvature: float, dt_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Braking at 2 m/s² on a circle until the vehicle stands, in the frame it starts from.

    Returns:
        xyz [T, 3], rot [T, 3, 3] and speed [T]; waypoint i at (i + 1) * dt_s.
    """
    braking_s = abs(speed_mps) / COMFORTABLE_BRAKING_MPS2
    times = np.arange(1, int(np.ceil((braking_s + STANDING_S) / dt_s - 1e-9)) + 1) * dt_s
    driven = np.minimum(times, braking_s)
    direction = np.sign(speed_mps)
    arc = direction * (abs(speed_mps) * driven - COMFORTABLE_BRAKING_MPS2 * driven**2 / 2)
    yaw = curvature * arc
    # The chord of the arc: sinc keeps it exact where the curvature is zero.
    chord = arc * np.sinc(yaw / 2 / np.pi)
    xyz = np.stack([chord * np.cos(yaw / 2), chord * np.sin(yaw / 2), np.zeros_like(yaw)], 1)
    rot = Rotation.from_rotvec(np.stack([np.zeros_like(yaw), np.zeros_like(yaw), yaw], 1)).as_matrix()
    return xyz, rot, direction * (abs(speed_mps) - COMFORTABLE_BRAKING_MPS2 * driven)


def _remaining(
    held: HeldPlan, motion: EgoMotion
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """The held plan at t0 + k * dt in the ego frame at t0: xyz [T, 3], rot [T, 3, 3], speed [T]; None if it is over."""
    plan = held.plan
    elapsed_s = (motion.stamp_ns - plan.t0_ns) * 1e-9
    steps = plan.xyz.shape[1]
    count = int(np.floor((steps * plan.dt_s - elapsed_s) / plan.dt_s + 1e-6))
    if elapsed_s < 0 or count < 1:
        return None
    k = plan.selected
    known_s = np.arange(steps + 1) * plan.dt_s
    wanted_s = np.minimum(elapsed_s + np.arange(1, count + 1) * plan.dt_s, known_s[-1])
    known_xyz = np.concatenate([np.zeros((1, 3)), plan.xyz[k]])
    known_rot = Rotation.from_matrix(np.concatenate([np.eye(3)[None], plan.rot[k]]))
    xyz_then = np.stack([np.interp(wanted_s, known_s, known_xyz[:, axis]) for axis in range(3)], 1)
    rot_then = Slerp(known_s, known_rot)(wanted_s).as_matrix()
    speed = np.interp(wanted_s, known_s[1:], plan.speed_mps[k])
    odom_in_ego = invert(motion.xyz_in_odom, motion.rot_in_odom)
    held_in_ego = compose(*odom_in_ego, held.ego_xyz_in_odom, held.ego_rot_in_odom)
    return (*from_ego_frame(xyz_then, rot_then, *held_in_ego), speed)


def _last_curvature(xyz: NDArray[np.float64], rot: NDArray[np.float64]) -> float:
    """Curvature of the last step; 0 where it does not move."""
    if len(xyz) < 2:
        return 0.0
    length = float(np.linalg.norm(xyz[-1, :2] - xyz[-2, :2]))
    turn = rot[-2].T @ rot[-1]
    return float(np.arctan2(turn[1, 0], turn[0, 0])) / length if length > 1e-2 else 0.0
