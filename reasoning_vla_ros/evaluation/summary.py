"""Means over plans, each with the number of plans behind it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.metrics.latency import latency, percentiles
from reasoning_vla_ros.evaluation.metrics.manoeuvre import Manoeuvre
from reasoning_vla_ros.evaluation.metrics.plan_deviation import plan_deviation
from reasoning_vla_ros.evaluation.metrics.rates import reduced_rate, validity_rate
from reasoning_vla_ros.evaluation.scoring import CURVE_S, PLANNER, UNCHECKED, ScoredPlan, ScoringSettings

COMFORT_FIELDS = ("acceleration_mps2", "jerk_mps3", "lateral_acceleration_mps2")


def summarise(plans: Sequence[ScoredPlan], settings: ScoringSettings) -> dict[str, Any]:
    """All scores of some plans as plain values for JSON; the structure stands in docs/evaluation.md.

    Every method is scored at the instants where the planner has a valid plan, so that the numbers compare; where it
    has none at all, at every instant. `scored_on` says which.
    """
    compared = [each for each in plans if each.is_valid]
    scored_on = "instants with a valid plan" if compared else "all instants (the planner has no valid plan)"
    compared = compared or list(plans)
    statuses = [each.plan.status for each in plans]
    by_manoeuvre = {kind: [each for each in compared if each.manoeuvre is kind] for kind in Manoeuvre}
    return {
        "num_plans": len(plans),
        "validity_rate": number(validity_rate(statuses)),
        "reduced_rate": number(reduced_rate(statuses)),
        "scored_on": scored_on,
        "methods": _methods(compared, settings),
        "methods_at_all_instants": _methods(plans, settings, skip=(PLANNER,)),
        "manoeuvres": {
            kind.value: {"count": len(members), "methods": _methods(members, settings)}
            for kind, members in by_manoeuvre.items()
            if members
        },
        "plan_deviation": _deviations(plans),
        "comfort": _comfort(plans),
        "latency_s": _latency(plans),
        "error_curves": _curves(compared),
    }


def mean_of(values: Sequence[float] | NDArray[np.float64]) -> dict[str, float | int | None]:
    """Mean of the values that are numbers, and how many these are."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return {"mean": float(known.mean()) if known.size else None, "count": int(known.size)}


def number(value: float) -> float | None:
    """The value for JSON, None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None


def method_names(plans: Sequence[ScoredPlan]) -> list[str]:
    """Methods in the order of their first appearance, the planner first; without UNCHECKED where it equals PLANNER."""
    names = dict.fromkeys(name for each in plans for name in each.scores)
    if UNCHECKED in names and all(_is_as_selected(each) for each in plans):
        del names[UNCHECKED]
    return sorted(names, key=lambda name: name != PLANNER)


def _is_as_selected(scored: ScoredPlan) -> bool:
    pair = [scored.trajectories.get(name) for name in (PLANNER, UNCHECKED)]
    return pair[0] is not None and pair[1] is not None and np.array_equal(pair[0], pair[1])


def _methods(plans: Sequence[ScoredPlan], settings: ScoringSettings, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in method_names(plans):
        if name in skip:
            continue
        scored = [each.scores[name] for each in plans if name in each.scores]
        result[name] = {metric: _by_horizon(metric, scored, settings) for metric in scored[0]}
    return result


def _by_horizon(metric: str, scored: Sequence[dict[str, NDArray[np.float64]]], settings: ScoringSettings) -> Any:
    values = np.array([each[metric] for each in scored if metric in each])
    if metric == "miss_rate":
        return mean_of(values[:, 0])
    return {f"{horizon_s:g}": mean_of(values[:, i]) for i, horizon_s in enumerate(settings.horizons_s)}


def _deviations(plans: Sequence[ScoredPlan]) -> dict[str, Any]:
    result = {}
    for name in method_names(plans):
        metres, gaps_s = [], []
        for first, second in pairwise(plans):
            same_frame = (first.source, first.segment) == (second.source, second.segment)
            if same_frame and name in first.in_odom and name in second.in_odom:
                stamps = [
                    each.plan.t0_ns + np.rint(each.future.times_s * 1e9).astype(np.int64) for each in (first, second)
                ]
                value = plan_deviation(first.in_odom[name], stamps[0], second.in_odom[name], stamps[1])
                if np.isfinite(value):
                    metres.append(value)
                    gaps_s.append((second.plan.t0_ns - first.plan.t0_ns) * 1e-9)
        result[name] = {"mean_m": mean_of(metres)["mean"], "count": len(metres), "mean_gap_s": mean_of(gaps_s)["mean"]}
    return result


def _comfort(plans: Sequence[ScoredPlan]) -> dict[str, Any]:
    known = [each.comfort for each in plans if each.comfort is not None]
    result = {}
    for name in COMFORT_FIELDS:
        values = [getattr(each, name) for each in known]
        result[name] = {**mean_of(values), "max": number(max(values)) if values else None}
    return result


def _latency(plans: Sequence[ScoredPlan]) -> dict[str, Any]:
    result: dict[str, Any] = dict(latency([each.plan.seconds for each in plans]))
    end_to_end_s = [each.end_to_end_s for each in plans if each.end_to_end_s is not None]
    return {**result, "end_to_end": percentiles(end_to_end_s)} if end_to_end_s else result


def _curves(plans: Sequence[ScoredPlan]) -> dict[str, Any]:
    result: dict[str, Any] = {"time_s": [round(float(time_s), 3) for time_s in CURVE_S]}
    for name in method_names(plans):
        values = np.array([each.curves[name] for each in plans if name in each.curves])
        result[name] = [mean_of(column)["mean"] for column in values.T]
    return result
