"""Whether the text behind a plan is true, and whether the plan does what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.simulation.claims import claims_in
from reasoning_vla_ros.simulation.reason_checker import check_plan, check_reason
from reasoning_vla_ros.simulation.sight import Sight
from reasoning_vla_ros.simulation.world_state import WorldState


@dataclass(frozen=True)
class CheckedText:
    """A plan's text, held against the world at the plan's t0 and against the plan.

    Attributes:
        time_s: t0, since the world's start.
        text: as the planner wrote it.
        is_true: whether a cause is named and all that are named are so.
        is_consistent: whether an action is named and the plan does it.
        why: what is not so; empty where both hold.
    """

    time_s: float
    text: str
    is_true: bool
    is_consistent: bool
    why: str


def check_text(plan: Plan, state: WorldState, sight: Sight | None = None) -> CheckedText:
    """The text of the plan's shown candidate.

    Args:
        plan: at least 3 s long.
        state: of the world at t0.
        sight: what can be seen; a clear day's by default.
    """
    text, xyz = plan.reasoning[plan.shown], plan.xyz[plan.shown].astype(np.float64)
    causes = check_reason(text, state, sight)
    action = claims_in(text)
    wrong = [f"{cause.claim or 'no text'}: {cause.why}" for cause in causes if not cause.is_true]
    is_true = not wrong
    if action.longitudinal is None and action.lateral is None:
        unfit = ["no action is understood"]
    elif not np.isfinite(xyz).all():
        unfit = ["the plan is not finite"]
    else:
        unfit = [f"{part.claim}: {part.why}" for part in check_plan(text, xyz, plan.dt_s, state) if not part.is_true]
    return CheckedText(state.time_s, text, is_true, not unfit, "; ".join(wrong + unfit))
