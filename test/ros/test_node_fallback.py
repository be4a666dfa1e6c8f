"""The node with fallback hold: what controllers get while there is no valid plan."""

from __future__ import annotations

import pytest

pytest.importorskip("reasoning_vla_ros.msg", reason="ROS 2 or the built package is absent")

RIG_PARAMETERS = {"fallback": "hold"}


def seconds(duration) -> float:
    return duration.sec + duration.nanosec * 1e-9


def test_invalid_plan_is_replaced_by_the_rest_of_the_last_valid_one(active) -> None:
    held = active.plan_again()
    active.wait_for_output("trajectory", active.stamp_ns(held))
    active.clear()
    active.planner.is_valid = False
    stamp_ns = active.stamp_ns(active.plan_again())
    trajectory = active.wait_for_output("trajectory", stamp_ns)
    assert active.heard["plan"][-1].status == 1
    assert trajectory.valid
    assert "fallback, 6.3 s of the last valid plan, then a stop: invalid plan: candidate 0: speed" in (
        trajectory.invalid_reason
    )
    # The same places as in the held plan, one step later.
    held_points = held.candidates[held.selected].points
    for point, held_point in zip(trajectory.points[:63], held_points[1:], strict=True):
        assert point.pose.position.x == pytest.approx(held_point.pose.position.x, abs=1e-3)
        assert seconds(point.time_from_start) == pytest.approx(seconds(held_point.time_from_start) - 0.1, abs=1e-6)
    assert trajectory.points[-1].longitudinal_velocity_mps == 0.0
    assert active.wait_for_output("path", stamp_ns).poses[0].pose == trajectory.points[0].pose


def test_camera_that_dies_leads_to_a_stop(active) -> None:
    stamp_ns = active.feed(steps=7, cameras={})
    trajectory = active.wait_for_output("trajectory", stamp_ns)
    assert "input_lag: camera front lies 0.700 s behind" in trajectory.invalid_reason
    assert trajectory.points[-1].longitudinal_velocity_mps == 0.0
    status = active.wait_for_status("planner", "input_lag")
    assert int({value.key: value.value for value in status.values}["fallbacks"]) >= 1
    assert not active.heard["plan"]


def test_planner_that_raises_leads_to_a_stop(active) -> None:
    active.planner.error = RuntimeError("CUDA out of memory")
    stamp_ns = active.feed()
    assert "CUDA out of memory" in active.wait_for_output("trajectory", stamp_ns).invalid_reason


def test_without_any_valid_plan_it_is_a_stop_from_the_present_speed(rig) -> None:
    rig.start()
    rig.planner.is_valid = False
    stamp_ns = rig.stamp_ns(rig.feed_until_planning())
    trajectory = rig.wait_for_output("trajectory", stamp_ns)
    assert "fallback, a stop: invalid plan" in trajectory.invalid_reason
    ego_x = rig.odometry(stamp_ns).pose.pose.position.x
    # Braking from 10 m/s at 2 m/s^2 takes 25 m.
    assert trajectory.points[-1].pose.position.x == pytest.approx(ego_x + 25.0, abs=0.01)
