"""Plans to messages and back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags import types
from reasoning_vla_ros.messages.plan_messages import plan_from_msg, plan_to_msg, trajectory_to_path
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.planning.plan import Plan, PlanStatus, StageSeconds

T0_NS = 1_700_000_000_123_456_789
STEPS, DT_S = 8, 0.1


def arc(speed_mps: float, heading_rate_rps: float) -> tuple[np.ndarray, np.ndarray]:
    """Constant turn rate from the origin: xyz [T, 3] and rot [T, 3, 3]."""
    times = np.arange(1, STEPS + 1) * DT_S
    yaw = heading_rate_rps * times
    radius = speed_mps / heading_rate_rps
    xyz = np.stack([radius * np.sin(yaw), radius * (1 - np.cos(yaw)), np.zeros(STEPS)], 1)
    return xyz, Rotation.from_euler("z", yaw[:, None]).as_matrix()


def make_plan(**changes: object) -> Plan:
    left, right = arc(10.0, 0.2), arc(10.0, -0.2)
    plan = Plan(
        t0_ns=T0_NS,
        xyz=np.stack([left[0], right[0]]).astype(np.float32),
        rot=np.stack([left[1], right[1]]).astype(np.float32),
        speed_mps=np.full((2, STEPS), 10.0, np.float32),
        dt_s=DT_S,
        score=np.array([-0.5, -0.25], np.float32),
        valid=np.array([True, True]),
        invalid_reasons=("", ""),
        selected=1,
        reasoning=("keep left", "keep right"),
        meta_actions=("left", "right"),
        reasoning_complete=(True, True),
        num_prompt_tokens=300,
        num_reasoning_tokens=(2, 3),
        num_trajectory_tokens=16,
        seconds=StageSeconds(0.1, 0.2, 0.3, 0.4, 1.1),
        seed=2**63 - 1,
    )
    return dataclasses.replace(plan, **changes)  # type: ignore[arg-type]


EGO_POSE = (np.array([100.0, -20.0, 3.0]), Rotation.from_euler("zyx", [1.0, 0.1, -0.05]).as_matrix())


def test_plan_survives_the_way_to_a_message_and_back() -> None:
    plan = make_plan()
    again = plan_from_msg(plan_to_msg(plan, EGO_POSE, "odom", types), EGO_POSE)
    np.testing.assert_allclose(again.xyz, plan.xyz, atol=1e-5)
    np.testing.assert_allclose(again.rot, plan.rot, atol=1e-6)
    np.testing.assert_array_equal(again.speed_mps, plan.speed_mps)
    np.testing.assert_array_equal(again.score, plan.score)
    for name in ("t0_ns", "selected", "seed", "seconds", "num_prompt_tokens", "num_trajectory_tokens", "status"):
        assert getattr(again, name) == getattr(plan, name), name
    assert again.dt_s == pytest.approx(plan.dt_s, abs=1e-9)
    assert again.reasoning == ("", "keep right")


def test_message_says_what_the_plan_says() -> None:
    msg = plan_to_msg(
        make_plan(),
        EGO_POSE,
        "odom",
        types,
        publish_stamp_ns=T0_NS + 5,
        camera_names=["front"],
        camera_stamps_ns=[T0_NS],
    )
    assert stamp_to_ns(msg.header.stamp) == T0_NS
    assert msg.header.frame_id == msg.candidates[0].header.frame_id == "odom"
    assert stamp_to_ns(msg.publish_stamp) == T0_NS + 5
    assert (msg.trace.text, msg.trace.meta_action, msg.trace.num_tokens) == ("keep right", "right", 3)
    assert msg.camera_names == ["front"]
    assert [stamp_to_ns(stamp) for stamp in msg.camera_stamps] == [T0_NS]
    point = msg.candidates[0].points[3]
    assert stamp_to_ns(point.time_from_start) == 400_000_000
    assert point.heading_rate_rps == pytest.approx(0.2, abs=1e-4)
    assert point.curvature == pytest.approx(0.02, abs=1e-4)
    assert point.acceleration_mps2 == pytest.approx(0.0, abs=1e-3)


def test_points_lie_in_the_output_frame() -> None:
    plan = make_plan()
    msg = plan_to_msg(plan, EGO_POSE, "odom", types)
    position = msg.candidates[0].points[-1].pose.position
    expected = EGO_POSE[1] @ plan.xyz[0, -1] + EGO_POSE[0]
    np.testing.assert_allclose([position.x, position.y, position.z], expected, atol=1e-5)


def test_speed_at_t0_gives_the_first_acceleration() -> None:
    plan = make_plan()
    braking = plan_to_msg(dataclasses.replace(plan, v0_mps=12.0), EGO_POSE, "odom", types).candidates[0].points
    assert braking[0].acceleration_mps2 < -5
    assert plan_to_msg(dataclasses.replace(plan, v0_mps=10.0), EGO_POSE, "odom", types).candidates[0].points[
        0
    ].acceleration_mps2 == (pytest.approx(0.0, abs=1e-2))


def test_candidate_that_is_not_finite_has_no_points_and_comes_back_as_nan() -> None:
    plan = make_plan(valid=np.array([False, True]), invalid_reasons=("not finite", ""))
    plan.xyz[0] = np.nan
    msg = plan_to_msg(plan, EGO_POSE, "odom", types)
    assert msg.candidates[0].points == []
    assert not msg.candidates[0].valid
    assert msg.candidates[0].invalid_reason == "not finite"
    again = plan_from_msg(msg, EGO_POSE)
    assert np.isnan(again.xyz[0]).all()
    assert np.isfinite(again.xyz[1]).all()


def test_status_survives() -> None:
    invalid = make_plan(selected=-1, valid=np.zeros(2, bool), invalid_reasons=("too fast", "too slow"))
    reduced = make_plan(reduced="reasoning cut at 3 tokens")
    for plan, status in ((invalid, PlanStatus.INVALID), (reduced, PlanStatus.REDUCED)):
        msg = plan_to_msg(plan, EGO_POSE, "odom", types)
        assert msg.status == status
        assert msg.status_reason == plan.status_reason == plan_from_msg(msg, EGO_POSE).status_reason


def test_path_has_the_instant_of_each_waypoint() -> None:
    plan = make_plan()
    trajectory = plan_to_msg(plan, EGO_POSE, "odom", types).candidates[1]
    path = trajectory_to_path(trajectory, types)
    assert [stamp_to_ns(pose.header.stamp) for pose in path.poses] == plan.stamps_ns().tolist()
    assert path.poses[2].pose == trajectory.points[2].pose


def test_message_can_be_serialised_with_plain_numbers_only() -> None:
    msg = plan_to_msg(make_plan(), EGO_POSE, "odom", types, publish_stamp_ns=T0_NS)
    data = types.TYPESTORE.serialize_cdr(msg, "reasoning_vla_ros/msg/Plan")
    again = types.TYPESTORE.deserialize_cdr(data, "reasoning_vla_ros/msg/Plan")
    assert again.candidates[1].points[0].pose == msg.candidates[1].points[0].pose
    for owner, names in ((msg, ("seed", "status", "selected")), (msg.candidates[0], ("score", "valid"))):
        assert all(type(getattr(owner, name)) in (int, float, bool) for name in names)


def test_points_at_uneven_times_are_refused() -> None:
    msg = plan_to_msg(make_plan(), EGO_POSE, "odom", types)
    msg.candidates[0].points[0].time_from_start.nanosec += 50_000_000
    with pytest.raises(ValueError, match=r"one step apart.*0\.150 s"):
        plan_from_msg(msg, EGO_POSE)
