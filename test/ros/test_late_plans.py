"""Plans whose waypoints have all passed are invalid."""

from __future__ import annotations

from reasoning_vla_ros.planning.plan import Plan, PlanStatus
from reasoning_vla_ros.ros.late_plans import without_past_plans


def test_plan_with_a_waypoint_to_come_stays_as_it_is(straight_plan: Plan) -> None:
    assert without_past_plans(straight_plan, straight_plan.t0_ns + 6_400_000_000) is straight_plan


def test_plan_that_is_over_is_invalid_with_the_reason(straight_plan: Plan) -> None:
    plan = without_past_plans(straight_plan, straight_plan.t0_ns + 7_000_000_000)
    assert plan.status is PlanStatus.INVALID
    assert not plan.valid.any()
    assert plan.invalid_reasons == ("ready 7.000 s after t0, its waypoints end 6.400 s after t0",)
    assert straight_plan.valid.all()
