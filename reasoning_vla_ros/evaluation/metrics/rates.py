"""Shares of plans that are valid and that were reduced to meet a deadline."""

from __future__ import annotations

from collections.abc import Sequence

from reasoning_vla_ros.planning.plan import PlanStatus

DEFINITIONS = {
    "validity_rate": "Validity rate: share of plans with a selected candidate, that is, one that passed every check.",
    "reduced_rate": "Reduced rate: share of plans that are valid and gave something up to meet the deadline.",
}


def validity_rate(statuses: Sequence[PlanStatus]) -> float:
    """Share of plans whose status is not INVALID; NaN of none."""
    return _share([status is not PlanStatus.INVALID for status in statuses])


def reduced_rate(statuses: Sequence[PlanStatus]) -> float:
    """Share of plans whose status is REDUCED; NaN of none."""
    return _share([status is PlanStatus.REDUCED for status in statuses])


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else float("nan")
