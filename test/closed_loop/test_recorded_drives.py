"""Bags of the expert's drives, as training and evaluation read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.closed_loop.recorded_drives import REASONING_TOPIC, RecordedDrive, record_drives
from reasoning_vla_ros.evaluation.recording import Recording
from reasoning_vla_ros.simulation.drive_samples import EPISODE_NS
from reasoning_vla_ros.simulation.reason_checker import claims_in
from reasoning_vla_ros.simulation.rendered_drive import DEFAULT_START_NS
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.training.bag_samples import BagSamples
from reasoning_vla_ros.training.texts import Texts, read_text_topic

TIMES_S = np.arange(1, 65) * 0.1
VIEW = SceneView(PinholeCamera(32, 16, 100.0))


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> list[RecordedDrive]:
    folder = tmp_path_factory.mktemp("drives")
    return record_drives(folder, 2, seed=3, scenarios=("curves", "intersection"), duration_s=9.0, view=VIEW)


def test_a_recording_is_read_back_with_its_texts(drives: list[RecordedDrive]) -> None:
    assert [(drive.path.name, drive.seed) for drive in drives] == [
        ("curves_0000.mcap", 3_000_000), ("intersection_0001.mcap", 3_000_001),
    ]  # fmt: skip
    for drive in drives:
        texts = Texts(read_text_topic(drive.path, REASONING_TOPIC), tolerance_s=0.05)
        assert len(texts) == 90
        recording = Recording(drive.path, observation_options={"num_frames": 2, "frame_dt_s": 0.8})
        samples = BagSamples(recording, TIMES_S, texts=texts)
        assert 8 <= len(samples) <= 12
        for index in (0, len(samples) - 1):
            sample = samples[index]
            assert sample.reasoning is not None
            assert claims_in(sample.reasoning).causes
            assert "km/h" in sample.observation.instruction
            assert sample.meta_action.startswith("longitudinal: ")
            assert sample.observation.cameras[0].images.shape == (2, 16, 32, 3)
            assert sample.observation.cameras[0].images.max() > 0
            step = round((sample.observation.t0_ns - DEFAULT_START_NS) % EPISODE_NS * 1e-8)
            driven_xyz, _ = drive.result.future(step, 64)
            assert np.abs(sample.future_xyz - driven_xyz).max() < 0.01


def test_topics_are_those_of_other_recordings(drives: list[RecordedDrive]) -> None:
    with BagReader(drives[1].path) as reader:
        counts = {name: (topic.msg_type, topic.count) for name, topic in reader.topics.items()}
        told = [message.data for _, _, message in reader.messages(["/instruction"])]
    assert counts["/camera/front/image"] == ("sensor_msgs/msg/Image", 90)
    assert counts["/camera/front/camera_info"] == ("sensor_msgs/msg/CameraInfo", 90)
    assert counts["/odometry"] == ("nav_msgs/msg/Odometry", 90)
    assert counts["/tf_static"] == ("tf2_msgs/msg/TFMessage", 1)
    assert counts["/reasoning"] == ("reasoning_vla_ros/msg/ReasoningTrace", 90)
    assert counts["/instruction"][0] == "std_msgs/msg/String"
    assert "km/h" in told[0]


def test_the_same_arguments_give_the_same_drive(drives: list[RecordedDrive], tmp_path: Path) -> None:
    again = record_drives(tmp_path, 1, seed=3, scenarios=("curves",), duration_s=3.0, view=VIEW)[0]
    assert np.array_equal(again.result.poses_in_map, drives[0].result.poses_in_map[:31])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_drives": 0}, "at least 1, got 0"),
        ({"num_drives": 1, "seed": 5_000}, r"in \[0, 5000\), got 5000"),
        ({"num_drives": 1, "scenarios": ("moon",)}, "no scenario 'moon'"),
    ],
)
def test_what_is_refused(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        record_drives(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
