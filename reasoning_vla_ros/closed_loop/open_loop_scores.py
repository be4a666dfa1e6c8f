"""Displacement errors of plans on the expert's drives, beside baselines that see the ego's motion alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.closed_loop.ego_mlp import TIMES_S, EgoMLP, Motions
from reasoning_vla_ros.closed_loop.open_loop import PlannedInstant
from reasoning_vla_ros.evaluation.baselines import Baseline, ConstantTurnRate, ConstantVelocity
from reasoning_vla_ros.evaluation.metrics.displacement import average_displacement
from reasoning_vla_ros.simulation.drives import DT_S

HORIZONS_S = (3.0, 6.4)
BASELINES: dict[str, Baseline] = {
    "constant_velocity": ConstantVelocity(),
    "constant_turn_rate": ConstantTurnRate(),
}


def open_loop_scores(planned: Sequence[PlannedInstant], ego_mlp: EgoMLP) -> dict[str, Any]:
    """Mean ADE up to 3 s and up to 6.4 s, metres, of plans, of blind plans where there are any, and of baselines."""
    methods: dict[str, Sequence[NDArray[np.float64] | None]] = {
        "plan": [each.plan_xyz for each in planned],
        "blind": [each.blind_xyz for each in planned],
        **_baseline_plans(planned, ego_mlp),
    }
    driven = [each.driven_xyz for each in planned]
    errors = {name: _errors_m(plans, driven) for name, plans in methods.items()}
    names = [*BASELINES, ego_mlp.name]
    scores: dict[str, Any] = {"open_loop_plans": len(planned)}
    for index, key in enumerate(("min_ade_3s", "min_ade_6_4s")):
        scores[key] = errors["plan"][index]
        scores[f"baseline_{key}"] = {name: errors[name][index] for name in names}
        scores[f"blind_{key}"] = errors["blind"][index]
    scores["open_loop_valid_rate"] = float(np.mean([each.is_valid for each in planned])) if planned else None
    return scores


def _baseline_plans(planned: Sequence[PlannedInstant], ego_mlp: EgoMLP) -> Mapping[str, list[NDArray[np.float64]]]:
    if not planned:
        return {name: [] for name in (*BASELINES, ego_mlp.name)}
    plans = {
        name: [baseline.predict(each.history_xyz, each.history_rot, DT_S, TIMES_S)[0] for each in planned]
        for name, baseline in BASELINES.items()
    }
    motions = Motions(
        np.array([each.history_xyz for each in planned]),
        np.array([each.history_rot for each in planned]),
        np.array([each.driven_xyz for each in planned]),
    )
    return {**plans, ego_mlp.name: list(ego_mlp.waypoints(motions))}


def _errors_m(
    plans: Sequence[NDArray[np.float64] | None], driven: Sequence[NDArray[np.float64]]
) -> tuple[float | None, ...]:
    """Means at each horizon, of the plans that there are."""
    known = np.ones(len(TIMES_S), bool)
    rows = [
        average_displacement(plan, truth, TIMES_S, known, HORIZONS_S)
        for plan, truth in zip(plans, driven, strict=True)
        if plan is not None
    ]
    return tuple(float(value) for value in np.mean(rows, axis=0)) if rows else (None,) * len(HORIZONS_S)
