"""Samples from recordings."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from reasoning_vla_ros.bags import BagReader, BagWriter
from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.evaluation.recording import Recording
from reasoning_vla_ros.messages.stamps import ns_to_stamp
from reasoning_vla_ros.training import TrainingError
from reasoning_vla_ros.training.bag_samples import BagSamples, split_by_time
from reasoning_vla_ros.training.texts import StampedText, Texts, read_text_file, read_text_topic

TIMES_S = np.arange(1, 65) * 0.1


def test_samples_are_what_the_planner_sees_and_what_was_driven(drive_bag: Path) -> None:
    recording = Recording(drive_bag)
    found = BagSamples(recording, TIMES_S, stride=7, instruction="Straight on")
    moments = {moment.t0_ns: moment.observation for moment in Recording(drive_bag).moments(instruction="Straight on")}
    assert len(found) >= 5
    assert sorted(found.t0_ns) == list(found.t0_ns)
    for index in range(len(found)):
        sample = found[index]
        seen = moments[sample.observation.t0_ns]
        assert sample.observation.t0_ns == found.t0_ns[index]
        assert sample.observation.instruction == "Straight on"
        assert np.array_equal(sample.observation.history_xyz, seen.history_xyz)
        assert np.array_equal(sample.observation.history_rot, seen.history_rot)
        for mine, theirs in zip(sample.observation.cameras, seen.cameras, strict=True):
            assert (mine.camera_id, mine.name, mine.stamps_ns) == (theirs.camera_id, theirs.name, theirs.stamps_ns)
            assert np.array_equal(mine.images, theirs.images)
        driven = recording.truth.future(sample.observation.t0_ns, TIMES_S)
        assert np.allclose(sample.future_xyz, driven.xyz, atol=1e-4)
        assert np.allclose(sample.future_rot, driven.rot, atol=1e-5)
    assert "future_not_driven" in found.notes[0]


def test_images_are_found_by_their_stamp_whenever_they_were_recorded(drive_bag: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mcap"
    with BagReader(drive_bag) as reader, BagWriter(late) as writer:
        for topic, time_ns, message in reader.messages():
            writer.write(topic, message, time_ns + 3_000_000_000)
    one, other = (BagSamples(Recording(bag), TIMES_S, stride=20) for bag in (drive_bag, late))
    assert np.array_equal(one.t0_ns, other.t0_ns)
    assert np.array_equal(one[1].observation.cameras[0].images, other[1].observation.cameras[0].images)


def test_samples_hold_no_images_until_they_are_asked_for(drive_bag: Path) -> None:
    """So a recording of hours fits into memory, and into the processes that read."""
    found = BagSamples(Recording(drive_bag), TIMES_S, stride=5)
    again = pickle.loads(pickle.dumps(found))
    assert len(pickle.dumps(found)) < 200_000 < found[0].observation.cameras[0].images.nbytes * len(found)
    assert np.array_equal(again[2].observation.cameras[0].images, found[2].observation.cameras[0].images)


def test_a_recording_too_short_for_a_future(drive_bag: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"drive\.mcap gives no training sample: .* x future_not_driven \(first: t0"
    ):
        BagSamples(Recording(drive_bag), np.array([0.1, 60.0]))


def test_texts_come_to_the_nearest_instant(drive_bag: Path) -> None:
    recording = Recording(drive_bag)
    t0_ns = BagSamples(recording, TIMES_S, stride=10).t0_ns
    texts = Texts([StampedText(int(t0_ns[1]) + 30_000_000, "Slow down.", "brake")], tolerance_s=0.05)
    found = BagSamples(Recording(drive_bag), TIMES_S, stride=10, texts=texts, missing_reasoning="Go on.")
    assert [(found[index].reasoning, found[index].meta_action) for index in (0, 1, 2)] == [
        ("Go on.", ""), ("Slow down.", "brake"), ("Go on.", ""),
    ]  # fmt: skip
    assert BagSamples(Recording(drive_bag), TIMES_S, stride=10)[0].reasoning is None


def test_the_nearest_text_within_the_tolerance() -> None:
    texts = Texts([StampedText(2_000, "b"), StampedText(1_000, "a")], tolerance_s=0.6e-6)
    found = [texts.at(t0_ns) for t0_ns in (300, 400, 1_499, 1_500, 1_501, 2_600, 2_601)]
    assert [text and text.reasoning for text in found] == [None, "a", "a", "a", "b", "b", None]
    assert Texts([], 1.0).at(0) is None


def test_texts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(
        '{"t0_ns": 5, "reasoning": "Grün: fahren.", "meta_action": "go"}\n\n{"t0_ns": 6, "reasoning": ""}\n'
    )
    assert read_text_file(path) == [StampedText(5, "Grün: fahren.", "go"), StampedText(6, "", "")]


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"t0_ns": 1}', '{"t0_ns": "1", "reasoning": ""}', '{"t0_ns": 1, "reasoning": null}']
)
def test_a_line_that_is_no_text(tmp_path: Path, line: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"t0_ns": 1, "reasoning": ""}) + "\n" + line + "\n")
    with pytest.raises(TrainingError, match=r"texts\.jsonl, line 2: "):
        read_text_file(path)


def test_texts_of_a_topic(tmp_path: Path) -> None:
    bag = tmp_path / "texts.mcap"
    header = t.Header(stamp=ns_to_stamp(700, t.Time), frame_id="")
    with BagWriter(bag) as writer:
        writer.write("/said", t.String(data="Left."), 1_000)
        trace = t.ReasoningTrace(header=header, text="Right.", meta_action="turn", num_tokens=2, complete=True)
        writer.write("/trace", trace, 2_000)
        writer.write("/header", header, 3_000)
    assert read_text_topic(bag, "/said") == [StampedText(1_000, "Left.")]
    assert read_text_topic(bag, "/trace") == [StampedText(700, "Right.", "turn")]
    with pytest.raises(TrainingError, match=r"/nothing must be a topic of std_msgs/msg/String or .* it is missing"):
        read_text_topic(bag, "/nothing")
    with pytest.raises(TrainingError, match="it holds std_msgs/msg/Header"):
        read_text_topic(bag, "/header")


def test_what_is_held_out_shares_no_time_with_what_is_trained_on() -> None:
    t0_ns = np.arange(100) * 100_000_000
    train, held_out = split_by_time(t0_ns, 0.2, gap_s=3.0)
    assert held_out.tolist() == list(range(80, 100))
    assert train.tolist() == list(range(51))
    everything, nothing = split_by_time(t0_ns, 0.0, gap_s=3.0)
    assert (len(everything), len(nothing)) == (100, 0)


def test_a_recording_too_short_to_hold_something_out() -> None:
    with pytest.raises(TrainingError, match=r"10 instants over 0\.9 s leave nothing .* 20% are held out .* of 8\.0 s"):
        split_by_time(np.arange(10) * 100_000_000, 0.2, gap_s=8.0)
