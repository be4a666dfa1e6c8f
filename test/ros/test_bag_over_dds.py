"""Bags played over DDS, recorded again, and sent through a node of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from reasoning_vla_ros.bags import BagReader, BagTopicsError, BagWriter, types
from reasoning_vla_ros.messages.images import rgb_to_image_fields

pytest.importorskip("reasoning_vla_ros.msg", reason="ROS 2 or the built package is absent")

REPO = Path(__file__).resolve().parents[2]
T0_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000


def header(stamp_ns: int, frame_id: str) -> object:
    return types.Header(stamp=types.Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id=frame_id)


def odometry(stamp_ns: int) -> object:
    x = 8.0 * (stamp_ns - T0_NS) * 1e-9
    pose = types.Pose(position=types.Point(x=x, y=0.0, z=0.0), orientation=types.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0))
    zero = types.Vector3(x=0.0, y=0.0, z=0.0)
    return types.Odometry(
        header=header(stamp_ns, "odom"),
        child_frame_id="base_link",
        pose=types.PoseWithCovariance(pose=pose, covariance=np.zeros(36)),
        twist=types.TwistWithCovariance(twist=types.Twist(linear=zero, angular=zero), covariance=np.zeros(36)),
    )


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s of images and odometry at 10 Hz, and a transform, whose package is absent from PyPI."""
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    pixels = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8)
    with BagWriter(path) as writer:
        writer.write("/tf", types.TFMessage(transforms=[]), T0_NS)
        for step in range(20):
            stamp_ns = T0_NS + step * STEP_NS
            writer.write("/odometry", odometry(stamp_ns), stamp_ns)
            image = types.Image(header=header(stamp_ns, "camera"), **rgb_to_image_fields(pixels[step]))
            writer.write("/camera/front/image", image, stamp_ns)
    return path


@pytest.fixture
def listener(ros_context):
    """A node and its executor."""
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    node = Node("listener")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()


