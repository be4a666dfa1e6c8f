"""The node from end to end over real DDS, with a stub planner."""

from __future__ import annotations

import time

import numpy as np
import pytest

from reasoning_vla_ros.planning.seeds import plan_seed

pytest.importorskip("reasoning_vla_ros.msg", reason="ROS 2 or the built package is absent")

RIG_PARAMETERS = {"num_samples": 2, "seed": 7}


def test_images_and_odometry_become_all_outputs(rig) -> None:
    rig.start()
    msg = rig.feed_until_planning()
    t0_ns = rig.stamp_ns(msg)
    assert msg.header.frame_id == "odom"
    assert msg.selected == 0
    assert len(msg.candidates) == 2
    assert msg.status == 0
    assert msg.camera_names == ["front"]
    assert rig.wait_for_output("trajectory", t0_ns).points == msg.candidates[0].points
    first, last = msg.candidates[0].points[0], msg.candidates[0].points[-1]
    ego_x = rig.odometry(t0_ns).pose.pose.position.x
    assert first.pose.position.x == pytest.approx(ego_x + 1.0, abs=1e-3)
    assert (last.pose.position.x, last.pose.position.y) == pytest.approx((ego_x + 64.0, 5.0), abs=1e-3)
    assert first.longitudinal_velocity_mps == pytest.approx(10.0, abs=1e-3)
    assert last.time_from_start.sec + last.time_from_start.nanosec * 1e-9 == pytest.approx(6.4)
    path = rig.wait_for_output("path", t0_ns)
    assert len(path.poses) == 64
    assert path.poses[-1].header.stamp.sec * 10**9 + path.poses[-1].header.stamp.nanosec == t0_ns + 6_400_000_000
    trace = rig.wait_for_output("reasoning", t0_ns)
    assert trace == msg.trace
    assert (trace.text, trace.meta_action, trace.complete) == ("keep going", "go straight", True)
    assert msg.seed == plan_seed(7, t0_ns) == rig.planner.seeds[-1]
    assert msg.publish_stamp.sec > 0


def test_observation_is_what_was_sent(active) -> None:
    active.plan_again()
    observation = active.planner.observations[-1]
    assert observation.cameras[0].images.shape == (4, 24, 32, 3)
    assert observation.cameras[0].images[0, 0, 0].tolist() == [0, 1, 2]
    assert observation.history_xyz[0, 0] == pytest.approx(-15.0, abs=1e-3)


def test_odometry_that_comes_while_the_node_is_held_up_is_not_lost(active) -> None:
    """Nothing is spun while the poses of a second and a half are sent: the node's queue has to hold them."""
    first_ns = active.next_ns
    for step in range(16):
        active.publishers["odometry"].publish(active.odometry(first_ns + step * 100_000_000))
        time.sleep(0.005)
    active.next_ns = first_ns + 15 * 100_000_000
    received = active.node._inputs.odometry.received
    active.spin_until(lambda: active.node._inputs.odometry.received >= received + 16)
    for _ in range(3):
        stamp_ns = active.feed()
    active.wait_for_output("plan", stamp_ns)


def test_instruction_is_the_parameters_until_one_arrives(active) -> None:
    active.node._instruction = None
    assert active.set(instruction="Keep right")[0].successful
    active.plan_again()
    assert active.planner.observations[-1].instruction == "Keep right"


def test_instruction_arrives_and_is_latched(active) -> None:
    active.publishers["instruction"].publish(active.types.String(data="Turn left in 30 m"))
    active.spin_until(lambda: active.node._instruction)
    active.plan_again()
    assert active.planner.observations[-1].instruction == "Turn left in 30 m"


def test_reasoning_streams_while_it_is_written(active) -> None:
    active.planner.texts, active.planner.pause_s = ("keep", "keep going"), 0.1
    stamp_ns = active.stamp_ns(active.plan_again())
    active.wait_for_output("reasoning", stamp_ns)
    assert [(msg.text, msg.complete) for msg in active.heard["reasoning"]] == [("keep", False), ("keep going", True)]
    assert {active.stamp_ns(msg) for msg in active.heard["reasoning"]} == {stamp_ns}


def test_stream_reasoning_can_be_turned_off_while_planning(active) -> None:
    assert active.set(stream_reasoning=False)[0].successful
    active.planner.pause_s = 0.1
    active.wait_for_output("reasoning", active.stamp_ns(active.plan_again()))
    assert all(msg.complete for msg in active.heard["reasoning"])


def test_invalid_plan_never_reaches_trajectory_or_path(active) -> None:
    active.planner.is_valid = False
    msg = active.plan_again()
    assert (msg.status, msg.selected) == (1, -1)
    assert "speed 99.00 m/s" in msg.status_reason
    active.wait_for_status("planner", "invalid plan", "at most 70 m/s")
    assert not active.heard["trajectory"]
    assert not active.heard["path"]
    active.planner.is_valid = True
    assert active.plan_again().status == 0


