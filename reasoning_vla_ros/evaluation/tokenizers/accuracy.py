"""How far decoded trajectories lie from those encoded."""

from __future__ import annotations

import math

from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores, mean, quantile
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw


def accuracy(case: Case) -> Scores:
    """Errors in metres in the plane, or in the joints' unit, and of the heading in degrees.

    `ade_p99` is the 99 % quantile of the trajectories' mean errors; `max_error` that of the worst waypoint of all.
    `refused` counts trajectories whose own ids did not decode; the errors are then those of the others.
    """
    scores: Scores = {
        "ade": mean(case.found.ade),
        "ade_p99": quantile(case.found.ade, 0.99),
        "max_error": quantile(case.found.errors, 1.0),
        "yaw_deg_mean": None,
        "yaw_deg_p99": None,
        "refused": case.found.refused,
    }
    if case.data.fut_rot is not None:
        turned = case.found.rot.to(case.data.fut_rot.dtype).transpose(-1, -2) @ case.data.fut_rot
        errors_deg = matrix_to_yaw(turned).abs() * (180 / math.pi)
        scores["yaw_deg_mean"] = mean(errors_deg)
        scores["yaw_deg_p99"] = quantile(errors_deg.mean(1), 0.99)
    return scores
