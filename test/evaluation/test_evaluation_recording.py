import dataclasses

import numpy as np
import pytest

from reasoning_vla_ros.bags import BagEmptyError, BagNotFoundError, BagReader, BagWriter
from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.evaluation.cameras import CameraTopic
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.recording import Recording


def without(dropped):
    return lambda topic, message, time_ns: [] if topic == dropped else [(topic, message, time_ns)]


def test_moments_are_lazy_and_strided(drive):
    recording = Recording(drive)
    assert recording.count_moments(stride=5) == 9
    all_t0 = [moment.t0_ns for moment in recording.moments()]
    assert len(all_t0) == 26  # 41 frames, less 15 whose history is not whole yet
    assert recording.skipped == {"stale_frame": 2, "history_span": 13}
    assert [moment.t0_ns for moment in Recording(drive).moments(stride=5)] == all_t0[0::5]
    assert [moment.t0_ns for moment in Recording(drive).moments(max_plans=3)] == all_t0[:3]
    moment = next(Recording(drive).moments(instruction="Turn left"))
    assert moment.observation.cameras[0].images.shape == (4, 90, 160, 3)
    assert moment.observation.instruction == "Turn left"
    np.testing.assert_allclose(moment.pose_in_odom[0], recording.truth.pose_in_odom(moment.t0_ns)[0], atol=1e-9)


def test_the_calibration_is_found(drive):
    recording = Recording(drive)
    assert recording.calibrations["front"].forwardness == pytest.approx(1)
    assert recording.front_camera().topic == "/camera/front/image"


def test_without_static_transforms_there_is_a_note_and_no_calibration(drive, tmp_path, bag_rewriter):
    recording = Recording(bag_rewriter(drive, tmp_path / "no_tf.mcap", without("/tf_static")))
    assert recording.calibrations == {}
    assert "not drawn" in recording.notes[0]
    assert "no static transforms" in recording.notes[0]


def test_missing_topics_are_named_with_what_there_is(drive, tmp_path, bag_rewriter):
    with pytest.raises(EvaluationError, match=r"has no odometry, needed .*It has: /camera/front/camera_info"):
        Recording(bag_rewriter(drive, tmp_path / "a.mcap", without("/odometry")))
    blind = bag_rewriter(drive, tmp_path / "b.mcap", without("/camera/front/image"))
    with pytest.raises(EvaluationError, match=r"has no camera images, needed .*/odometry \[nav_msgs"):
        Recording(blind)
    assert Recording(blind, need_cameras=False).cameras == ()
    with pytest.raises(EvaluationError, match=r"topic /odometry of camera 'x' holds nav_msgs"):
        Recording(drive, cameras=[CameraTopic(0, "x", "/odometry")])


def test_several_odometry_topics_must_be_told_apart(drive, tmp_path, bag_rewriter):
    def double(topic, message, time_ns):
        copies = [(topic, message, time_ns)]
        return [*copies, ("/gnss/odometry", message, time_ns)] if topic == "/odometry" else copies

    bag = bag_rewriter(drive, tmp_path / "two.mcap", double)
    with pytest.raises(EvaluationError, match=r"2 odometry topics, name the one to use: /gnss/odometry, /odometry"):
        Recording(bag)
    assert Recording(bag, odometry_topic="/odometry").odometry_topic == "/odometry"
    with pytest.raises(EvaluationError, match="no nav_msgs/msg/Odometry messages on /wheel"):
        Recording(bag, odometry_topic="/wheel")


def test_instructions_are_those_that_were_told(drive, tmp_path, bag_rewriter):
    first_ns = next(Recording(drive).moments()).t0_ns

    def telling(*topics):
        """Tells where to go from 1.05 s after the first plan on."""
        told = set()

        def rewrite(topic, message, time_ns):
            new = [] if time_ns < first_ns + 1_050_000_000 else [each for each in topics if each not in told]
            told.update(new)
            return [*((each, t.String(data=" Turn left. "), time_ns) for each in new), (topic, message, time_ns)]

        return rewrite

    recording = Recording(bag_rewriter(drive, tmp_path / "told.mcap", telling("/planner/instruction")))
    assert recording.instruction_topic == "/planner/instruction"
    heard = [((moment.t0_ns - first_ns) * 1e-9, moment.observation.instruction) for moment in recording.moments()]
    assert {text for time_s, text in heard if time_s < 1.0} == {""}
    assert {text for time_s, text in heard if time_s > 1.1} == {"Turn left."}
    assert {moment.observation.instruction for moment in recording.moments(instruction="Stop.")} == {"Stop."}
    several = Recording(bag_rewriter(drive, tmp_path / "several.mcap", telling("/a/instruction", "/instruction")))
    assert several.instruction_topic is None
    assert any("2 topics of them, /a/instruction, /instruction" in note for note in several.notes)
    assert Recording(drive).instruction_topic is None