def test_latest_input_wins_while_a_plan_is_in_flight(active) -> None:
    active.planner.delay_s = 0.4
    active.planner.observations.clear()
    first_ns = active.feed()
    active.spin_until(lambda: active.planner.observations)
    last_ns = active.feed(steps=5)
    active.spin_until(lambda: len(active.heard["plan"]) == 2)
    assert [active.stamp_ns(msg) for msg in active.heard["plan"]] == [first_ns, last_ns]
    assert int(active.wait_for_status("planner", level=0).values[4].value) >= 0
    assert active.node._health.overtaken == 4


def test_planner_that_raises_is_reported_and_the_node_goes_on(active) -> None:
    active.planner.error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    active.feed()
    active.wait_for_status("planner", "the planner failed", "CUDA out of memory")
    assert not active.heard["plan"]
    active.planner.error = None
    active.plan_again()
    active.clear()
    active.wait_for_status("planner", "planning", level=0)


def test_rate_is_limited_by_input_time(active) -> None:
    assert active.set(max_rate_hz=4.0)[0].successful
    active.planner.observations.clear()
    start_ns = active.next_ns
    for _ in range(9):
        active.feed()
        active.spin_until(lambda: not active.node._worker.busy)
    steps = [(observation.t0_ns - start_ns) // 100_000_000 for observation in active.planner.observations]
    assert np.diff(steps).tolist() == [3] * (len(steps) - 1)
    assert len(steps) == 3


def test_input_that_is_too_old_is_not_planned_from(active) -> None:
    assert active.set(max_input_age_s=1.0)[0].successful
    active.feed()
    active.wait_for_status("planner", "input_age", "max_input_age_s allows 1.000 s")
    assert not active.heard["plan"]


def test_plan_in_flight_comes_to_nothing_when_deactivated(active) -> None:
    active.planner.delay_s = 0.3
    active.planner.observations.clear()
    active.feed()
    active.spin_until(lambda: active.planner.observations)
    active.node.trigger_deactivate()
    active.spin_until(lambda: not active.node._worker.busy)
    active.spin_for(0.1)
    assert not active.heard["plan"]
    assert not active.heard["trajectory"]
    active.planner.delay_s = 0.0
    active.node.trigger_activate()
    active.plan_again()


def test_markers_replace_those_of_the_plan_before(active) -> None:
    active.plan_again()
    array = active.spin_until(lambda: active.heard["markers"])[-1]
    assert array.markers[0].action == 3  # DELETEALL
    lines = [marker for marker in array.markers if marker.ns == "candidates"]
    assert len(lines) == 2
    assert len(lines[0].points) == 65
    assert lines[0].color.g > lines[1].color.g
    assert "keep going" in next(marker.text for marker in array.markers if marker.ns == "reasoning")


def test_diagnostics_tell_the_last_plan(active) -> None:
    active.plan_again()
    active.clear()
    status = active.wait_for_status("planner", "planning", level=0)
    values = {value.key: value.value for value in status.values}
    assert values["state"] == "active"
    assert values["reason_s"] == "0.0300"
    assert float(values["latency_s"]) > 0
    camera = active.wait_for_status("camera front", "receiving", level=0)
    assert {value.key: value.value for value in camera.values}["size"] == "32x24"


def test_silent_camera_is_noticed(active) -> None:
    active.feed(steps=7, cameras={})
    active.wait_for_status("planner", "input_lag", "camera front lies 0.700 s behind", "at most 0.500 s")
    active.wait_for_status("camera front", "0.700 s behind")
    active.next_ns += 100_000_000
    active.feed_until_planning()


def test_plans_go_on_over_a_lifecycle_round(rig) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState, GetState

    rig.stop()
    rig.planner.reset()
    name = f"{rig.tester.get_namespace()}/planner_node"
    change = rig.tester.create_client(ChangeState, f"{name}/change_state")
    get = rig.tester.create_client(GetState, f"{name}/get_state")
    rig.spin_until(lambda: change.service_is_ready() and get.service_is_ready())

    def go(transition: int) -> str:
        future = change.call_async(ChangeState.Request(transition=Transition(id=transition)))
        assert rig.spin_until(future.done)
        assert future.result().success
        future = get.call_async(GetState.Request())
        rig.spin_until(future.done)
        return str(future.result().current_state.label)

    assert go(Transition.TRANSITION_CONFIGURE) == "inactive"
    assert go(Transition.TRANSITION_ACTIVATE) == "active"
    rig.feed_until_planning()
    assert go(Transition.TRANSITION_DEACTIVATE) == "inactive"
    assert go(Transition.TRANSITION_CLEANUP) == "unconfigured"
    rig.clear()
    rig.feed(steps=2)
    assert not rig.heard["plan"]
    assert go(Transition.TRANSITION_CONFIGURE) == "inactive"
    assert go(Transition.TRANSITION_ACTIVATE) == "active"
    rig.start()
    rig.feed_until_planning()


def test_cleanup_waits_for_the_plan_in_flight(active) -> None:
    active.planner.delay_s = 0.2
    active.planner.observations.clear()
    active.feed()
    active.spin_until(lambda: active.planner.observations)
    begin_s = time.monotonic()
    active.stop()
    assert active.node._worker is None
    assert time.monotonic() - begin_s > 0.05
