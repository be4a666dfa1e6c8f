"""One plan against what the vehicle really did, beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.baselines import Baseline
from reasoning_vla_ros.evaluation.calibration import Pose
from reasoning_vla_ros.evaluation.ground_truth import Future, GroundTruth
from reasoning_vla_ros.evaluation.metrics.comfort import Comfort, comfort
from reasoning_vla_ros.evaluation.metrics.displacement import average_displacement, final_displacement
from reasoning_vla_ros.evaluation.metrics.heading import heading_error
from reasoning_vla_ros.evaluation.metrics.horizons import HORIZONS_S
from reasoning_vla_ros.evaluation.metrics.lateral_longitudinal import longitudinal_lateral_error
from reasoning_vla_ros.evaluation.metrics.manoeuvre import WINDOW_S, Manoeuvre, classify
from reasoning_vla_ros.evaluation.metrics.min_displacement import min_ade_once, min_ade_per_horizon, min_fde
from reasoning_vla_ros.evaluation.metrics.miss_rate import MISS_HORIZON_S, MISS_THRESHOLD_M, miss
from reasoning_vla_ros.geometry.frames import transform_points
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw
from reasoning_vla_ros.planning.plan import Plan

PLANNER = "planner"
UNCHECKED = "planner, checks ignored"
# Where the mean error is drawn over time.
CURVE_S = np.arange(1, 65) * 0.1
_CLASSIFY_S = np.arange(1, round(WINDOW_S / 0.1) + 1) * 0.1


@dataclass(frozen=True)
class ScoringSettings:
    """Horizons in seconds, and when a plan counts as a miss."""

    horizons_s: tuple[float, ...] = HORIZONS_S
    miss_horizon_s: float = MISS_HORIZON_S
    miss_threshold_m: float = MISS_THRESHOLD_M

    def __post_init__(self) -> None:
        if not self.horizons_s or list(self.horizons_s) != sorted(set(self.horizons_s)) or self.horizons_s[0] <= 0:
            raise ValueError(f"horizons_s must be positive and ascending, got {list(self.horizons_s)}")
        if not (self.miss_horizon_s > 0 and self.miss_threshold_m > 0):
            raise ValueError(
                "miss_horizon_s and miss_threshold_m must be positive, "
                f"got {self.miss_horizon_s} and {self.miss_threshold_m}"
            )


@dataclass(frozen=True)
class ScoredPlan:
    """A plan and its scores.

    Attributes:
        source: index of the recording.
        plan: the plan itself.
        history: ego poses up to t0 and `future`: ground truth at the plan's waypoints, both in the ego frame at t0.
        manoeuvre: what the vehicle did.
        trajectories: xyz [T, 3] in the ego frame at t0 by method; the planner's is its selected candidate.
        in_odom: the same in the odometry's frame.
        scores: values [H] by method and metric; `miss_rate` is of length 1.
        curves: displacement at CURVE_S by method.
        comfort: of the selected candidate, None where there is none.
        end_to_end_s: from t0 to publication, where the plan was published by a node.
        segment: number of jumps of the odometry before t0; `in_odom` compares only where it is equal.
    """

    source: int
    plan: Plan
    history: Future
    future: Future
    manoeuvre: Manoeuvre
    trajectories: dict[str, NDArray[np.float64]]
    in_odom: dict[str, NDArray[np.float64]]
    scores: dict[str, dict[str, NDArray[np.float64]]]
    curves: dict[str, NDArray[np.float64]]
    comfort: Comfort | None
    end_to_end_s: float | None = field(default=None)
    segment: int = 0

    @property
    def is_valid(self) -> bool:
        return self.plan.selected >= 0


def score_plan(
    plan: Plan,
    *,
    source: int,
    pose_in_odom: Pose,
    truth: GroundTruth,
    history: Future,
    dt_s: float,
    baselines: Sequence[Baseline],
    settings: ScoringSettings,
    end_to_end_s: float | None = None,
) -> ScoredPlan:
    """Scores the selected candidate, the best of all valid candidates, and the baselines at the same waypoints.

    Args:
        pose_in_odom: ego pose at t0.
        history: ego poses up to t0 at a step of `dt_s`, in the ego frame at t0; all that the baselines see.

    Raises:
        EvaluationError: there is no ground truth at t0.
    """
    times_s = np.arange(1, plan.xyz.shape[1] + 1) * plan.dt_s if plan.xyz.shape[1] else CURVE_S
    future = truth.future(plan.t0_ns, times_s)
    candidates: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}
    scores: dict[str, dict[str, NDArray[np.float64]]] = {}
    if plan.selected >= 0:
        candidates[PLANNER] = plan.xyz[plan.selected], plan.rot[plan.selected]
    best = _best_decoded(plan)
    if best is not None:
        candidates[UNCHECKED] = plan.xyz[best], plan.rot[best]
    for baseline in baselines:
        candidates[baseline.name] = baseline.predict(history.xyz, history.rot, dt_s, times_s)
    for name, (xyz, rot) in candidates.items():
        scores[name] = _score(xyz, rot, future, settings)
    if plan.selected >= 0:
        scores[PLANNER].update(_score_best_of(plan.xyz[plan.valid], future, settings))
    if best is not None:
        scores[UNCHECKED].update(_score_best_of(plan.xyz, future, settings))
    near = truth.future(plan.t0_ns, _CLASSIFY_S)
    trajectories = {name: np.asarray(xyz, np.float64) for name, (xyz, _) in candidates.items()}
    in_odom = {name: transform_points(*pose_in_odom, xyz) for name, xyz in trajectories.items()}
    curves = {
        name: final_displacement(xyz, future.xyz, times_s, future.valid, CURVE_S) for name, xyz in trajectories.items()
    }
    harshness = None
    if plan.selected >= 0:
        yaw = matrix_to_yaw(plan.rot[plan.selected].astype(np.float64))
        harshness = comfort(plan.speed_mps[plan.selected], yaw, plan.dt_s)
    return ScoredPlan(
        source=source,
        plan=plan,
        history=history,
        future=future,
        manoeuvre=classify(near.xyz, near.rot, near.times_s, near.valid),
        trajectories=trajectories,
        in_odom=in_odom,
        scores=scores,
        curves=curves,
        comfort=harshness,
        end_to_end_s=end_to_end_s,
        segment=int(truth.segments(np.array([plan.t0_ns], np.int64))[0]),
    )


def _best_decoded(plan: Plan) -> int | None:
    """The candidate with the best score among all that could be decoded, whatever the checks said."""
    decoded = np.isfinite(plan.xyz).all(axis=(1, 2)) & (plan.xyz.shape[1] > 0)
    if not decoded.any():
        return None
    # A score that is not a number still leaves its candidate in the race, last.
    score = np.nan_to_num(plan.score.astype(np.float64), nan=-1e300, neginf=-1e300)
    return int(np.where(decoded, score, -np.inf).argmax())


def _score(
    xyz: NDArray[np.floating], rot: NDArray[np.floating], future: Future, settings: ScoringSettings
) -> dict[str, NDArray[np.float64]]:
    against = (future.xyz, future.times_s, future.valid)
    along, across = longitudinal_lateral_error(
        xyz, future.xyz, future.rot, future.times_s, future.valid, settings.horizons_s
    )
    return {
        "ade_m": average_displacement(xyz, *against, settings.horizons_s),
        "fde_m": final_displacement(xyz, *against, settings.horizons_s),
        "heading_error_rad": heading_error(rot, future.rot, future.times_s, future.valid, settings.horizons_s),
        "longitudinal_m": along,
        "lateral_m": across,
        "longitudinal_abs_m": np.abs(along),
        "lateral_abs_m": np.abs(across),
        "miss_rate": miss(final_displacement(xyz, *against, [settings.miss_horizon_s]), settings.miss_threshold_m),
    }


def _score_best_of(
    xyz: NDArray[np.floating], future: Future, settings: ScoringSettings
) -> Mapping[str, NDArray[np.float64]]:
    arguments = (xyz, future.xyz, future.times_s, future.valid, settings.horizons_s)
    return {
        "min_ade_once_m": min_ade_once(*arguments),
        "min_ade_per_horizon_m": min_ade_per_horizon(*arguments),
        "min_fde_m": min_fde(*arguments),
    }
