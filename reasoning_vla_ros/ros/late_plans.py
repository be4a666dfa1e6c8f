"""Plans that come too late to be driven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reasoning_vla_ros.planning.plan import Plan


def without_past_plans(plan: Plan, now_ns: int) -> Plan:
    """The plan, or, where all its waypoints lie in the past already, the plan with every candidate invalid."""
    end_ns = int(plan.stamps_ns()[-1]) if plan.xyz.shape[1] else plan.t0_ns
    if now_ns <= end_ns:
        return plan
    late = (
        f"ready {(now_ns - plan.t0_ns) * 1e-9:.3f} s after t0, its waypoints end {(end_ns - plan.t0_ns) * 1e-9:.3f} s "
        "after t0"
    )
    reasons = tuple(reason or late for reason in plan.invalid_reasons)
    return replace(plan, valid=np.zeros_like(plan.valid), invalid_reasons=reasons, selected=-1)
