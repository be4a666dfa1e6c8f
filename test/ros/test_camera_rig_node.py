"""A rig file in the node, over real DDS: its cameras are subscribed to, and diagnostics tell how they differ."""

from __future__ import annotations

import array
from types import SimpleNamespace

import pytest

pytest.importorskip("reasoning_vla_ros.msg", reason="ROS 2 or the built package is absent")

# `cameras` as the tester publishes them; the rig gives the same.
RIG_PARAMETERS = {"camera_rig": "kitti", "cameras": ["front:1"]}


def test_diagnostics_tell_how_the_rig_differs(rig) -> None:
    rig.planner.model = SimpleNamespace(config=SimpleNamespace(model_type="alpamayo_r1"))
    rig.start()
    rig.feed_until_planning()
    rig.clear()
    status = rig.wait_for_status("camera rig", "camera cross_left (0) is missing", level=1)
    values = {entry.key: entry.value for entry in status.values}
    assert (values["camera_rig"], values["trained_with"]) == ("kitti", "nvidia_4_camera")
    assert set(values.values()) >= {
        "camera front (1) sees 82 deg, the model was trained with 120 deg",
        "camera front (1) sends images of 32x24, its rig file says 1226x370",
        "a single camera, the model was trained with 4",
    }
    assert rig.wait_for_status("planner", "planning", level=0)


def test_grey_images_are_planned_from_and_told(rig) -> None:
    rig.planner.model = SimpleNamespace(config=SimpleNamespace(model_type="mine"))
    rig.start()
    grey = {
        "encoding": "mono8",
        "step": 1226,
        "width": 1226,
        "height": 370,
        "data": array.array("B", bytes(1226 * 370)),
    }
    colour = rig.image
    rig.image = lambda stamp_ns: colour(stamp_ns, **grey)
    try:
        rig.feed_until_planning()
    finally:
        del rig.image
    assert rig.planner.observations[-1].cameras[0].images.shape == (4, 370, 1226, 3)
    rig.clear()
    status = rig.wait_for_status("camera rig", "camera front (1) sends grey images (mono8)", level=1)
    assert [entry.key for entry in status.values] == ["camera_rig", "trained_with", "difference_1"]


def test_wrong_rig_leaves_the_node_unconfigured_and_says_why(rig) -> None:
    rig.stop()
    assert rig.set(camera_rig="nvidia_4_camera", cameras=["left:0", "front:1"])[0].successful
    assert not rig.node.start()
    rig.wait_for_status("planner", "not configured", "cameras is ['left:0', 'front:1']", "camera_rig 'nvidia_4_camera'")
    rig.start()


def test_rig_gives_the_cameras_to_subscribe_to(rig) -> None:
    rig.stop()
    assert rig.set(camera_rig="nvidia_4_camera", cameras=["front:1"])[0].successful
    assert rig.node.start()
    try:
        assert list(rig.node._inputs.cameras) == ["cross_left", "front_wide", "cross_right", "front_tele"]
        topics = {subscription.topic_name for subscription in rig.node.subscriptions}
        assert f"{rig.node.get_fully_qualified_name()}/input/front_tele/image" in topics
        assert rig.node.get_parameter("cameras").value == ["front:1"]
    finally:
        rig.stop()
