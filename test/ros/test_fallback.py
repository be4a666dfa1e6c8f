"""The fallback: what is left of the last valid plan, then a comfortable stop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.geometry.kinematics import path_kinematics
from reasoning_vla_ros.planning.checks import check_candidate
from reasoning_vla_ros.planning.plan import Plan, PlanStatus
from reasoning_vla_ros.planning.settings import PlanLimits
from reasoning_vla_ros.ros.fallback import COMFORTABLE_BRAKING_MPS2, HeldPlan, comfortable_stop, fallback_plan
from reasoning_vla_ros.ros.inputs import EgoMotion

T0_NS = 1_700_000_000_000_000_000
YAW = Rotation.from_euler("z", 0.7).as_matrix()
START = np.array([50.0, -10.0, 1.0])


def moving(elapsed_s: float, speed_mps: float = 10.0, heading_rate_rps: float = 0.0) -> EgoMotion:
    """The vehicle on the straight plan, so long after its t0."""
    xyz = START + YAW @ np.array([speed_mps * elapsed_s, 0.0, 0.0])
    return EgoMotion(T0_NS + round(elapsed_s * 1e9), xyz, YAW, speed_mps, heading_rate_rps)


def is_sound(plan: Plan, v0_mps: float) -> str:
    motion = path_kinematics(plan.xyz[0].astype(float), plan.rot[0].astype(float), plan.dt_s, v0_mps)
    return check_candidate(
        plan.xyz[0], motion.speed, motion.acceleration, motion.heading_rate, v0_mps, plan.dt_s, PlanLimits()
    )


def test_holds_the_rest_of_the_plan_then_stops(straight_plan: Plan) -> None:
    held = HeldPlan(straight_plan, START, YAW)
    plan = fallback_plan(held, moving(2.05), "the camera is gone")
    np.testing.assert_allclose(plan.xyz[0, :43, 0], 10.0 * 0.1 * np.arange(1, 44), atol=1e-4)
    np.testing.assert_allclose(plan.xyz[0, :, 1:], 0.0, atol=1e-4)
    assert plan.speed_mps[0, 42] == pytest.approx(10.0)
    assert plan.speed_mps[0, -1] == 0.0
    assert plan.xyz[0, -1, 0] == pytest.approx(43.0 + 10.0**2 / (2 * COMFORTABLE_BRAKING_MPS2), abs=1e-3)
    assert plan.t0_ns == T0_NS + 2_050_000_000
    assert plan.status is PlanStatus.REDUCED
    assert plan.reduced == "fallback, 4.3 s of the last valid plan, then a stop: the camera is gone"
    assert is_sound(plan, 10.0) == ""


def test_held_plan_is_followed_where_it_lay_in_the_world(straight_plan: Plan) -> None:
    """A vehicle that drifted 0.5 m to the left sees the plan 0.5 m to its right."""
    motion = moving(1.0)
    drifted = EgoMotion(motion.stamp_ns, motion.xyz_in_odom + YAW @ [0.0, 0.5, 0.0], YAW, 10.0, 0.0)
    plan = fallback_plan(HeldPlan(straight_plan, START, YAW), drifted, "late")
    np.testing.assert_allclose(plan.xyz[0, :, 1], -0.5, atol=1e-4)


@pytest.mark.parametrize("elapsed_s", [6.4, 60.0, -5.0], ids=["over", "long over", "from another time"])
def test_stops_at_once_when_nothing_is_left(straight_plan: Plan, elapsed_s: float) -> None:
    plan = fallback_plan(HeldPlan(straight_plan, START, YAW), moving(elapsed_s), "late")
    assert plan.xyz[0, -1, 0] == pytest.approx(25.0, abs=1e-3)
    assert "fallback, a stop: late" in plan.reduced


def test_stops_without_any_plan_in_the_past() -> None:
    plan = fallback_plan(None, moving(0.0, speed_mps=8.0, heading_rate_rps=0.2), "no plan yet")
    assert plan.speed_mps[0, -1] == 0.0
    yaw = float(np.arctan2(plan.rot[0, -1, 1, 0], plan.rot[0, -1, 0, 0]))
    assert yaw == pytest.approx(0.2 / 8.0 * 16.0, abs=1e-4)  # curvature times braking distance
    assert is_sound(plan, 8.0) == ""


def test_vehicle_that_stands_goes_on_standing() -> None:
    plan = fallback_plan(None, moving(0.0, speed_mps=0.0, heading_rate_rps=0.3), "no plan yet")
    assert plan.xyz.shape[1] == 10
    assert not plan.xyz.any()
    assert not plan.speed_mps.any()


@given(st.floats(-10, 40), st.floats(-0.2, 0.2), st.sampled_from([0.05, 0.1, 0.25]))
def test_comfortable_stop(speed_mps: float, curvature: float, dt_s: float) -> None:
    xyz, rot, speed = comfortable_stop(speed_mps, curvature, dt_s)
    assert speed[-1] == pytest.approx(0.0, abs=1e-9)
    assert (abs(np.diff(speed)) <= COMFORTABLE_BRAKING_MPS2 * dt_s + 1e-9).all()
    arc = speed_mps * abs(speed_mps) / (2 * COMFORTABLE_BRAKING_MPS2)
    yaw = float(np.unwrap(np.arctan2(rot[:, 1, 0], rot[:, 0, 0]))[-1]) if len(rot) else 0.0
    assert np.remainder(yaw - curvature * arc + np.pi, 2 * np.pi) - np.pi == pytest.approx(0.0, abs=1e-6)
    lengths = np.linalg.norm(np.diff(xyz, axis=0, prepend=np.zeros((1, 3))), axis=1)
    assert lengths.sum() <= abs(arc) + 1e-6
