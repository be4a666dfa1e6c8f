"""How harsh a plan is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFINITIONS = {
    "comfort": "Comfort of the selected candidate, from its speeds and headings by differences over its waypoints: "
    "largest |acceleration| (m/s^2), |jerk| (m/s^3) and |lateral acceleration| = |speed * yaw rate| (m/s^2); the mean "
    "over plans of each plan's largest value, and the largest of all.",
}


@dataclass(frozen=True)
class Comfort:
    """Largest magnitudes along one plan; NaN where it has too few waypoints for the difference."""

    acceleration_mps2: float
    jerk_mps3: float
    lateral_acceleration_mps2: float


def comfort(speed_mps: NDArray[np.floating], yaw_rad: NDArray[np.floating], dt_s: float) -> Comfort:
    """Comfort of speeds [T] and headings [T] (radians, may be wrapped) at a step of `dt_s` seconds."""
    speed = np.asarray(speed_mps, np.float64)
    acceleration = np.diff(speed) / dt_s
    jerk = np.diff(acceleration) / dt_s
    yaw_rate = np.diff(np.unwrap(np.asarray(yaw_rad, np.float64))) / dt_s
    lateral = 0.5 * (speed[1:] + speed[:-1]) * yaw_rate
    return Comfort(_largest(acceleration), _largest(jerk), _largest(lateral))


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max()) if values.size else float("nan")
