"""The report of an evaluation: report.html, complete in itself, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reasoning_vla_ros.evaluation.report.charts import error_chart, latency_chart
from reasoning_vla_ros.evaluation.report.html import render
from reasoning_vla_ros.evaluation.report.picture import draw_plan
from reasoning_vla_ros.evaluation.report.samples import Shown
from reasoning_vla_ros.evaluation.report.style import to_jpeg, to_png
from reasoning_vla_ros.evaluation.scoring import ScoredPlan

# Pictures that also go to pictures/; the report holds all of them.
NUM_FILES = 4


def write_report(
    output_dir: Path,
    metrics: dict[str, Any],
    plans: Sequence[ScoredPlan],
    shown: Sequence[Shown],
    ground_z_m: float = 0.0,
) -> Path:
    """Writes report.html and pictures/{overview,errors,latency,plan_N}.png; returns the report's path."""
    pictures = output_dir / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("plan_*.png"):
        old.unlink()
    errors = to_png(error_chart(metrics["overall"]["error_curves"]))
    latencies = to_png(latency_chart(plans))
    (pictures / "errors.png").write_bytes(errors)
    (pictures / "latency.png").write_bytes(latencies)
    if shown:
        (pictures / "overview.png").write_bytes(to_png(draw_plan(_telling(shown), ground_z_m=ground_z_m)))
    for number, each in enumerate(shown[:: max(len(shown) // NUM_FILES, 1)][:NUM_FILES], start=1):
        (pictures / f"plan_{number}.png").write_bytes(to_png(draw_plan(each, ground_z_m=ground_z_m)))
    images = [to_jpeg(draw_plan(each, with_text=False, ground_z_m=ground_z_m)) for each in shown]
    path = output_dir / "report.html"
    path.write_text(render(metrics, plans, shown, images, errors, latencies), encoding="utf-8")
    return path


def _telling(shown: Sequence[Shown]) -> Shown:
    """The picture for the overview: a valid plan with an image and the longest way to go, where there is one."""
    return max(shown, key=lambda each: (each.image is not None, each.scored.is_valid, _way_m(each)))


def _way_m(shown: Shown) -> float:
    future = shown.scored.future
    return float(abs(future.xyz[future.valid]).max(initial=0.0))
