"""The report of a drive: what came of each scenario, pictures, and all that the model said."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reasoning_vla_ros.simulation.drive_log import DriveLog, Leg, gap_text, totals

STILLS_A_LEG = 2


def still_times_s(log: DriveLog, count: int = STILLS_A_LEG) -> list[float]:
    """Times in the film, so many evenly over each leg and, where it ended badly, its end."""
    times: list[float] = []
    begin_s = 0.0
    for leg in log.legs:
        if leg.planned_ns is not None:
            times += [begin_s + leg.duration_s * (k + 0.7) / (count + 0.4) for k in range(count)]
            if leg.has_collided or leg.has_left_road:
                times.append(begin_s + max(leg.duration_s - 0.2, 0.0))
        begin_s += leg.duration_s
    return sorted(times)


def write_drive_report(
    log: DriveLog,
    path: Path,
    *,
    title: str,
    stills: Sequence[tuple[float, bytes]] = (),
    files: Sequence[tuple[str, str]] = (),
    animation: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Writes report.html.

    Args:
        log: what came of the drive.
        path: of the page.
        title: who drove.
        stills: time in the film and JPEG of each picture, which the page holds.
        files: name and meaning of what lies beside the page.
        animation: name of one beside the page; empty for none.
        notes: what a reader has to know of the run.
    """
    environment = Environment(
        loader=PackageLoader("reasoning_vla_ros.simulation.film", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(seconds=_seconds, number=_number, gap=gap_text)
    pictures = [{"time": f"{time_s:.1f}", "data": base64.b64encode(data).decode("ascii")} for time_s, data in stills]
    page = environment.get_template("report.html").render(
        title=title,
        totals=totals(log),
        legs=[_leg(leg) for leg in log.legs],
        pictures=pictures,
        files=files,
        animation=animation,
        notes=notes,
    )
    path.write_text(page, encoding="utf-8")


def _leg(leg: Leg) -> dict[str, Any]:
    duration_s = leg.duration_s
    return {
        "scenario": leg.scenario,
        "seed": leg.seed,
        "duration_s": duration_s,
        "end": leg.end or "end of the drive",
        "is_bad": leg.has_collided or leg.has_left_road,
        "collided": leg.has_collided,
        "left_road": leg.has_left_road,
        "min_gap_m": leg.min_gap_m,
        "mean_speed_kmh": leg.mean_speed_mps * 3.6,
        "distance_m": leg.distance_m,
        "num_plans": leg.num_plans,
        "num_invalid": leg.num_invalid,
        "plans_per_s": leg.num_plans / duration_s if duration_s > 0 else math.nan,
        "p50_s": leg.plan_seconds_at(50),
        "p90_s": leg.plan_seconds_at(90),
        "texts": [((at_ns - (leg.planned_ns or leg.begin_ns)) * 1e-9, text) for at_ns, text in leg.texts],
    }


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "\N{EN DASH}"
    return f"{value * 1e3:.0f} ms" if value < 1.0 else f"{value:.2f} s"


def _number(value: float, digits: int = 1) -> str:
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.{digits}f}"