def spin_until(executor, condition, timeout_s: float = 20.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "nothing came"
        executor.spin_once(timeout_sec=0.05)


def test_bag_survives_playing_and_recording(drive: Path, listener, tmp_path: Path) -> None:
    from reasoning_vla_ros.ros.bag_publisher import BagPublisher
    from reasoning_vla_ros.ros.recorder import Recorder

    node, executor = listener
    topics = ("/odometry", "/camera/front/image")
    with BagReader(drive) as reader, BagWriter(tmp_path / "again.mcap") as writer:
        publisher = BagPublisher(node, reader, topics)
        now_ns = T0_NS
        recorder = Recorder(node, writer, {topic: reader.topics[topic].msg_type for topic in topics}, lambda: now_ns)
        spin_until(executor, lambda: all(publisher.subscriptions(topic) for topic in topics))
        for raw in publisher.messages():
            now_ns = raw.time_ns
            publisher.publish(raw)
            count = recorder.counts[raw.topic]
            spin_until(executor, lambda raw=raw, count=count: recorder.counts[raw.topic] > count)
    with BagReader(drive) as before, BagReader(tmp_path / "again.mcap") as after:
        assert list(map(repr, after.raw_messages(topics))) == list(map(repr, before.raw_messages(topics)))
        assert after.topics["/odometry"].count == 20


def test_unknown_topic_is_named(drive: Path, listener) -> None:
    from reasoning_vla_ros.ros.bag_publisher import BagPublisher

    with BagReader(drive) as reader, pytest.raises(BagTopicsError, match="has no /lidar; it has /camera/front/image"):
        BagPublisher(listener[0], reader, ["/lidar"])


def test_player_process(drive: Path, listener) -> None:
    """It waits for a subscription, keeps /clock, and ends with the bag; what it cannot play it names."""
    from nav_msgs.msg import Odometry
    from rosgraph_msgs.msg import Clock

    node, executor = listener
    poses: list[Odometry] = []
    clocks: list[Clock] = []
    node.create_subscription(Clock, "/clock", clocks.append, 100)
    command = [sys.executable, "-m", "reasoning_vla_ros.ros.bag_player", str(drive), "--clock", "--start-paused"]
    command += ["--rate", "4", "--ros-args", "-r", "/odometry:=/ego"]
    with subprocess.Popen(command, cwd=REPO, env=os.environ, stderr=subprocess.PIPE, text=True) as player:
        node.create_subscription(Odometry, "/ego", poses.append, 100)
        spin_until(executor, lambda: player.poll() is not None)
        log = player.stderr.read()
    assert player.returncode == 0, log
    spin_until(executor, lambda: len(poses) >= 20)
    assert [pose.pose.pose.position.x for pose in poses] == pytest.approx([0.8 * step for step in range(20)])
    stamps_ns = [clock.clock.sec * 10**9 + clock.clock.nanosec for clock in clocks]
    assert stamps_ns == sorted(stamps_ns)
    assert stamps_ns[-1] == T0_NS + 19 * STEP_NS
    assert len(stamps_ns) > 40  # it goes on between messages
    assert "/tf is not played: tf2_msgs/msg/TFMessage" in log or "tf2_msgs" in sys.modules


IMAGES, TELE = "/camera/front/image", "/camera/tele/image"
PLAYED = {
    "/odometry": "nav_msgs/msg/Odometry",
    IMAGES: "sensor_msgs/msg/Image",
    TELE: "sensor_msgs/msg/CompressedImage",
    "/text": "std_msgs/msg/String",
}


@pytest.mark.parametrize(
    ("wait_for", "subscribers", "missing"),
    [
        ("", {}, list(PLAYED)),
        ("", {"/text": {"/rviz"}}, []),
        ("planner_node", {"/odometry": {"/rviz"}, IMAGES: {"/rviz"}}, [IMAGES, TELE, "/odometry"]),
        ("planner_node", {"/odometry": {"/planner_node"}, "/text": {"/planner_node"}}, [IMAGES, TELE]),
        ("planner_node", {TELE: {"/planner_node"}}, ["/odometry"]),
        ("planner_node", {"/odometry": {"/rviz", "/car/planner_node"}, TELE: {"/car/planner_node"}}, []),
        ("/planner_node", {"/odometry": {"/car/planner_node"}, TELE: {"/planner_node"}}, ["/odometry"]),
        ("/car/planner_node", {"/odometry": {"/car/planner_node"}, TELE: {"/car/planner_node"}}, []),
    ],
)
def test_what_playing_waits_for(wait_for: str, subscribers: dict[str, set[str]], missing: list[str]) -> None:
    from reasoning_vla_ros.ros.bag_player import missing_topics

    assert missing_topics(PLAYED, lambda topic: subscribers.get(topic, set()), wait_for) == missing


def test_node_without_images_and_odometry_to_subscribe_to() -> None:
    from reasoning_vla_ros.ros.bag_player import missing_topics

    played = {"/text": "std_msgs/msg/String"}
    assert missing_topics(played, lambda topic: {"/rviz"}, "planner_node") == ["/text"]
    assert missing_topics(played, lambda topic: {"/planner_node"}, "planner_node") == []


def test_player_waits_for_its_node_and_gives_up(drive: Path, listener) -> None:
    """A subscription of another node does not begin it."""
    from nav_msgs.msg import Odometry
    from sensor_msgs.msg import Image

    node, executor = listener
    poses: list[Odometry] = []
    node.create_subscription(Odometry, "/ego", poses.append, 100)
    command = [sys.executable, "-m", "reasoning_vla_ros.ros.bag_player", str(drive), "--start-paused", "--rate", "4"]
    remap = ["--ros-args", "-r", "/odometry:=/ego"]

    def play(*options: str) -> subprocess.CompletedProcess[str]:
        with subprocess.Popen([*command, *options, *remap], cwd=REPO, stderr=subprocess.PIPE, text=True) as player:
            spin_until(executor, lambda: player.poll() is not None)
            return subprocess.CompletedProcess(command, player.returncode, stderr=player.stderr.read())

    absent = play("--wait-for", "planner_node", "--wait-s", "1.5")
    assert absent.returncode == 1, absent.stderr
    assert "planner_node subscribed to none of" in absent.stderr
    assert "within 1.5 s" in absent.stderr
    half = play("--wait-for", "listener", "--wait-s", "5")  # discovery takes up to 3 s at times
    assert half.returncode == 1, half.stderr
    assert "listener subscribed to none of /camera/front/image within 5 s" in half.stderr
    assert poses == []
    node.create_subscription(Image, "/camera/front/image", lambda image: None, 100)
    assert play("--wait-for", "listener", "--settle", "0.5").returncode == 0
    spin_until(executor, lambda: len(poses) >= 20)


@pytest.mark.parametrize("option", ["--settle", "--wait-s"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_player_refuses_times_that_are_none(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    from reasoning_vla_ros.ros.bag_player import main

    with pytest.raises(SystemExit, match="2"):
        main(["drive.mcap", f"{option}={value}"])
    assert f"{option}: must be finite and at least 0, got {value}" in capsys.readouterr().err


def test_demo_plans_at_each_frame_once_there_is_history(drive: Path, small_model_dir: Path, tmp_path: Path) -> None:
    from rich.console import Console

    from reasoning_vla_ros.ros.demo import run_demo

    result = run_demo(
        drive,
        str(small_model_dir),
        tmp_path / "demo",
        {"front:1": "/camera/front/image"},
        parameters={"max_reasoning_tokens": 2, "seed": 3},
        console=Console(quiet=True),
    )
    assert result.num_frames == 20
    with BagReader(result.plans_path) as reader:
        plans = [message for _, _, message in reader.messages(["/planner_node/output/plan"])]
    stamps_ns = [plan.header.stamp.sec * 10**9 + plan.header.stamp.nanosec for plan in plans]
    assert stamps_ns == [T0_NS + step * STEP_NS for step in range(15, 20)]
    assert result.num_plans == 5
    assert result.num_valid == sum(plan.selected >= 0 for plan in plans)
    assert plans[0].header.frame_id == "odom"


def test_demo_says_why_the_model_cannot_be_loaded(drive: Path, tmp_path: Path, ros_domain_id: int) -> None:
    from rich.console import Console

    from reasoning_vla_ros.ros.demo import DemoError, run_demo

    with pytest.raises(DemoError, match=r"not configured: FileNotFoundError.*config\.json"):
        run_demo(
            drive, str(tmp_path), tmp_path / "demo", {"front:1": "/camera/front/image"}, console=Console(quiet=True)
        )