def test_reading_stops_where_time_jumps_back(drive, tmp_path):
    with BagReader(drive) as reader, BagWriter(tmp_path / "twice.mcap") as writer:
        messages = list(reader.messages())
        for topic, time_ns, message in messages:
            writer.write(topic, message, time_ns)
        for topic, time_ns, message in messages:  # the same stamps again, later in the log
            writer.write(topic, message, time_ns + 60 * 10**9)
    recording = Recording(tmp_path / "twice.mcap")
    assert len(list(recording.moments())) == 26
    assert recording.truth.span_s == pytest.approx(39.95)
    assert any("jump" in note for note in recording.notes)


def test_poses_that_are_none_are_counted(drive, tmp_path, bag_rewriter):
    def spoil(topic, message, time_ns):
        if topic == "/odometry" and (time_ns // 50_000_000) % 20 == 0:
            pose = dataclasses.replace(message.pose.pose.position, x=float("nan"))
            inner = dataclasses.replace(message.pose.pose, position=pose)
            message = dataclasses.replace(message, pose=dataclasses.replace(message.pose, pose=inner))
        return [(topic, message, time_ns)]

    recording = Recording(bag_rewriter(drive, tmp_path / "nan.mcap", spoil))
    assert recording.skipped["bad_odometry"] == 40
    assert len(list(recording.moments())) > 20  # a lost pose is interpolated over


def test_bags_that_cannot_be_read(tmp_path):
    with pytest.raises(BagNotFoundError):
        Recording(tmp_path / "none.mcap")
    (tmp_path / "empty.mcap").touch()
    with pytest.raises(BagEmptyError):
        Recording(tmp_path / "empty.mcap")


def test_a_truncated_bag_gives_what_is_readable_and_a_note(drive, tmp_path):
    data = drive.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) // 2])
    recording = Recording(tmp_path / "cut.mcap")
    assert 0 < recording.truth.span_s < 39
    assert any("damaged" in note for note in recording.notes)


def test_two_cameras_need_two_topics(drive):
    same = [CameraTopic(1, "a", "/camera/front/image"), CameraTopic(2, "b", "/camera/front/image")]
    with pytest.raises(
        EvaluationError, match=r"cameras 'a' \(id 1\) and 'b' \(id 2\) have the same topic /camera/front"
    ):
        Recording(drive, cameras=same)


def test_reading_stops_where_the_odometry_changes_its_frame(drive, tmp_path, bag_rewriter):
    begin_ns = int(Recording(drive).truth.stamps_ns[0])

    def rename(topic, message, time_ns):
        if topic == "/odometry" and time_ns >= begin_ns + 3_000_000_000:
            message = dataclasses.replace(message, header=dataclasses.replace(message.header, frame_id="map"))
        return [(topic, message, time_ns)]

    recording = Recording(bag_rewriter(drive, tmp_path / "map.mcap", rename))
    assert recording.odom_frame == "odom"
    assert recording.truth.span_s == pytest.approx(2.95)
    assert recording.notes[0].startswith("the odometry's frames change from 'odom' -> 'base_link' to 'map' -> ")
    t0_ns = [moment.t0_ns for moment in recording.moments()]
    assert t0_ns[-1] == begin_ns + 2_900_000_000


def test_pictures_without_calibration_show_the_front(drive, tmp_path, bag_rewriter):
    def double(topic, message, time_ns):
        copy = [("/camera/cross_left/image", message, time_ns)] if topic == "/camera/front/image" else []
        return [] if topic == "/tf_static" else [(topic, message, time_ns), *copy]

    recording = Recording(bag_rewriter(drive, tmp_path / "two.mcap", double))
    assert [camera.name for camera in recording.cameras] == ["cross_left", "front"]
    assert recording.calibrations == {}
    assert recording.front_camera().name == "front"
