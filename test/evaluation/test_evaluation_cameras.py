import pytest

from reasoning_vla_ros.bags import TopicInfo
from reasoning_vla_ros.evaluation.cameras import (
    CameraTopic,
    as_recorded,
    camera_name,
    find_cameras,
    info_topic_of,
    parse_camera,
    rig_cameras,
)
from reasoning_vla_ros.planning.camera_rig import CameraRig

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def found(**topics):
    return [
        (each.camera_id, each.name)
        for each in find_cameras({name.replace("__", "/"): TopicInfo(kind, 9) for name, kind in topics.items()})
    ]


def test_alpamayo_names_have_their_ids():
    topics = {f"__camera__{name}__image": RAW for name in ("front_tele", "cross_right", "front_wide", "cross_left")}
    assert found(**topics) == [(0, "cross_left"), (1, "front_wide"), (2, "cross_right"), (6, "front_tele")]


def test_other_names_come_after_the_known_ones_in_order():
    assert found(__camera__right__image=RAW, __camera__front__image=RAW, __camera__left__image=RAW) == [
        (1, "front"),
        (10, "left"),
        (11, "right"),
    ]


def test_front_makes_way_for_front_wide():
    assert found(__camera__front__image=RAW, __camera__front_wide__image=RAW) == [(1, "front_wide"), (10, "front")]


def test_raw_goes_before_compressed_and_depth_is_no_camera():
    topics = {
        "/camera/front/image": TopicInfo(RAW, 3),
        "/camera/front/image/compressed": TopicInfo(COMPRESSED, 3),
        "/camera/depth/image": TopicInfo(RAW, 3),
        "/camera/rear/image/compressed": TopicInfo(COMPRESSED, 3),
        "/camera/empty/image": TopicInfo(RAW, 0),
        "/odometry": TopicInfo("nav_msgs/msg/Odometry", 3),
    }
    assert find_cameras(topics) == (
        CameraTopic(1, "front", "/camera/front/image"),
        CameraTopic(10, "rear", "/camera/rear/image/compressed"),
    )


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("/camera/front/image", "front"),
        ("/sensing/camera/camera0/image_rect_color/compressed", "camera0"),
        ("/image_raw", "camera"),
        ("/zed/left/image_raw", "left"),
    ],
)
def test_names_from_topics(topic, name):
    assert camera_name(topic) == name


def test_info_topic_lies_beside_the_image():
    assert info_topic_of("/camera/front/image/compressed") == "/camera/front/camera_info"
    assert info_topic_of("/image_raw") == "/camera_info"


def test_cameras_from_text():
    assert parse_camera("left:3=/a/b") == CameraTopic(3, "left", "/a/b")
    assert parse_camera("front_tele=/a/b") == CameraTopic(6, "front_tele", "/a/b")
    for bad in ("left=/a", "left:x=/a", "/a/b", "left:1"):
        with pytest.raises(ValueError, match=r"name:id=topic"):
            parse_camera(bad)


def test_cameras_of_a_rig_are_those_used():
    assert rig_cameras(CameraRig.load("autoware_sample_vehicle")) == (
        CameraTopic(0, "front_left", "/sensing/camera/camera0/image_rect_color"),
        CameraTopic(1, "front", "/sensing/camera/camera4/image_rect_color"),
        CameraTopic(2, "front_right", "/sensing/camera/camera2/image_rect_color"),
    )


def test_compressed_stands_in_where_a_bag_has_it_alone():
    camera = CameraTopic(1, "front", "/front/image")
    compressed = CameraTopic(1, "front", "/front/image/compressed")
    both = {"/front/image": TopicInfo(RAW, 3), "/front/image/compressed": TopicInfo(COMPRESSED, 3)}
    assert as_recorded(camera, both) == camera
    assert as_recorded(camera, {"/front/image/compressed": TopicInfo(COMPRESSED, 3)}) == compressed
    assert as_recorded(camera, {}) == camera
