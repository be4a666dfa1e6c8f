"""What an evaluation leaves behind: metrics.json, report.html and pictures."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reasoning_vla_ros.evaluation.metrics import DEFINITIONS
from reasoning_vla_ros.evaluation.recording import Recording
from reasoning_vla_ros.evaluation.report import write_report
from reasoning_vla_ros.evaluation.report.samples import Shown
from reasoning_vla_ros.evaluation.scoring import PLANNER, ScoredPlan, ScoringSettings
from reasoning_vla_ros.evaluation.summary import number, summarise

SCHEMA_VERSION = 2
_PACKAGES = ("reasoning_vla_ros", "numpy", "torch", "transformers", "rosbags")


@dataclass(frozen=True)
class EvaluationResult:
    """What was found and where it lies.

    Attributes:
        metrics: the content of metrics.json.
        plans: every plan with its scores, in order.
        metrics_path, report_path: the files.
        plans_paths: bags of the plans that were made, one a recording.
    """

    metrics: dict[str, Any]
    plans: tuple[ScoredPlan, ...]
    metrics_path: Path
    report_path: Path
    plans_paths: tuple[Path, ...]


def write_outcome(
    output_dir: Path,
    recordings: Sequence[Recording],
    plans: Sequence[ScoredPlan],
    shown: Sequence[Shown],
    *,
    scoring: ScoringSettings,
    run: Mapping[str, Any],
    notes: Sequence[str],
    plans_paths: Sequence[Path] = (),
    ground_z_m: float = 0.0,
) -> EvaluationResult:
    """Writes metrics.json, report.html and pictures/ into the folder.

    Args:
        run: the settings of the run, for the record.
        notes: what the reader must know, such as that the weights are untrained.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    metrics = {
        "schema_version": SCHEMA_VERSION,
        "run": {
            **run,
            "horizons_s": list(scoring.horizons_s),
            "miss_horizon_s": scoring.miss_horizon_s,
            "miss_threshold_m": scoring.miss_threshold_m,
        },
        "notes": list(notes),
        "versions": _versions(),
        "definitions": DEFINITIONS,
        "overall": summarise(plans, scoring),
        "bags": [_bag(source, each, plans, scoring) for source, each in enumerate(recordings)],
    }
    metrics_path = output_dir / "metrics.json"
    metrics_path.write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    report_path = write_report(output_dir, metrics, plans, shown, ground_z_m)
    return EvaluationResult(metrics, tuple(plans), metrics_path, report_path, tuple(plans_paths))


def _bag(source: int, recording: Recording, plans: Sequence[ScoredPlan], scoring: ScoringSettings) -> dict[str, Any]:
    own = [each for each in plans if each.source == source]
    return {
        "path": str(recording.path),
        "cameras": [vars(camera) for camera in recording.cameras],
        "odometry": recording.odometry_topic,
        "odometry_span_s": round(recording.truth.span_s, 3),
        "skipped": recording.skipped.as_json(),
        "notes": list(recording.notes),
        "scores": summarise(own, scoring),
        "plans": [_plan(each, scoring) for each in own],
    }


def _plan(scored: ScoredPlan, scoring: ScoringSettings) -> dict[str, Any]:
    own = scored.scores.get(PLANNER, {})
    return {
        "t0_ns": scored.plan.t0_ns,
        "status": scored.plan.status.name.lower(),
        "status_reason": scored.plan.status_reason,
        "manoeuvre": scored.manoeuvre.value,
        "seed": scored.plan.seed,
        "total_s": scored.plan.seconds.total,
        **{
            metric: {f"{h:g}": number(own[metric][i]) for i, h in enumerate(scoring.horizons_s)}
            for metric in ("ade_m", "fde_m")
            if metric in own
        },
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # the package runs from its source folder, or does without
    return found
