"""Heading error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.metrics.horizons import average_until
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw

DEFINITIONS = {
    "heading_error_rad": "Heading error@h: mean absolute yaw difference, wrapped to [0, pi], over the waypoints with "
    "time <= h, radians.",
}


def heading_error(
    rot: ArrayLike, truth_rot: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """Mean absolute wrapped yaw error [..., H] in radians of rotations [..., T, 3, 3] against truth [T, 3, 3].

    NaN at horizons that are not reached.
    """
    difference = matrix_to_yaw(np.asarray(rot, np.float64)) - matrix_to_yaw(np.asarray(truth_rot, np.float64))
    wrapped = np.abs(np.arctan2(np.sin(difference), np.cos(difference)))
    return average_until(wrapped, times_s, valid, horizons_s)
