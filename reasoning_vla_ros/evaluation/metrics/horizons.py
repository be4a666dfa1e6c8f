"""Horizons: instants after t0 at which a plan is scored, found by time and never by waypoint index."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

HORIZONS_S: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0, 6.4)
# Times such as 64 * 0.1 s miss 6.4 s by rounding; a microsecond is far below any waypoint spacing.
TIME_TOLERANCE_S = 1e-6

DEFINITION = (
    "A horizon h counts for a plan only if the plan and the ground truth both reach it: every waypoint up to the first "
    "one at or after h has a ground truth. A plan that falls short gets no value there, and every mean comes with the "
    "number of plans behind it."
)


def reached(times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike) -> NDArray[np.bool_]:
    """Which horizons [H] the waypoint times [T] reach without a break in `valid` [T].

    A horizon is reached if some waypoint lies at or after it and every waypoint up to the first such one is valid.
    """
    times = np.asarray(times_s, np.float64)
    horizons = np.asarray(horizons_s, np.float64)
    unbroken = int(np.logical_and.accumulate(np.asarray(valid, np.bool_)).sum())
    reach_s = times[unbroken - 1] if unbroken else -np.inf
    return np.asarray(horizons <= reach_s + TIME_TOLERANCE_S)


def at_times(values: ArrayLike, times_s: ArrayLike, at_s: ArrayLike) -> NDArray[np.float64]:
    """Linear interpolation in time of values [..., T, D] at the instants `at_s` [H]; gives [..., H, D].

    The ego frame at t0 has its origin at the vehicle, so the value at time 0 is zero. An instant after the last
    waypoint gives NaN.
    """
    known = np.asarray(values, np.float64)
    known = np.concatenate([np.zeros_like(known[..., :1, :]), known], axis=-2)
    times = np.concatenate([[0.0], np.asarray(times_s, np.float64)])
    wanted = np.asarray(at_s, np.float64)
    after = np.clip(np.searchsorted(times, wanted - TIME_TOLERANCE_S), 1, len(times) - 1)
    weight = np.clip((wanted - times[after - 1]) / (times[after] - times[after - 1]), 0.0, 1.0)[:, None]
    # Where the instant is a waypoint, its neighbour must not matter, not even as NaN.
    before_value, after_value = known[..., after - 1, :], known[..., after, :]
    blended = np.where(weight > 1.0 - 1e-9, after_value, before_value * (1.0 - weight) + after_value * weight)
    return np.where((wanted <= times[-1] + TIME_TOLERANCE_S)[:, None], blended, np.nan)


def average_until(
    values: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """Mean of values [..., T] over the waypoints with time <= h, for each horizon [H]; gives [..., H].

    NaN at horizons that are not reached or that no waypoint precedes.
    """
    known = np.asarray(values, np.float64)
    times = np.asarray(times_s, np.float64)
    horizons = np.asarray(horizons_s, np.float64)
    result = np.full((*known.shape[:-1], len(horizons)), np.nan)
    for column, (horizon_s, is_reached) in enumerate(zip(horizons, reached(times, valid, horizons), strict=True)):
        count = int(np.searchsorted(times, horizon_s + TIME_TOLERANCE_S, side="right"))
        if is_reached and count:
            result[..., column] = known[..., :count].mean(axis=-1)
    return result
