from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.evaluation.baselines import ConstantTurnRate, ConstantVelocity, CrossFit, EgoHistoryRegression
from reasoning_vla_ros.evaluation.ground_truth import GroundTruth
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.messages.odometry import StampedPose

DT = 0.1
TIMES = np.arange(1, 65) * DT
PAST = np.arange(-15, 1) * DT
START_NS = 1_700_000_000_000_000_000


def circle(speed_mps, yaw_rate_rps, times):
    """Exact motion at constant speed and yaw rate, at the origin and heading along x at time 0."""
    yaw = yaw_rate_rps * times
    if abs(yaw_rate_rps) < 1e-9:
        return np.stack([speed_mps * times, 0 * times, 0 * times], -1), yaw_to_matrix(0 * times)
    radius = speed_mps / yaw_rate_rps
    xyz = np.stack([radius * np.sin(yaw), radius * (1 - np.cos(yaw)), 0 * times], axis=-1)
    return xyz, yaw_to_matrix(yaw)


def drive(seconds, curve=lambda t: 0.1 * np.sin(0.2 * t), speed=lambda t: 10 + 3 * np.sin(0.3 * t), rate_hz=20):
    """A ground truth with changing speed and turn rate."""
    t = np.arange(0, seconds, 1 / rate_hz)
    yaw = np.cumsum(curve(t)) / rate_hz
    xy = np.cumsum(speed(t)[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], -1), axis=0) / rate_hz
    quat = Rotation.from_euler("z", yaw[:, None]).as_quat()
    return GroundTruth(
        StampedPose(START_NS + round(t[i] * 1e9), np.append(xy[i], 0.0), quat[i], "odom", "base_link")
        for i in range(len(t))
    )


@given(st.floats(-5, 40), st.sampled_from([-1.0, -0.2, 0.0, 1e-7, 0.3, 1.2]))
def test_constant_turn_rate_is_exact_on_a_circle(speed, yaw_rate):
    history_xyz, history_rot = circle(speed, yaw_rate, PAST)
    truth_xyz, truth_rot = circle(speed, yaw_rate, TIMES)
    xyz, rot = ConstantTurnRate().predict(history_xyz, history_rot, DT, TIMES)
    np.testing.assert_allclose(xyz, truth_xyz, atol=1e-5)
    np.testing.assert_allclose(rot, truth_rot, atol=1e-5)


def test_constant_velocity_is_exact_on_a_straight_line_and_leaves_a_curve():
    history_xyz, history_rot = circle(12.0, 0.0, PAST)
    xyz, rot = ConstantVelocity().predict(history_xyz, history_rot, DT, TIMES)
    np.testing.assert_allclose(xyz, circle(12.0, 0.0, TIMES)[0], atol=1e-12)
    np.testing.assert_array_equal(rot, np.tile(np.eye(3), (64, 1, 1)))
    curved_xyz, curved_rot = circle(12.0, 0.3, PAST)
    off = ConstantVelocity().predict(curved_xyz, curved_rot, DT, TIMES)[0] - circle(12.0, 0.3, TIMES)[0]
    assert np.linalg.norm(off[-1]) > 10


def test_a_standing_vehicle_stays():
    history_xyz, history_rot = np.zeros((16, 3)), np.tile(np.eye(3), (16, 1, 1))
    for baseline in (ConstantVelocity(), ConstantTurnRate()):
        xyz, _ = baseline.predict(history_xyz, history_rot, DT, TIMES)
        assert not xyz.any()


def test_one_pose_is_too_few():
    for baseline in (ConstantVelocity(), ConstantTurnRate()):
        with pytest.raises(ValueError, match="needs 2 history poses, got 1"):
            baseline.predict(np.zeros((1, 3)), np.eye(3)[None], DT, TIMES)


def test_ego_history_learns_what_the_others_cannot_know():
    truth = drive(400)  # speed and turn rate swing, so where they swing to can be learnt from the past
    samples = truth.motion_samples(0, TIMES)
    half = samples.t0_ns < START_NS + 200 * 10**9
    fitted = EgoHistoryRegression(samples, half)
    errors = {"fitted": [], "turn": []}
    for t0_ns in range(START_NS + 220 * 10**9, START_NS + 380 * 10**9, 4 * 10**9):
        past, future = truth.history(t0_ns, 16, DT), truth.future(t0_ns, TIMES)
        for name, baseline in (("fitted", fitted), ("turn", ConstantTurnRate())):
            xyz, _ = baseline.predict(past.xyz, past.rot, DT, TIMES)
            errors[name].append(np.linalg.norm(xyz - future.xyz, axis=-1).mean())
    assert np.mean(errors["fitted"]) < 0.5 * np.mean(errors["turn"])


def test_ego_history_is_deterministic_and_checks_its_input():
    samples = drive(60).motion_samples(0, TIMES)
    first, second = EgoHistoryRegression(samples), EgoHistoryRegression(samples)
    history = circle(10.0, 0.1, PAST)
    np.testing.assert_array_equal(first.predict(*history, DT, TIMES)[0], second.predict(*history, DT, TIMES)[0])
    with pytest.raises(ValueError, match=r"fitted on 16 poses at 0\.1 s, got 8"):
        first.predict(history[0][:8], history[1][:8], DT, TIMES)


def test_ego_history_gives_nan_beyond_what_was_fitted():
    regression = EgoHistoryRegression(drive(60).motion_samples(0, TIMES[:30]))
    xyz, _ = regression.predict(*circle(10.0, 0.1, PAST), DT, TIMES)
    assert np.isfinite(xyz[:30]).all()
    assert np.isnan(xyz[30:, :2]).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99))
def test_cross_fit_never_trains_on_what_it_is_scored_on(second):
    samples = _SAMPLES
    t0_ns = START_NS + second * 10**9
    fit = CrossFit(samples)
    begin_ns, end_ns, _ = fit._block(0, t0_ns)
    assert begin_ns <= t0_ns <= end_ns
    trained_ns = samples.t0_ns[fit.training_mask(0, begin_ns, end_ns)]
    assert trained_ns.size
    # spans: a sample looks back 1.5 s and ahead 6.4 s
    span_begin, span_end = trained_ns - 1_500_000_000, trained_ns + 6_400_000_000
    assert not ((span_begin <= t0_ns + 6_400_000_000) & (span_end >= t0_ns - 1_500_000_000)).any()


def test_cross_fit_does_not_see_the_truth_of_its_block():
    samples = _SAMPLES
    t0_ns = START_NS + 50 * 10**9
    clean = CrossFit(samples).model_for(0, t0_ns)
    near = np.abs(samples.t0_ns - t0_ns) < 7_900_000_000
    spoilt = samples.future_xyz.copy()
    spoilt[near] += 100.0
    changed = CrossFit(replace(samples, future_xyz=spoilt)).model_for(0, t0_ns)
    history = circle(10.0, 0.1, PAST)
    np.testing.assert_array_equal(clean.predict(*history, DT, TIMES)[0], changed.predict(*history, DT, TIMES)[0])


def test_cross_fit_of_a_short_recording_has_nothing_to_fit_on():
    assert CrossFit(drive(12).motion_samples(0, TIMES)).model_for(0, START_NS + 3 * 10**9) is None


_SAMPLES = drive(100).motion_samples(0, TIMES)
