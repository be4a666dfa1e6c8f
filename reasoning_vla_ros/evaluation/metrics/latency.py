"""Latency percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from reasoning_vla_ros.planning.plan import StageSeconds

PERCENTILES = (50, 90, 99)

DEFINITIONS = {
    "latency_s": "Latency: wall-clock seconds of one plan, in all and by stage, over every plan, first one "
    "included; percentiles are interpolated linearly.",
}


def percentiles(values_s: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99, max, mean and count of durations in seconds; empty when there are none."""
    if not len(values_s):
        return {}
    values = np.asarray(values_s, np.float64)
    result = {f"p{p}": float(np.percentile(values, p)) for p in PERCENTILES}
    return {**result, "max": float(values.max()), "mean": float(values.mean()), "count": len(values)}


def latency(seconds: Sequence[StageSeconds]) -> dict[str, dict[str, float]]:
    """Percentiles by stage: encode, prefill, reason, act and total."""
    return {stage.name: percentiles([getattr(each, stage.name) for each in seconds]) for stage in fields(StageSeconds)}
