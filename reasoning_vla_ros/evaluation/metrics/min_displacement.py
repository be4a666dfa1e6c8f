"""Best-of-K displacement errors, in both definitions that the literature uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.metrics.displacement import average_displacement, final_displacement
from reasoning_vla_ros.evaluation.metrics.horizons import reached

DEFINITIONS = {
    "min_ade_once_m": "minADE_K, sample chosen once: the valid candidate with the smallest ADE over the longest "
    "horizon that the ground truth reaches; its ADE@h at every h.",
    "min_ade_per_horizon_m": "minADE_K, sample chosen per horizon: the smallest ADE@h of all valid candidates, for "
    "each h anew. Never larger than the other definition.",
    "min_fde_m": "minFDE_K: the smallest FDE@h of all valid candidates, for each h anew.",
}


def min_ade_once(
    xyz: ArrayLike, truth_xyz: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """minADE [H] in metres of candidates [K, T, 3], the sample chosen once over all waypoints that the truth reaches.

    Candidates that hold NaN are passed over; NaN where none is left or the horizon is not reached.
    """
    times = np.asarray(times_s, np.float64)
    per_horizon = average_displacement(xyz, truth_xyz, times, valid, horizons_s)
    reachable = times[reached(times, valid, times)]
    if not reachable.size:
        return np.full(per_horizon.shape[-1], np.nan)
    over_all = average_displacement(xyz, truth_xyz, times, valid, reachable[-1:])[:, 0]
    if np.isnan(over_all).all():
        return np.full(per_horizon.shape[-1], np.nan)
    return np.asarray(per_horizon[np.nanargmin(over_all)])


def min_ade_per_horizon(
    xyz: ArrayLike, truth_xyz: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """minADE [H] in metres of candidates [K, T, 3], the sample chosen anew for each horizon. NaN as above."""
    return _min_over_candidates(average_displacement(xyz, truth_xyz, times_s, valid, horizons_s))


def min_fde(
    xyz: ArrayLike, truth_xyz: ArrayLike, times_s: ArrayLike, valid: ArrayLike, horizons_s: ArrayLike
) -> NDArray[np.float64]:
    """minFDE [H] in metres of candidates [K, T, 3], the sample chosen anew for each horizon. NaN as above."""
    return _min_over_candidates(final_displacement(xyz, truth_xyz, times_s, valid, horizons_s))


def _min_over_candidates(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest of [K, H] over K, NaN only where all are."""
    smallest = np.where(np.isnan(errors), np.inf, errors).min(axis=0, initial=np.inf)
    return np.where(np.isinf(smallest), np.nan, smallest)
