"""What the writer writes the reader and rosbags read; an output path is never left half written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.interfaces import ConnectionExtRosbag2, QosDurability
from rosbags.rosbag2 import Reader

from reasoning_vla_ros.bags import BagError, BagExistsError, BagReader, BagTopicsError, BagWriter, TopicInfo
from reasoning_vla_ros.bags import types as t

START_NS = 1_600_000_000 * 10**9
STEP_NS = 20_000_000
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("bag.mcap", {}),
    ("packed.mcap", {"compress": True}),
    ("bag.db3", {}),
    ("mcap_folder", {}),
    ("sqlite_folder", {"storage": "sqlite3"}),
    ("name.with.dots", {"storage": "mcap"}),
]
WriteBag = Callable[..., Path]


def plan_message() -> Any:
    stamp = t.Time(sec=5, nanosec=250)
    header = t.Header(stamp=stamp, frame_id="odom")
    pose = t.Pose(position=t.Point(x=1.5, y=-2.0, z=0.25), orientation=t.Quaternion(x=0.0, y=0.0, z=0.6, w=0.8))
    point = t.PlanPoint(
        time_from_start=t.Duration(sec=0, nanosec=100_000_000),
        pose=pose,
        longitudinal_velocity_mps=3.5,
        acceleration_mps2=-0.5,
        heading_rate_rps=0.125,
        curvature=-0.0625,
    )
    trajectories = [
        t.PlannedTrajectory(header=header, score=-0.75, valid=True, invalid_reason="", points=[point, point]),
        t.PlannedTrajectory(header=header, score=-1.5, valid=False, invalid_reason="speed 99 m/s", points=[]),
    ]
    trace = t.ReasoningTrace(
        header=header, text="Keep lane - clear.", meta_action="follow", num_tokens=7, complete=True
    )
    return t.Plan(
        header=header,
        candidates=trajectories,
        selected=0,
        trace=trace,
        camera_names=["front", "left"],
        camera_stamps=[stamp, stamp],
        publish_stamp=t.Time(sec=6, nanosec=0),
        encode_duration_s=0.1,
        prefill_duration_s=0.2,
        reason_duration_s=0.3,
        act_duration_s=0.4,
        total_duration_s=1.0,
        num_prompt_tokens=100,
        num_reasoning_tokens=7,
        num_trajectory_tokens=128,
        seed=2**64 - 1,
        status=t.Plan.STATUS_REDUCED,
        status_reason="fewer reasoning tokens",
    )


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_round_trip(name: str, options: dict[str, Any], tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / name, **options)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.is_file() == (path.suffix in (".mcap", ".db3"))
    with BagReader(path) as reader:
        assert reader.topics == {
            "/image": TopicInfo("sensor_msgs/msg/Image", 20),
            "/text": TopicInfo("std_msgs/msg/String", 60),
        }
        assert (reader.message_count, reader.damage) == (80, None)
        assert (reader.start_ns, reader.end_ns) == (START_NS, START_NS + 59 * STEP_NS)
        texts = [(time_ns, msg.data[:6]) for topic, time_ns, msg in reader.messages() if topic == "/text"]
        assert texts == [(START_NS + index * STEP_NS, f"{index:06d}") for index in range(60)]
        images = [msg for _, _, msg in reader.messages(["/image"])]
        expected = np.random.default_rng(57).integers(0, 256, 60, dtype=np.uint8)
        np.testing.assert_array_equal(images[-1].data, expected)


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_own_messages_survive(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_message()
    with BagWriter(tmp_path / name, **options) as writer:
        writer.write("/plan", plan, 7)
    with BagReader(tmp_path / name) as reader:
        ((topic, time_ns, read),) = reader.messages()
    assert (topic, time_ns, read) == ("/plan", 7, plan)


def test_a_range_of_time_includes_both_ends(tmp_path: Path, write_bag: WriteBag) -> None:
    with BagReader(write_bag(tmp_path / "bag.mcap")) as reader:
        first_ns, last_ns = START_NS + 10 * STEP_NS, START_NS + 20 * STEP_NS
        times = [time_ns for _, time_ns, _ in reader.messages(["/text"], start_ns=first_ns, end_ns=last_ns)]
        assert (len(times), times[0], times[-1]) == (11, first_ns, last_ns)
        assert len(list(reader.messages("/text", end_ns=reader.end_ns))) == 60


def test_messages_come_in_order_of_time(tmp_path: Path) -> None:
    for name in ("bag.mcap", "bag.db3"):
        with BagWriter(tmp_path / name) as writer:
            for time_ns in (30, 10, 20):
                writer.write("/text", t.String(data=str(time_ns)), time_ns)
        with BagReader(tmp_path / name) as reader:
            assert [time_ns for _, time_ns, _ in reader.messages()] == [10, 20, 30]


def test_the_metadata_lets_ros_read_the_bag(tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / "bag")
    text = (path / "metadata.yaml").read_text()
    assert "storage_identifier: mcap" in text
    assert "version: 9" in text
    assert sorted(entry.name for entry in path.iterdir()) == ["bag.mcap", "metadata.yaml"]
    with Reader(path) as reader:
        assert {connection.topic: connection.msgcount for connection in reader.connections} == {
            "/text": 60,
            "/image": 20,
        }
        digests = {connection.topic: connection.digest for connection in reader.connections}
    assert digests["/text"] == t.TYPESTORE.hash_rihs01("std_msgs/msg/String")


def test_static_transforms_are_latched(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/tf_static", t.TFMessage(transforms=[]), 1)
        writer.write("/tf", t.TFMessage(transforms=[]), 1)
    durability = {}
    with Reader(tmp_path / "bag") as reader:
        for connection in reader.connections:
            assert isinstance(connection.ext, ConnectionExtRosbag2)
            durability[connection.topic] = connection.ext.offered_qos_profiles[0].durability
    assert durability == {"/tf_static": QosDurability.TRANSIENT_LOCAL, "/tf": QosDurability.VOLATILE}


def write_and_stop(path: Path, **options: Any) -> None:
    with BagWriter(path, **options) as writer:
        writer.write("/text", t.String(data="x"), 1)
        raise RuntimeError("stop")


@pytest.mark.parametrize("name", ["bag", "bag.mcap", "bag.db3"])
def test_an_exception_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        write_and_stop(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["bag", "bag.mcap", "bag.db3"])
def test_an_exception_leaves_the_old_bag(name: str, tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / name)
    with pytest.raises(RuntimeError, match="stop"):
        write_and_stop(path, overwrite=True)
    with BagReader(path) as reader:
        assert reader.message_count == 80


@pytest.mark.parametrize("name", ["bag", "bag.mcap", "bag.db3"])
def test_overwriting_must_be_asked_for(name: str, tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / name)
    with pytest.raises(BagExistsError, match=f"{name} exists already"):
        BagWriter(path)
    write_bag(path, count=3, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    with BagReader(path) as reader:
        assert reader.message_count == 4


def test_only_a_bag_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.png").write_bytes(b"png")
    with pytest.raises(BagExistsError, match="photos exists and is not a bag"):
        BagWriter(folder, overwrite=True)
    assert (folder / "one.png").read_bytes() == b"png"


@pytest.mark.parametrize(
    ("name", "options", "needed"),
    [
        ("bag", {"storage": "csv"}, "unknown bag storage 'csv', needed one of mcap, sqlite3"),
        ("bag.mcap", {"storage": "sqlite3"}, "names a mcap file, but storage 'sqlite3' was asked for"),
        ("bag.db3", {"compress": True}, "only mcap bags are written compressed, got storage 'sqlite3'"),
    ],
)
def test_contradictory_options_are_refused(name: str, options: dict[str, Any], needed: str, tmp_path: Path) -> None:
    with pytest.raises(BagError, match=needed):
        BagWriter(tmp_path / name, **options)


@pytest.mark.parametrize(
    ("topic", "msg", "stamp_ns", "needed"),
    [
        ("/text", "hello", 1, "needed a message of reasoning_vla_ros.bags.types, got str"),
        ("/text", t.String(data="x"), -1, "must not be negative, got -1 ns"),
        ("/text", t.Point(x=0.0, y=0.0, z=0.0), 1, "/text holds std_msgs/msg/String, got geometry_msgs/msg/Point"),
        ("/time", t.Time(sec=2**31, nanosec=0), 1, "a field of builtin_interfaces/msg/Time does not fit its type"),
        ("/text", t.String(data=3), 1, "a field of std_msgs/msg/String does not fit its type"),
    ],
)
def test_messages_that_do_not_fit_are_refused(topic: str, msg: Any, stamp_ns: int, needed: str, tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag.mcap") as writer:
        writer.write("/text", t.String(data="first"), 0)
        with pytest.raises(BagError, match=needed):
            writer.write(topic, msg, stamp_ns)


def test_reader_and_writer_must_be_open(tmp_path: Path, write_bag: WriteBag) -> None:
    reader = BagReader(write_bag(tmp_path / "bag.mcap"))
    with pytest.raises(BagError, match="is not open"):
        reader.messages()
    with pytest.raises(BagError, match="is not open"):
        BagWriter(tmp_path / "other.mcap").write("/text", t.String(data="x"), 1)


def test_required_topics(tmp_path: Path, write_bag: WriteBag) -> None:
    with BagReader(write_bag(tmp_path / "bag.mcap")) as reader:
        reader.require_topics({"/text": "std_msgs/msg/String"})
        reader.require_topics({"/image": ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")})
        with pytest.raises(BagTopicsError) as error:
            reader.require_topics({"/odometry": "nav_msgs/msg/Odometry", "/text": "sensor_msgs/msg/Image"})
        message = str(error.value)
        assert "/odometry [nav_msgs/msg/Odometry] is missing" in message
        assert "/text needs sensor_msgs/msg/Image, has std_msgs/msg/String" in message
        assert "It has: /image [sensor_msgs/msg/Image] x20, /text [std_msgs/msg/String] x60" in message
        with pytest.raises(BagTopicsError, match=r"/nope is missing\. It has: /image"):
            reader.messages(["/nope", "/text"])
