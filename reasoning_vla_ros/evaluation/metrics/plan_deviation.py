"""How much consecutive plans disagree; after AlpaSim's scorer of that name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEFINITIONS = {
    "plan_deviation_m": "Plan deviation: mean planar distance between plan i and plan i+1 at the same absolute times "
    "over their overlap, both in the odometry frame, metres; only pairs whose plans both have a selected candidate. "
    "It grows with the time between plans, which is stated beside it.",
}


def plan_deviation(
    first_xyz_in_odom: NDArray[np.floating],
    first_stamps_ns: NDArray[np.int64],
    second_xyz_in_odom: NDArray[np.floating],
    second_stamps_ns: NDArray[np.int64],
) -> float:
    """Mean planar distance in metres over the second plan's stamps that lie within the first plan's span.

    Args:
        first_xyz_in_odom, second_xyz_in_odom: waypoints [T, 3] in one common frame.
        first_stamps_ns, second_stamps_ns: int64 [T], ascending.

    Returns:
        The mean distance; NaN when the plans do not overlap in time.
    """
    shared = (second_stamps_ns >= first_stamps_ns[0]) & (second_stamps_ns <= first_stamps_ns[-1])
    if not shared.any():
        return float("nan")
    # Seconds since the first stamp: nanoseconds since the epoch exceed what float64 holds exactly.
    known_s = (first_stamps_ns - first_stamps_ns[0]) * 1e-9
    wanted_s = (second_stamps_ns[shared] - first_stamps_ns[0]) * 1e-9
    first = np.stack([np.interp(wanted_s, known_s, first_xyz_in_odom[:, axis]) for axis in range(2)], axis=-1)
    return float(np.linalg.norm(second_xyz_in_odom[shared, :2] - first, axis=-1).mean())
