import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.ground_truth import GroundTruth
from reasoning_vla_ros.messages.odometry import StampedPose

START_NS = 1_700_000_000_123_456_789


def pose(t_s, x, y, yaw=0.0):
    return StampedPose(
        START_NS + round(t_s * 1e9),
        np.array([x, y, 0.0]),
        Rotation.from_euler("z", yaw).as_quat(),
        "odom",
        "base_link",
    )


def line(times, speed=10.0, yaw=0.0):
    return [pose(t, speed * t * np.cos(yaw), speed * t * np.sin(yaw), yaw) for t in times]


def test_future_is_in_the_ego_frame_at_t0_and_interpolated_by_time():
    truth = GroundTruth(line(np.arange(0, 2.001, 0.05), yaw=np.pi / 2))
    future = truth.future(START_NS + 500_000_000, [-0.1, 0.0, 0.123, 1.0])
    np.testing.assert_allclose(future.xyz, [[-1, 0, 0], [0, 0, 0], [1.23, 0, 0], [10, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(future.rot, np.tile(np.eye(3), (4, 1, 1)), atol=1e-9)
    assert future.valid.all()


def test_past_the_end_there_is_no_truth():
    future = GroundTruth(line(np.arange(0, 2.001, 0.1))).future(START_NS + 1_000_000_000, [0.5, 1.0, 1.1])
    assert future.valid.tolist() == [True, True, False]
    assert np.isnan(future.xyz[2]).all()
    assert np.isnan(future.rot[2]).all()


def test_a_gap_is_never_bridged():
    times = [t for t in np.arange(0, 3.001, 0.1) if not 1.05 < t < 1.95]
    truth = GroundTruth(line(times), max_gap_s=0.25)
    future = truth.future(START_NS + 500_000_000, [0.5, 0.6, 1.4, 1.5, 1.55])
    assert future.valid.tolist() == [True, False, False, True, True]  # 1.0 s and 2.0 s are poses themselves
    with pytest.raises(EvaluationError, match=r"no odometry at .*gaps of more than 0.25 s"):
        truth.pose_in_odom(START_NS + 1_500_000_000)


def test_history_ends_at_t0():
    history = GroundTruth(line(np.arange(0, 3, 0.1))).history(START_NS + 2_000_000_000, 4, 0.1)
    np.testing.assert_allclose(history.xyz[:, 0], [-3, -2, -1, 0], atol=1e-6)


def test_late_and_doubled_poses_are_dropped():
    poses = line([0.0, 0.1, 0.2, 0.3])
    truth = GroundTruth([poses[0], poses[2], poses[1], poses[2], poses[3]])
    assert len(truth.stamps_ns) == 3


def test_one_pose_is_no_truth():
    with pytest.raises(EvaluationError, match="at least 2 odometry poses"):
        GroundTruth(line([0.0]))


def test_samples_agree_with_history_and_future_at_their_instants():
    t = np.arange(0, 12, 0.05)
    truth = GroundTruth([pose(s, 8 * np.sin(0.3 * s), 4 * s, 0.4 * s) for s in t])
    times = np.arange(1, 65) * 0.1
    samples = truth.motion_samples(3, times)
    assert set(samples.source) == {3}
    for i in (0, len(samples) // 2, len(samples) - 1):
        past, future = truth.history(samples.t0_ns[i], 16, 0.1), truth.future(samples.t0_ns[i], times)
        np.testing.assert_allclose(samples.history_xyz[i], past.xyz, atol=1e-9)
        np.testing.assert_allclose(samples.history_rot[i], past.rot, atol=1e-9)
        np.testing.assert_allclose(samples.future_xyz[i], future.xyz, atol=1e-9)
        np.testing.assert_array_equal(samples.valid[i], future.valid)
    assert samples.future_yaw[0, -1] == pytest.approx(0.4 * 6.4)


def test_long_recordings_are_thinned_out():
    truth = GroundTruth(line(np.arange(0, 60, 0.2)))
    assert 90 <= len(truth.motion_samples(0, [1.0], max_samples=100)) <= 100


def test_a_jump_parts_the_recording_even_where_every_instant_is_a_pose():
    t = np.arange(0, 30.05, 0.1)
    truth = GroundTruth([pose(s, 10 * s + 400 * (s > 14.95), 0.0) for s in t])
    assert len(truth.jumps) == 1
    assert "first at 4010.0 m/s" in truth.jumps[0]
    future = truth.future(START_NS + 14_500_000_000, [0.3, 0.4, 0.45, 0.5, 1.0])
    assert future.valid.tolist() == [True, True, False, False, False]
    assert np.isnan(future.xyz[2:]).all()
    history = truth.history(START_NS + 15_200_000_000, 4, 0.1)
    assert history.valid.tolist() == [False, True, True, True]
    samples = truth.motion_samples(0, np.arange(1, 65) * 0.1)
    straight = samples.t0_ns[:, None] * 0 + 10 * samples.times_s
    np.testing.assert_allclose(samples.future_xyz[..., 0][samples.valid], straight[samples.valid], atol=1e-5)
    np.testing.assert_allclose(samples.history_xyz[:, 0, 0], -15.0, atol=1e-5)


def test_fast_driving_is_no_jump():
    assert GroundTruth(line(np.arange(0, 2, 0.05), speed=95.0)).jumps == []
