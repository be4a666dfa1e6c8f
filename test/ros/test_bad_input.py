"""Every bad input gives a diagnostic with the value it had and the value needed; then the node plans again."""

from __future__ import annotations

import array
import math

import pytest

pytest.importorskip("reasoning_vla_ros.msg", reason="ROS 2 or the built package is absent")

RIG_PARAMETERS = {"cameras": ["left:0", "right:2"]}


def refuse_image(rig, text_had: str, text_needed: str, **changes: object) -> None:
    """Sends a bad left image along with good other input."""
    stamp_ns = rig.next_ns
    rig.next_ns += 100_000_000
    rig._send("left", rig.image(stamp_ns, **changes))
    rig.wait_for_status("camera left", text_had, text_needed)
    rig._send("odometry", rig.odometry(stamp_ns))
    rig._send("right", rig.image(stamp_ns))


def expect_plan_after_one_good_period(rig) -> None:
    assert not rig.heard["plan"]
    msg = rig.plan_again()
    assert msg.status == 0
    assert rig.wait_for_output("trajectory", rig.stamp_ns(msg)).valid


@pytest.mark.parametrize(
    ("changes", "text_had", "text_needed"),
    [
        ({"encoding": "yuv999"}, "'yuv999'", "rgb8"),
        ({"data": array.array("B", bytes(100))}, "100 bytes", "2304"),
        ({"height": 0}, "32", "at least 1"),
        ({"width": 0, "height": 0, "step": 0, "data": array.array("B")}, "0", "at least 1"),
        ({"step": 10}, "step of 10", "96"),
    ],
    ids=["unknown encoding", "truncated", "no rows", "empty", "short step"],
)
def test_bad_image(active, changes: dict[str, object], text_had: str, text_needed: str) -> None:
    refuse_image(active, text_had, text_needed, **changes)
    expect_plan_after_one_good_period(active)


@pytest.mark.parametrize(
    ("orientation", "x", "text_had", "text_needed"),
    [
        ({}, math.nan, "nan", "finite"),
        ({"w": 0.0}, 0.0, "norm 0", "0.9..1.1"),
        ({"z": math.inf}, 0.0, "inf", "finite"),
    ],
    ids=["NaN position", "zero quaternion", "infinite quaternion"],
)
def test_bad_odometry(active, orientation: dict[str, float], x: float, text_had: str, text_needed: str) -> None:
    active._send("odometry", active.odometry(active.next_ns, x=x, **orientation))
    active.wait_for_status("odometry", text_had, text_needed)
    expect_plan_after_one_good_period(active)


def test_time_that_jumps_back(active) -> None:
    active.next_ns -= 20_000_000_000
    active.feed()
    active.wait_for_status("odometry", "jumped back 19.900 s", "at most 0.5", level=1)
    assert not active.heard["plan"]
    assert active.stamp_ns(active.feed_until_planning()) < active.next_ns
    assert min(active.stamp_ns(msg) for msg in active.heard["plan"]) > active.next_ns - 1_000_000_000


def test_cameras_that_lie_apart(active) -> None:
    active.feed(steps=4, cameras={"left": 0, "right": 200_000_000})
    active.wait_for_status("planner", "camera_skew", "'right' lags 0.200 s", "at most 0.150 s")
    active.clear()
    assert active.plan_again().status == 0


def test_odometry_with_a_gap(active) -> None:
    active.feed(steps=4, with_odometry=False)
    active.spin_for(0.1)
    active.clear()
    active.feed()
    active.wait_for_status("planner", "history_gap", "gap of 0.500 s", "at most 0.250 s")
    assert not active.heard["plan"]
    active.feed_until_planning()


def test_odometry_frame_that_changes(active) -> None:
    msg = active.odometry(active.next_ns)
    msg.header.frame_id = "map"
    active._send("odometry", msg)
    active.wait_for_status("odometry", "from 'odom' to 'map'", "must stay the same", level=1)
    active.feed_until_planning()


@pytest.mark.parametrize(
    ("values", "text_had", "text_needed"),
    [
        ({"num_samples": 0}, "value: 0", "Min: 1, Max: 256"),
        ({"top_p": 1.5}, "value: 1.5", "Max: 1.0"),
        ({"dtype": "int3"}, "'int3'", "bfloat16"),
        ({"max_rate_hz": 5}, "got", "expected"),
        ({"cameras": ["front"]}, "'front'", "name:id"),
        ({"cameras": ["a:3", "b:1"]}, "a:3", "ascending"),
        ({"temperature": math.nan}, "nan", "Max: 10.0"),
        ({"frame_dt_s": 0.2}, "clean it up first", "frame_dt_s"),
    ],
)
def test_bad_parameter_is_refused_with_a_reason(
    active, values: dict[str, object], text_had: str, text_needed: str
) -> None:
    result = active.set(**values)[0]
    assert not result.successful
    assert text_had in result.reason
    assert text_needed in result.reason
    expect_plan_after_one_good_period(active)


def test_model_folder_without_config(rig, tmp_path) -> None:
    rig.stop()
    rig.clear()
    assert rig.set(model_path=str(tmp_path))[0].successful
    assert not rig.node.start()
    rig.wait_for_status("planner", "not configured", "config.json", str(tmp_path))
    rig.start()
    rig.feed_until_planning()


def test_nothing_arrives(rig) -> None:
    rig.start()
    rig.wait_for_status("camera left", "nothing has arrived", level=3)
    rig.wait_for_status("planner", "waiting for camera left, camera right, odometry", level=1)


def test_everything_falls_silent(active) -> None:
    active.wait_for_status("camera right", "silent for 1.", "at most 1.000 s", level=3)
    active.wait_for_status("planner", "waiting for camera left, camera right, odometry", level=1)
