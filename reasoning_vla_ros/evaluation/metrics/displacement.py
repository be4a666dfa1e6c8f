"""Displacement errors ADE and FDE by time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.metrics.horizons import at_times, average_until, reached

DEFINITIONS = {
    "ade_m": "ADE@h: mean planar distance (x, y) between plan and ground truth over the waypoints with time <= h, "
    "metres; of the selected candidate.",
    "fde_m": "FDE@h: planar distance at time h, metres; between two waypoints both are interpolated linearly in time; "
    "of the selected candidate.",
}


def displacement(xyz: ArrayLike, truth_xyz: ArrayLike) -> NDArray[np.float64]:
    """Planar distance [..., T] in metres between waypoints [..., T, 3] and ground truth [T, 3], frame at t0."""
    offset = np.asarray(xyz, np.float64)[..., :2] - np.asarray(truth_xyz, np.float64)[..., :2]
    return np.asarray(np.linalg.norm(offset, axis=-1))


def average_displacement(
    xyz: ArrayLike, truth_xyz: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """ADE [..., H] in metres: mean displacement over the waypoints with time <= h; NaN at horizons not reached.

    Args:
        xyz: waypoints [..., T, 3] in the ego frame at t0.
        truth_xyz: ground truth [T, 3] at the same times, same frame.
        times_s: [T], seconds after t0, ascending.
        valid: bool [T], where there is a ground truth.
        horizons_s: [H].
    """
    return average_until(displacement(xyz, truth_xyz), times_s, valid, horizons_s)


def final_displacement(
    xyz: ArrayLike, truth_xyz: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """FDE [..., H] in metres: displacement at time h; NaN at horizons not reached. Arguments as above."""
    at_horizon = displacement(at_times(xyz, times_s, horizons_s), at_times(truth_xyz, times_s, horizons_s))
    return np.where(reached(times_s, valid, horizons_s), at_horizon, np.nan)
