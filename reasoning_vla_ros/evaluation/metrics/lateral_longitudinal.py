"""Displacement at a horizon, split along and across the ground truth's heading there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.metrics.horizons import at_times, reached
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw

DEFINITIONS = {
    "longitudinal_m": "Longitudinal error@h: plan minus ground truth at time h along the ground truth's heading at h, "
    "metres, positive when the plan is ahead. Its mean is a bias; longitudinal_abs_m is the mean magnitude.",
    "lateral_m": "Lateral error@h: the same across the heading, positive when the plan lies to the left; "
    "lateral_abs_m is the mean magnitude.",
}


def longitudinal_lateral_error(
    xyz: ArrayLike,
    truth_xyz: ArrayLike,
    truth_rot: ArrayLike,
    times_s: ArrayLike,
    valid: ArrayLike,
    horizons_s: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signed longitudinal and lateral errors [..., H] in metres at time h, in the heading frame of the ground truth.

    NaN at horizons that are not reached. Arguments as for `final_displacement`; `truth_rot` is [T, 3, 3].
    """
    is_reached = reached(times_s, valid, horizons_s)
    offset = (at_times(xyz, times_s, horizons_s) - at_times(truth_xyz, times_s, horizons_s))[..., :2]
    yaw = np.where(np.asarray(valid, np.bool_), matrix_to_yaw(np.asarray(truth_rot, np.float64)), 0.0)
    unwrapped = np.unwrap(np.concatenate([[0.0], yaw]))[1:]
    heading = at_times(unwrapped[:, None], times_s, horizons_s)[:, 0]
    along = offset[..., 0] * np.cos(heading) + offset[..., 1] * np.sin(heading)
    across = offset[..., 1] * np.cos(heading) - offset[..., 0] * np.sin(heading)
    return np.where(is_reached, along, np.nan), np.where(is_reached, across, np.nan)
