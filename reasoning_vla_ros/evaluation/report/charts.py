"""Charts over all plans: error by horizon, latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reasoning_vla_ros.evaluation.report.style import INK, METHOD_COLOURS, METHOD_LINES, new_figure
from reasoning_vla_ros.evaluation.scoring import PLANNER, ScoredPlan

STAGES = {"encode": "#1d4ed8", "prefill": "#0891b2", "reason": "#f59e0b", "act": "#16a34a"}


def error_chart(curves: dict[str, Any]) -> Figure:
    """Mean displacement over time after t0, one line a method; `curves` as in metrics.json's error_curves."""
    figure = new_figure(8.2, 3.6)
    axes = figure.add_axes((0.08, 0.15, 0.62, 0.8))
    times_s = np.array(curves["time_s"], np.float64)
    for name, values in curves.items():
        heights = np.array(values, np.float64)
        if name == "time_s" or np.isnan(heights).all():
            continue
        axes.plot(
            np.append(0.0, times_s),
            np.append(0.0, heights),
            color=METHOD_COLOURS.get(name, INK),
            linestyle=METHOD_LINES.get(name, "-"),
            linewidth=2.6 if name == PLANNER else 1.6,
            label=name,
            zorder=3 if name == PLANNER else 2,
        )
    axes.set_xlim(0, 6.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time after t0 (s)")
    axes.set_ylabel("mean distance to the truth (m)")
    _tidy(axes)
    if axes.lines:
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), frameon=False, fontsize=9)
    return figure


def latency_chart(plans: Sequence[ScoredPlan]) -> Figure:
    """Seconds by stage of every plan, stacked in order of the plans."""
    figure = new_figure(8.2, 3.0)
    axes = figure.add_axes((0.08, 0.17, 0.62, 0.77))
    seconds = [each.plan.seconds for each in plans]
    order = np.arange(len(seconds))
    total = np.array([each.total for each in seconds])
    below = np.zeros(len(seconds))
    for stage, colour in STAGES.items():
        heights = np.array([getattr(each, stage) for each in seconds])
        if heights.any():
            axes.bar(order, heights, bottom=below, width=1.0, color=colour, label=stage, linewidth=0)
            below = below + heights
    rest = np.maximum(total - below, 0.0)
    axes.bar(order, rest, bottom=below, width=1.0, color="#d1d5db", label="other", linewidth=0)
    for percent, line in ((50, "-"), (90, "--")):
        value = float(np.percentile(total, percent)) if total.size else 0.0
        axes.axhline(value, color=INK, linestyle=line, linewidth=1, label=f"p{percent}: {value:.3g} s")
    axes.set_xlim(-0.5, max(len(seconds) - 0.5, 0.5))
    axes.set_xlabel("plan")
    axes.set_ylabel("seconds")
    _tidy(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), frameon=False, fontsize=9)
    return figure


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9ca3af")
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
