"""What the vehicle really did after t0, so that scores can be split by manoeuvre."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from reasoning_vla_ros.evaluation.metrics.horizons import at_times, reached
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw

# One window for all plans, so that the class does not depend on how far a plan looks.
WINDOW_S = 3.0
# A vehicle that moves less than a metre in 3 s stands, odometry drift included.
STANDING_M = 1.0
# A quarter turn at a crossing takes 4 to 6 s, so 3 s of it hold 45 degrees or more; a motorway bend of 500 m radius at
# 30 m/s gives 10 degrees and stays straight.
TURN_RAD = np.deg2rad(15.0)
# 0.5 m/s^2 over the window: half of what drivers feel as pulling away, well above cruise-control ripple.
SPEED_CHANGE_MPS = 1.5
# Speeds at both ends of the window are means over this span, which evens out odometry noise.
SPEED_SPAN_S = 0.5


class Manoeuvre(str, Enum):
    """Classes of ground-truth motion."""

    STANDING = "standing"
    STRAIGHT = "straight"
    LEFT = "left"
    RIGHT = "right"
    ACCELERATING = "accelerating"
    BRAKING = "braking"
    UNKNOWN = "unknown"


DEFINITION = (
    f"Manoeuvre, from the ground truth over {WINDOW_S:g} s after t0, first match counts: standing (path under "
    f"{STANDING_M:g} m), left or right (heading changes by {np.rad2deg(TURN_RAD):.0f} degrees or more), accelerating "
    f"or braking (speed changes by {SPEED_CHANGE_MPS:g} m/s or more from the first to the last {SPEED_SPAN_S:g} s), "
    "straight; unknown where the ground truth ends sooner."
)


def classify(truth_xyz: ArrayLike, truth_rot: ArrayLike, times_s: ArrayLike, valid: ArrayLike) -> Manoeuvre:
    """The manoeuvre of a ground-truth future.

    Args:
        truth_xyz: [T, 3], metres in the ego frame at t0.
        truth_rot: [T, 3, 3].
        times_s: [T], seconds after t0, ascending.
        valid: bool [T].
    """
    if not reached(times_s, valid, [WINDOW_S])[0]:
        return Manoeuvre.UNKNOWN
    steps_s = np.arange(0.0, WINDOW_S + 1e-9, SPEED_SPAN_S)
    positions = at_times(truth_xyz, times_s, steps_s)[:, :2]
    lengths_m = np.linalg.norm(np.diff(positions, axis=0), axis=-1)
    if lengths_m.sum() < STANDING_M:
        return Manoeuvre.STANDING
    yaw = np.unwrap(
        np.concatenate(
            [[0.0], np.where(np.asarray(valid, np.bool_), matrix_to_yaw(np.asarray(truth_rot, np.float64)), 0.0)]
        )
    )[1:]
    turned_rad = float(at_times(yaw[:, None], times_s, [WINDOW_S])[0, 0])
    if abs(turned_rad) >= TURN_RAD:
        return Manoeuvre.LEFT if turned_rad > 0 else Manoeuvre.RIGHT
    gained_mps = (lengths_m[-1] - lengths_m[0]) / SPEED_SPAN_S
    if abs(gained_mps) >= SPEED_CHANGE_MPS:
        return Manoeuvre.ACCELERATING if gained_mps > 0 else Manoeuvre.BRAKING
    return Manoeuvre.STRAIGHT
