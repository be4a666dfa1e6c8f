import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasoning_vla_ros.evaluation.metrics.displacement import average_displacement, final_displacement
from reasoning_vla_ros.evaluation.metrics.horizons import at_times, reached
from reasoning_vla_ros.evaluation.metrics.min_displacement import min_ade_once, min_ade_per_horizon, min_fde
from reasoning_vla_ros.evaluation.metrics.miss_rate import miss

TIMES = np.arange(1, 65) * 0.1
HORIZONS = (1.0, 2.0, 3.0, 5.0, 6.4)
ALL = np.ones(64, bool)
coordinates = st.floats(-50, 50, width=32)


def straight(speed_mps, times=TIMES):
    return np.stack([speed_mps * times, 0 * times, 0 * times], axis=-1)


def test_ade_and_fde_of_a_speed_error_by_hand():
    # 1 m/s too fast: the error at time t is t metres, its mean over 0.1 .. h is (h + 0.1) / 2
    ade = average_displacement(straight(11.0), straight(10.0), TIMES, ALL, HORIZONS)
    fde = final_displacement(straight(11.0), straight(10.0), TIMES, ALL, HORIZONS)
    np.testing.assert_allclose(ade, [0.55, 1.05, 1.55, 2.55, 3.25], atol=1e-12)
    np.testing.assert_allclose(fde, HORIZONS, atol=1e-12)


def test_height_does_not_count():
    lifted = straight(10.0) + np.array([0, 0, 3.0])
    assert average_displacement(lifted, straight(10.0), TIMES, ALL, [3.0])[0] == 0


def test_horizons_are_found_by_time_whatever_the_waypoint_spacing():
    coarse = np.array([0.4, 0.8, 1.2, 1.6])
    error = final_displacement(straight(3.0, coarse), straight(2.0, coarse), coarse, np.ones(4, bool), [1.0, 1.6, 2.0])
    np.testing.assert_allclose(error[:2], [1.0, 1.6])  # 1.0 s lies between two waypoints
    assert np.isnan(error[2])
    ade = average_displacement(straight(3.0, coarse), straight(2.0, coarse), coarse, np.ones(4, bool), [1.0])
    assert ade[0] == pytest.approx((0.4 + 0.8) / 2)  # only waypoints with time <= 1.0 s


def test_a_horizon_that_the_truth_does_not_reach_is_nan():
    valid = TIMES <= 2.5
    truth = np.where(valid[:, None], straight(10.0), np.nan)
    for score in (average_displacement, final_displacement):
        result = score(straight(11.0), truth, TIMES, valid, HORIZONS)
        assert np.isfinite(result[:2]).all()
        assert np.isnan(result[2:]).all()


def test_a_horizon_behind_a_gap_in_the_truth_is_nan():
    valid = (TIMES < 1.45) | (TIMES > 1.75)
    assert reached(TIMES, valid, HORIZONS).tolist() == [True, False, False, False, False]


def test_reached_needs_a_truth_on_both_sides_of_a_horizon_between_waypoints():
    assert not reached([0.4, 0.8, 1.2], [True, True, False], [1.0])[0]
    assert reached([0.4, 0.8, 1.2], [True, True, True], [1.0])[0]


def test_an_invalid_neighbour_does_not_spoil_a_waypoint():
    values = np.array([[1.0], [2.0], [np.nan]])
    assert at_times(values, [1.0, 2.0, 3.0], [2.0])[0, 0] == 2.0


def test_both_min_ade_definitions_by_hand():
    # candidate 0 is exact up to 1 s and 9 m off later; candidate 1 is 1 m off all along
    late = straight(10.0).copy()
    late[TIMES > 1.05, 1] = 9.0
    off = straight(10.0) + np.array([0, 1.0, 0])
    candidates, truth = np.stack([late, off]), straight(10.0)
    assert min_ade_once(candidates, truth, TIMES, ALL, [1.0, 6.4]) == pytest.approx([1.0, 1.0])
    assert min_ade_per_horizon(candidates, truth, TIMES, ALL, [1.0, 6.4]) == pytest.approx([0.0, 1.0])
    assert min_fde(candidates, truth, TIMES, ALL, [1.0, 6.4]) == pytest.approx([0.0, 1.0])
    # where the truth ends after 1 s the first candidate is the better one over all that can be seen
    short = TIMES < 1.05
    assert min_ade_once(candidates, truth, TIMES, short, [1.0])[0] == 0.0


def test_candidates_that_were_not_decoded_are_passed_over():
    candidates = np.stack([np.full((64, 3), np.nan), straight(11.0)])
    for score in (min_ade_once, min_ade_per_horizon, min_fde):
        assert np.isfinite(score(candidates, straight(10.0), TIMES, ALL, HORIZONS)).all()
        assert np.isnan(score(candidates[:1], straight(10.0), TIMES, ALL, HORIZONS)).all()
        assert np.isnan(score(candidates[:0], straight(10.0), TIMES, ALL, HORIZONS)).all()


def test_miss_counts_beyond_the_threshold_only():
    np.testing.assert_array_equal(miss([1.9, 2.0, 2.1, np.nan]), [0, 0, 1, np.nan])
    assert miss([2.5], threshold_m=3.0)[0] == 0


@given(arrays(np.float64, (64, 3), elements=coordinates))
def test_errors_of_the_truth_are_zero(truth):
    assert not average_displacement(truth, truth, TIMES, ALL, HORIZONS).any()
    assert not final_displacement(truth, truth, TIMES, ALL, HORIZONS).any()


@settings(deadline=None)
@given(arrays(np.float64, (6, 20, 3), elements=coordinates), arrays(np.float64, (20, 3), elements=coordinates))
def test_best_of_k_never_rises_with_k(candidates, truth):
    times, valid, horizons = np.arange(1, 21) * 0.1, np.ones(20, bool), [0.5, 1.0, 2.0]
    for score in (min_ade_per_horizon, min_fde):
        errors = np.array([score(candidates[:k], truth, times, valid, horizons) for k in range(1, 7)])
        assert (np.diff(errors, axis=0) <= 0).all()
    once = np.array([min_ade_once(candidates[:k], truth, times, valid, [2.0])[0] for k in range(1, 7)])
    assert (np.diff(once) <= 0).all()
    assert (
        min_ade_per_horizon(candidates, truth, times, valid, horizons)
        <= min_ade_once(candidates, truth, times, valid, horizons)
    ).all()


@given(
    arrays(np.float64, (20, 3), elements=coordinates),
    arrays(np.float64, (20, 3), elements=coordinates),
    st.floats(-np.pi, np.pi),
)
def test_displacement_does_not_depend_on_the_heading_of_the_frame(xyz, truth, yaw):
    times, valid = np.arange(1, 21) * 0.1, np.ones(20, bool)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    before = average_displacement(xyz, truth, times, valid, [1.0, 2.0])
    after = average_displacement(xyz @ turn.T, truth @ turn.T, times, valid, [1.0, 2.0])
    np.testing.assert_allclose(before, after, atol=1e-9)
