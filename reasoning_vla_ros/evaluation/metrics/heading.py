"""Heading error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.metrics.horizons import average_until, yaw_of

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
    difference = yaw_of(rot) - yaw_of(truth_rot)
    wrapped = np.abs(np.arctan2(np.sin(difference), np.cos(difference)))
    return average_until(wrapped, times_s, valid, horizons_s)
