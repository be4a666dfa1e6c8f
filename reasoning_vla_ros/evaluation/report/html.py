"""Fills the template of report.html."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reasoning_vla_ros.evaluation.report.samples import Shown
from reasoning_vla_ros.evaluation.report.style import METHOD_COLOURS
from reasoning_vla_ros.evaluation.scoring import PLANNER, ScoredPlan

NO_VALUE = "\N{EN DASH}"
# (metric, title, factor to the unit shown)
HORIZON_TABLES = (
    ("ade_m", "ADE (m)", 1.0),
    ("fde_m", "FDE (m)", 1.0),
    ("heading_error_rad", "Heading error (°)", 57.29577951308232),
    ("lateral_abs_m", "Lateral error, magnitude (m)", 1.0),
    ("lateral_m", "Lateral bias, left positive (m)", 1.0),
    ("longitudinal_abs_m", "Longitudinal error, magnitude (m)", 1.0),
    ("longitudinal_m", "Longitudinal bias, ahead positive (m)", 1.0),
)
BEST_OF_TABLES = (
    ("min_ade_once_m", "minADE, sample chosen once (m)"),
    ("min_ade_per_horizon_m", "minADE, sample chosen per horizon (m)"),
    ("min_fde_m", "minFDE (m)"),
)
SKIP_REASONS = {
    "no_data": "a camera or the odometry had not delivered yet",
    "history_span": "the odometry did not cover the ego history yet",
    "history_gap": "the odometry has a gap inside the ego history",
    "stale_frame": "no camera frame close enough to an instant that needs one",
    "camera_skew": "the cameras lie too far apart in time",
    "time_jump": "time jumped back",
    "no_stamp": "image messages without a header stamp",
    "odometry_no_stamp": "odometry messages without a header stamp",
    "bad_odometry": "odometry messages without a usable pose",
    "image_decode": "images that could not be decoded",
    "plan_not_newer": "plans no newer than their predecessor",
    "no_odometry_at_t0": "plans at an instant without odometry",
    "bad_plan": "plans that could not be read",
}


def render(
    metrics: dict[str, Any],
    plans: Sequence[ScoredPlan],
    shown: Sequence[Shown],
    images: Sequence[bytes],
    error_chart: bytes,
    latency_chart: bytes,
) -> str:
    """The page; every text in it, reasoning above all, is escaped."""
    environment = Environment(
        loader=PackageLoader("reasoning_vla_ros.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, seconds=_seconds, percent=_percent)
    overall = metrics["overall"]
    horizons = [f"{horizon_s:g}" for horizon_s in metrics["run"]["horizons_s"]]
    methods = overall["methods"]
    return environment.get_template("template.html").render(
        metrics=metrics,
        overall=overall,
        horizons=horizons,
        colours=METHOD_COLOURS,
        planner=PLANNER,
        headline=[_table(methods, *each, horizons) for each in HORIZON_TABLES[:2]],
        everywhere=_everywhere(overall, horizons),
        details=[_table(methods, *each, horizons) for each in HORIZON_TABLES[2:]],
        best_of=[_table(methods, metric, title, 1.0, horizons) for metric, title in BEST_OF_TABLES],
        manoeuvres=_manoeuvres(overall["manoeuvres"], horizons),
        skip_reasons=SKIP_REASONS,
        error_chart=_data_uri(error_chart, "png"),
        latency_chart=_data_uri(latency_chart, "png"),
        pictures=[_picture(each, image, horizons, metrics) for each, image in zip(shown, images, strict=True)],
        num_shown=len(shown),
        num_plans=len(plans),
    )


def _table(methods: dict[str, Any], metric: str, title: str, factor: float, horizons: list[str]) -> dict[str, Any]:
    """Rows of means by method, the smallest magnitude of each column marked."""
    rows = []
    for name, scores in methods.items():
        if metric in scores:
            cells = [scores[metric][horizon] for horizon in horizons]
            values = [None if cell["mean"] is None else cell["mean"] * factor for cell in cells]
            rows.append({"name": name, "values": values, "counts": [cell["count"] for cell in cells]})
    best = []
    for column in range(len(horizons)):
        known = [abs(row["values"][column]) for row in rows if row["values"][column] is not None]
        best.append(min(known) if len(known) > 1 else None)
    for row in rows:
        row["best"] = [
            value is not None and least is not None and abs(value) == least
            for value, least in zip(row["values"], best, strict=True)
        ]
    counts = [max((row["counts"][column] for row in rows), default=0) for column in range(len(horizons))]
    return {"title": title, "rows": rows, "counts": counts}


def _everywhere(overall: dict[str, Any], horizons: list[str]) -> dict[str, Any] | None:
    """ADE at every instant, where the planner left some out."""
    if overall["validity_rate"] == 1.0 or not overall["methods_at_all_instants"]:
        return None
    return _table(overall["methods_at_all_instants"], "ade_m", "ADE at all instants (m)", 1.0, horizons)


def _manoeuvres(manoeuvres: dict[str, Any], horizons: list[str]) -> dict[str, Any]:
    """ADE at 3 s, or the horizon nearest to it, by manoeuvre and method."""
    horizon = min(horizons, key=lambda each: abs(float(each) - 3.0))
    names = list(dict.fromkeys(name for each in manoeuvres.values() for name in each["methods"]))
    rows = [
        {
            "name": kind,
            "count": each["count"],
            "values": [each["methods"].get(name, {}).get("ade_m", {}).get(horizon, {}).get("mean") for name in names],
        }
        for kind, each in manoeuvres.items()
    ]
    return {"horizon": horizon, "names": names, "rows": rows}


def _picture(shown: Shown, image: bytes, horizons: list[str], metrics: dict[str, Any]) -> dict[str, Any]:
    plan = shown.scored.plan
    own = shown.scored.scores.get(PLANNER, {})
    at = min(range(len(horizons)), key=lambda i: abs(float(horizons[i]) - 3.0))
    has_text = bool(plan.reasoning)
    return {
        "image": _data_uri(image, "jpeg"),
        "bag": shown.bag,
        "t0": f"{plan.t0_ns * 1e-9:.3f}",
        "manoeuvre": shown.scored.manoeuvre.value,
        "status": plan.status.name.lower(),
        "status_reason": plan.status_reason,
        "meta_action": plan.meta_actions[plan.shown] if plan.meta_actions else "",
        "reasoning": plan.reasoning[plan.shown] if has_text else "",
        "complete": plan.reasoning_complete[plan.shown] if plan.reasoning_complete else True,
        "seconds": vars(plan.seconds),
        "horizon": horizons[at],
        "ade": float(own["ade_m"][at]) if own else None,
        "num_candidates": len(plan.xyz),
        "num_valid": int(plan.valid.sum()),
    }


def _data_uri(data: bytes, kind: str) -> Markup:
    return Markup(f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}")


def _number(value: float | None) -> str:
    return NO_VALUE if value is None or value != value else f"{value:.2f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return NO_VALUE
    return f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def _percent(value: float | None) -> str:
    return NO_VALUE if value is None else f"{100 * value:.0f} %"
