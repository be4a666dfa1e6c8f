"""The node's inputs, without ROS: rosbags' messages serve as well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reasoning_vla_ros.bags import types
from reasoning_vla_ros.messages.images import rgb_to_image_fields
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.ros.diagnostics import Level
from reasoning_vla_ros.ros.inputs import InputAgeError, InputLagError, Inputs, PlanRequest

T0_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
CONFIG = ObservationConfig(cameras=((1, "front"),), num_frames=2, num_history=4)


def header(stamp_ns: int, frame_id: str = "odom") -> object:
    return types.Header(stamp=types.Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id=frame_id)


def image(stamp_ns: int) -> object:
    return types.Image(header=header(stamp_ns), **rgb_to_image_fields(np.zeros((4, 6, 3), np.uint8)))


def odometry(stamp_ns: int, frame_id: str = "odom") -> object:
    x = 10.0 * (stamp_ns - T0_NS) * 1e-9
    pose = types.Pose(position=types.Point(x=x, y=0.0, z=0.0), orientation=types.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0))
    zero = types.Vector3(x=0.0, y=0.0, z=0.0)
    return types.Odometry(
        header=header(stamp_ns, frame_id),
        child_frame_id="base_link",
        pose=types.PoseWithCovariance(pose=pose, covariance=np.zeros(36)),
        twist=types.TwistWithCovariance(twist=types.Twist(linear=zero, angular=zero), covariance=np.zeros(36)),
    )


def fill(inputs: Inputs, first: int, last: int) -> int:
    """Steps first..last of good input; the last stamp."""
    for step in range(first, last + 1):
        assert inputs.on_odometry(odometry(T0_NS + step * STEP_NS)) == ""
        assert inputs.on_image("front", image(T0_NS + step * STEP_NS)) == ""
    return T0_NS + last * STEP_NS


def ask(inputs: Inputs, now_ns: int = 0, max_age_s: float = 0.0, period_s: float = 0.0) -> PlanRequest | None:
    return inputs.next_request(now_ns, max_age_s, period_s, "Turn left", "car")


def test_each_instant_is_planned_once_and_the_newest_first() -> None:
    inputs = Inputs(CONFIG)
    t0_ns = fill(inputs, 0, 5)
    request = ask(inputs)
    assert request is not None
    assert request.observation.t0_ns == t0_ns
    assert request.observation.instruction == "Turn left"
    assert request.odom_frame == "odom"
    assert request.observation.speed_mps == pytest.approx(10.0, abs=1e-4)
    np.testing.assert_allclose(request.ego_xyz_in_odom, [5.0, 0.0, 0.0], atol=1e-9)
    assert ask(inputs) is None
    fill(inputs, 6, 9)
    assert ask(inputs).observation.t0_ns == T0_NS + 9 * STEP_NS
    assert inputs.take_overtaken() == 3
    assert inputs.take_overtaken() == 0


def test_period_tolerates_jitter() -> None:
    inputs = Inputs(CONFIG)
    fill(inputs, 0, 5)
    assert ask(inputs, period_s=0.105) is not None
    fill(inputs, 6, 6)
    assert ask(inputs, period_s=0.105) is not None
    fill(inputs, 7, 7)
    assert ask(inputs, period_s=0.12) is None


@pytest.mark.parametrize(("offset_s", "text"), [(5.0, "5.000 s old"), (-5.0, "5.000 s ahead")])
def test_age_by_the_clock(offset_s: float, text: str) -> None:
    inputs = Inputs(CONFIG)
    t0_ns = fill(inputs, 0, 5)
    with pytest.raises(InputAgeError, match=f"{text}.*max_input_age_s allows 1.000 s"):
        ask(inputs, now_ns=t0_ns + round(offset_s * 1e9), max_age_s=1.0)
    fill(inputs, 6, 6)
    assert ask(inputs, now_ns=t0_ns, max_age_s=1.0) is not None


def test_odometry_that_stops() -> None:
    inputs = Inputs(CONFIG)
    t0_ns = fill(inputs, 0, 5)
    ask(inputs)
    inputs.on_image("front", image(t0_ns + 600_000_000))
    with pytest.raises(InputLagError, match=r"odometry lies 0\.600 s behind the newest input; at most 0\.500 s"):
        ask(inputs)
    status = inputs.report()[-1]
    assert status.level is Level.ERROR
    assert "0.600 s behind" in status.message


def test_frame_that_changes_starts_anew() -> None:
    inputs = Inputs(CONFIG)
    t0_ns = fill(inputs, 0, 5)
    assert "from 'odom' to 'map'" in inputs.on_odometry(odometry(t0_ns + STEP_NS, "map"))
    assert inputs.restarts == 1
    assert ask(inputs) is None


def test_ego_motion() -> None:
    inputs = Inputs(CONFIG)
    assert inputs.ego_motion() is None
    t0_ns = fill(inputs, 0, 5)
    motion = inputs.ego_motion()
    assert motion is not None
    assert motion.stamp_ns == t0_ns
    assert motion.speed_mps == pytest.approx(10.0)
    assert motion.heading_rate_rps == 0.0


def test_refusal_is_an_error_until_a_good_message_and_then_a_warning_once() -> None:
    inputs = Inputs(CONFIG)
    bad = replace(image(T0_NS), encoding="yuv999")
    assert "yuv999" in inputs.on_image("front", bad)
    assert inputs.report()[0].level is Level.ERROR
    inputs.on_image("front", bad)
    inputs.on_image("front", image(T0_NS))
    assert (inputs.report()[0].level, inputs.report()[0].level) == (Level.WARN, Level.OK)
    assert inputs.report()[0].values["refused"] == "2"
