"""Is a candidate fit to be followed?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.planning.settings import PlanLimits


def check_candidate(
    xyz: NDArray[np.floating],
    speed_mps: NDArray[np.floating],
    acceleration_mps2: NDArray[np.floating],
    heading_rate_rps: NDArray[np.floating],
    v0_mps: float | None,
    dt_s: float,
    limits: PlanLimits,
) -> str:
    """The first check that a candidate fails, with the value it had and the value it needed; empty when it is sound.

    Args:
        xyz: [T, 3] waypoints in the ego frame at t0, metres.
        speed_mps, acceleration_mps2, heading_rate_rps: [T] of the candidate.
        v0_mps: the vehicle's speed at t0; None, and where the plan starts is not checked.
        dt_s: step between waypoints, seconds.
    """
    values = (xyz, speed_mps, acceleration_mps2, heading_rate_rps)
    if not all(np.isfinite(value).all() for value in values):
        return "not finite: it holds NaN or infinity, all values must be finite"
    start_offsets_m = np.array([] if v0_mps is None else [np.hypot(xyz[0, 0] - v0_mps * dt_s, xyz[0, 1])])
    jerk_mps3 = np.diff(acceleration_mps2) / dt_s
    lateral_mps2 = speed_mps * heading_rate_rps
    bounds = (
        ("start offset", start_offsets_m, limits.max_start_offset_m, "m"),
        ("speed", speed_mps, limits.max_speed_mps, "m/s"),
        ("acceleration", acceleration_mps2, limits.max_acceleration_mps2, "m/s^2"),
        ("lateral acceleration", lateral_mps2, limits.max_lateral_acceleration_mps2, "m/s^2"),
        ("jerk", jerk_mps3, limits.max_jerk_mps3, "m/s^3"),
    )
    for name, series, limit, unit in bounds:
        if series.size and abs(series).max() > limit:
            index = int(abs(series).argmax())
            return f"{name} {series[index]:.2f} {unit} at waypoint {index}, it may be at most {limit:g} {unit}"
    return ""
