"""From stamped inputs to observations, and what happens when the inputs are bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.planning import ObservationBuilder, ObservationConfig
from reasoning_vla_ros.planning.errors import (
    CameraSkewError,
    HistoryGapError,
    HistorySpanError,
    NoDataError,
    StaleFrameError,
    TimeJumpError,
)

START_NS = 1_700_000_000_000_000_000
IDENTITY = (0.0, 0.0, 0.0, 1.0)


def at(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def frame(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value % 256, np.uint8)


def builder(cameras: tuple[tuple[int, str], ...] = ((1, "front"),), **fields: float) -> ObservationBuilder:
    return ObservationBuilder(ObservationConfig(cameras=cameras, **fields))


def drive(buffers: ObservationBuilder, until_s: float = 2.0, speed_mps: float = 10.0, yaw: float = 0.0) -> None:
    """Odometry at 50 Hz along a straight line, frames at 10 Hz whose colour is the tenth of a second."""
    quaternion = Rotation.from_euler("z", yaw).as_quat()
    for step in range(round(until_s * 50) + 1):
        way = speed_mps * step / 50
        buffers.add_pose(at(step / 50), [100 + way * np.cos(yaw), way * np.sin(yaw), 0.0], quaternion)
    for name in buffers.frames:
        for step in range(round(until_s * 10) + 1):
            buffers.add_frame(name, at(step / 10), frame(step))


def test_history_and_frames_are_taken_by_time() -> None:
    buffers = builder()
    drive(buffers, yaw=0.7)
    t0_ns = buffers.newest_t0_ns()
    assert t0_ns == at(2.0)
    observation = buffers.build(t0_ns, instruction="Turn left.")
    expected = np.zeros((16, 3))
    expected[:, 0] = np.arange(-15, 1) * 1.0
    assert np.allclose(observation.history_xyz, expected, atol=1e-4)
    assert np.allclose(observation.history_rot, np.eye(3), atol=1e-6)
    assert observation.cameras[0].images[:, 0, 0, 0].tolist() == [17, 18, 19, 20]
    assert observation.cameras[0].stamps_ns == tuple(at(s) for s in (1.7, 1.8, 1.9, 2.0))
    assert observation.instruction == "Turn left."
    xyz, rot = buffers.pose_in_odom(t0_ns)
    assert np.allclose(xyz, [100 + 20 * np.cos(0.7), 20 * np.sin(0.7), 0])
    assert np.allclose(Rotation.from_matrix(rot).as_euler("zyx")[0], 0.7)


@settings(max_examples=30, deadline=None)
@given(
    rate_hz=st.floats(8, 200),
    phase=st.floats(0, 1),
    jitter=st.lists(st.floats(-0.3, 0.3), min_size=400, max_size=400),
)
def test_the_odometry_rate_does_not_matter(rate_hz: float, phase: float, jitter: list[float]) -> None:
    """Uniform motion gives the same history at any rate, phase and jitter of the odometry."""
    buffers = builder()
    for step in range(int(2.3 * rate_hz) + 2):
        seconds = (step + phase + jitter[step % 400]) / rate_hz - 0.2
        yaw = 0.3 * seconds
        buffers.add_pose(at(seconds), [7.0 * seconds, 0, 0], Rotation.from_euler("z", yaw).as_quat())
    for step in range(21):
        buffers.add_frame("front", at(step / 10), frame(0))
    observation = buffers.build(at(2.0))
    yaws = np.arctan2(observation.history_rot[:, 1, 0], observation.history_rot[:, 0, 0])
    assert np.allclose(yaws, 0.03 * np.arange(-15, 1), atol=1e-4)
    assert np.allclose(np.linalg.norm(observation.history_xyz, axis=1), 0.7 * np.arange(15, -1, -1), atol=1e-3)


def test_t0_waits_for_the_odometry() -> None:
    buffers = builder()
    drive(buffers)
    buffers.add_frame("front", at(2.1), frame(21))
    assert buffers.newest_t0_ns() == at(2.0)
    buffers.add_pose(at(2.2), [122.0, 0, 0], IDENTITY)
    assert buffers.newest_t0_ns() == at(2.1)


def test_later_arrivals_do_not_change_what_was_seen_at_t0() -> None:
    buffers = builder(cameras=((0, "left"), (1, "front")))
    drive(buffers)
    before = buffers.build(at(1.8))
    buffers.add_frame("left", at(2.1), frame(99))
    buffers.add_pose(at(2.3), [500.0, 0, 0], IDENTITY)
    after = buffers.build(at(1.8))
    assert np.array_equal(before.history_xyz, after.history_xyz)
    assert all(np.array_equal(a.images, b.images) for a, b in zip(before.cameras, after.cameras, strict=True))


def test_nothing_yet() -> None:
    buffers = builder(cameras=((0, "left"), (1, "front")))
    assert buffers.newest_t0_ns() is None
    with pytest.raises(NoDataError, match="camera 'left' has delivered no frame"):
        buffers.build(at(0))
    buffers.add_frame("left", at(0), frame(0))
    assert buffers.newest_t0_ns() is None
    with pytest.raises(NoDataError, match="no odometry has arrived"):
        buffers.pose_in_odom(at(0))


def test_too_short_a_history_names_both_spans() -> None:
    buffers = builder()
    drive(buffers, until_s=1.0)
    with pytest.raises(HistorySpanError, match=r"covers .*\(1\.000 s\), the ego history needs .*\(1\.500 s\)"):
        buffers.build(at(1.0))


def test_an_odometry_gap_is_named() -> None:
    buffers = builder(max_odometry_gap_s=0.25)
    for seconds in (*np.arange(0, 1.01, 0.1), *np.arange(1.4, 2.01, 0.1)):
        buffers.add_pose(at(seconds), [seconds, 0, 0], IDENTITY)
    for step in range(21):
        buffers.add_frame("front", at(step / 10), frame(step))
    with pytest.raises(HistoryGapError, match=r"gap of 0\.400 s .* allows at most 0\.250 s"):
        buffers.build(at(2.0))


def test_an_odometry_jump_is_named() -> None:
    buffers = builder()
    drive(buffers)
    buffers.add_pose(at(2.02), [1120.4, 0, 0], IDENTITY)
    buffers.add_frame("front", at(2.02), frame(20))
    with pytest.raises(HistoryGapError, match=r"odometry jumps at 50\d+\.\d m/s .* faster than 100 m/s"):
        buffers.build(at(2.02))


def test_one_lost_frame_is_stood_in_for_but_not_two() -> None:
    lost_one, lost_two = builder(), builder()
    for buffers, lost in ((lost_one, (19,)), (lost_two, (17, 18, 19))):
        for step in range(101):
            buffers.add_pose(at(step / 50), [step, 0, 0], IDENTITY)
        for step in range(21):
            if step not in lost:
                buffers.add_frame("front", at(step / 10), frame(step))
    assert lost_one.build(at(2.0)).cameras[0].images[:, 0, 0, 0].tolist() in ([17, 18, 18, 20], [17, 18, 20, 20])
    with pytest.raises(StaleFrameError, match=r"within 0\.120 s .* 0\.200 s away"):
        lost_two.build(at(2.0))


def test_a_lagging_camera_is_named() -> None:
    buffers = builder(cameras=((0, "left"), (1, "front")))
    drive(buffers)
    buffers.add_pose(at(2.2), [122.0, 0, 0], IDENTITY)
    buffers.add_frame("front", at(2.1), frame(21))
    assert buffers.newest_t0_ns() == at(2.0), "a frame on its way is waited for"
    buffers.add_frame("front", at(2.2), frame(22))
    with pytest.raises(CameraSkewError, match=r"camera 'left' lags 0\.200 s behind camera 'front'.* at most 0\.150 s"):
        buffers.newest_t0_ns()
    buffers.add_frame("left", at(2.2), frame(22))
    assert buffers.newest_t0_ns() == at(2.2)


@pytest.mark.parametrize("offset_s", [-0.03, -50e-6, 50e-6, 0.03])
def test_unsynchronised_cameras_are_matched_within_the_skew(offset_s: float) -> None:
    """Whether the other camera runs ahead of the first one or behind it."""
    buffers = builder(cameras=((0, "left"), (1, "front")))
    for step in range(111):
        buffers.add_pose(at(step / 50), [step, 0, 0], IDENTITY)
    for step in range(21):
        buffers.add_frame("left", at(step / 10), frame(step))
        buffers.add_frame("front", at(step / 10 + offset_s), frame(step))
    assert buffers.newest_t0_ns() == at(2.0)
    front = buffers.build(at(2.0)).cameras[1]
    assert front.images[:, 0, 0, 0].tolist() == [17, 18, 19, 20]
    assert front.stamps_ns[-1] == at(2.0 + offset_s)


def test_a_frame_once_chosen_stays_chosen() -> None:
    """A camera of 20 Hz has frames on both sides of t0; the one at or before it counts, whatever arrives later."""
    buffers = builder(cameras=((0, "left"), (1, "front")))
    drive(buffers)
    buffers.frames["front"].clear()
    for step in range(40):
        buffers.add_frame("front", at(step / 20 - 0.01), frame(step))
    before = buffers.build(at(1.9)).cameras[1].stamps_ns
    buffers.add_frame("front", at(2.005), frame(99))
    assert buffers.build(at(1.9)).cameras[1].stamps_ns == before
    assert before[-1] == at(1.89)


@pytest.mark.parametrize("source", ["camera 'front'", "odometry"])
def test_a_jump_back_empties_everything_and_goes_on(source: str) -> None:
    buffers = builder()
    drive(buffers)
    add = {
        "odometry": lambda: buffers.add_pose(at(0.0), [0, 0, 0], IDENTITY),
        "camera 'front'": lambda: buffers.add_frame("front", at(0.0), frame(0)),
    }
    with pytest.raises(TimeJumpError, match=rf"{source} jumped back 2\.000 s"):
        add[source]()
    for step in range(101):
        buffers.add_pose(at(step / 50), [step, 0, 0], IDENTITY)
    for step in range(21):
        buffers.add_frame("front", at(step / 10), frame(step))
    assert buffers.build(buffers.newest_t0_ns() or 0).t0_ns == at(2.0)


def test_late_and_doubled_messages_change_nothing() -> None:
    buffers = builder()
    drive(buffers)
    before = buffers.build(at(2.0))
    buffers.add_pose(at(1.9), [0, 0, 0], IDENTITY)
    buffers.add_pose(at(2.0), [0, 0, 0], IDENTITY)
    buffers.add_frame("front", at(1.9), frame(77))
    after = buffers.build(at(2.0))
    assert np.array_equal(before.history_xyz, after.history_xyz)
    assert np.array_equal(before.cameras[0].images, after.cameras[0].images)


def test_memory_is_bounded() -> None:
    buffers = builder()
    drive(buffers, until_s=60.0)
    assert len(buffers.poses) < 200
    assert len(buffers.frames["front"]) < 20


def test_a_camera_that_changes_its_size_starts_anew() -> None:
    buffers = builder()
    drive(buffers)
    buffers.add_frame("front", at(2.1), np.zeros((8, 8, 3), np.uint8))
    assert len(buffers.frames["front"]) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cameras": ()}, "ascending distinct ids"),
        ({"cameras": ((1, "a"), (0, "b"))}, "ascending distinct ids"),
        ({"cameras": ((0, "a"), (1, "a"))}, "distinct names"),
        ({"cameras": ((0, "a"),), "num_frames": 0}, "num_frames must be at least 1, got 0"),
        ({"cameras": ((0, "a"),), "history_dt_s": 0.0}, r"history_dt_s must be positive, got 0\.0"),
    ],
)
def test_bad_configs_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObservationConfig(**fields)
