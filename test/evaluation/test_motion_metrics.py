import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning_vla_ros.evaluation.metrics.comfort import comfort
from reasoning_vla_ros.evaluation.metrics.heading import heading_error
from reasoning_vla_ros.evaluation.metrics.latency import latency, percentiles
from reasoning_vla_ros.evaluation.metrics.lateral_longitudinal import longitudinal_lateral_error
from reasoning_vla_ros.evaluation.metrics.manoeuvre import Manoeuvre, classify
from reasoning_vla_ros.evaluation.metrics.plan_deviation import plan_deviation
from reasoning_vla_ros.evaluation.metrics.rates import reduced_rate, validity_rate
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.planning.plan import PlanStatus, StageSeconds

TIMES = np.arange(1, 65) * 0.1
ALL = np.ones(64, bool)


def arc(speed_mps, yaw_rate_rps, acceleration_mps2=0.0, times=TIMES):
    """Motion at constant acceleration and yaw rate, by fine integration."""
    fine = np.linspace(0, times[-1], 20 * len(times) + 1)
    speed, yaw = speed_mps + acceleration_mps2 * fine, yaw_rate_rps * fine
    step = fine[1]
    mid_speed, mid_yaw = (speed[1:] + speed[:-1]) / 2, (yaw[1:] + yaw[:-1]) / 2
    x = np.concatenate([[0], np.cumsum(mid_speed * np.cos(mid_yaw) * step)])
    y = np.concatenate([[0], np.cumsum(mid_speed * np.sin(mid_yaw) * step)])
    xyz = np.stack([np.interp(times, fine, x), np.interp(times, fine, y), 0 * times], axis=-1)
    return xyz, yaw_to_matrix(yaw_rate_rps * times)


def test_heading_error_is_wrapped():
    plan, truth = yaw_to_matrix(np.full(64, np.pi - 0.1)), yaw_to_matrix(np.full(64, -np.pi + 0.1))
    assert heading_error(plan, truth, TIMES, ALL, [1.0])[0] == pytest.approx(0.2)


def test_lateral_and_longitudinal_by_hand():
    # the truth ends heading left (+y); a plan 1 m further along y and 2 m further along x is 1 m ahead, 2 m right
    xyz, rot = arc(10.0, np.pi / 2 / 6.4)
    along, across = longitudinal_lateral_error(xyz + np.array([2.0, 1.0, 0.0]), xyz, rot, TIMES, ALL, [6.4])
    assert along[0] == pytest.approx(1.0)
    assert across[0] == pytest.approx(-2.0)


@given(st.floats(-1, 1), st.floats(0, 20), st.floats(-3, 3), st.floats(-3, 3))
def test_lateral_and_longitudinal_make_up_the_displacement(yaw_rate, speed, ahead, aside):
    xyz, rot = arc(speed, yaw_rate)
    along, across = longitudinal_lateral_error(
        xyz + np.array([ahead, aside, 0.0]), xyz, rot, TIMES, ALL, [1.0, 3.0, 6.4]
    )
    np.testing.assert_allclose(np.hypot(along, across), np.hypot(ahead, aside), atol=1e-9)


def test_lateral_is_nan_where_the_truth_ends():
    xyz, rot = arc(10.0, 0.1)
    valid = TIMES < 2.05
    rot = np.where(valid[:, None, None], rot, np.nan)
    along, across = longitudinal_lateral_error(xyz, xyz, rot, TIMES, valid, [2.0, 3.0])
    assert along[0] == across[0] == 0
    assert np.isnan(along[1])
    assert np.isnan(across[1])


def test_plan_deviation_compares_the_same_instants():
    stamps = np.arange(1, 11) * 100_000_000 + 1_700_000_000_000_000_000
    first = np.stack([np.arange(1.0, 11.0), np.zeros(10), np.zeros(10)], axis=-1)
    # the second plan starts 0.25 s later, between waypoints, on the same line but 0.5 m to the left
    second = first + np.array([2.5, 0.5, 0.0])
    assert plan_deviation(first, stamps, second, stamps + 250_000_000) == pytest.approx(0.5)
    assert np.isnan(plan_deviation(first, stamps, second, stamps + 10_000_000_000))


def test_comfort_by_hand():
    # speeds 0, 1, 3, 3 m/s at 0.5 s: accelerations 2, 4, 0; jerks 4, -8; 0.1 rad a step at a mean of 2 m/s: 0.4
    result = comfort(np.array([0.0, 1.0, 3.0, 3.0]), np.array([0.0, 0.0, 0.1, 0.1]), 0.5)
    assert result.acceleration_mps2 == pytest.approx(4.0)
    assert result.jerk_mps3 == pytest.approx(8.0)
    assert result.lateral_acceleration_mps2 == pytest.approx(0.4)
    assert np.isnan(comfort(np.array([1.0]), np.array([0.0]), 0.1).acceleration_mps2)


def test_comfort_is_not_upset_by_a_wrapped_heading():
    wrapped = np.array([np.pi - 0.01, -np.pi + 0.01, -np.pi + 0.03])
    assert comfort(np.full(3, 10.0), wrapped, 1.0).lateral_acceleration_mps2 == pytest.approx(0.2)


def test_latency_percentiles_by_stage():
    seconds = [StageSeconds(encode=0.1 * i, total=float(i)) for i in range(1, 102)]
    result = latency(seconds)
    assert result["total"] == pytest.approx(
        {"p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 101.0, "mean": 51.0, "count": 101}
    )
    assert result["encode"]["p50"] == pytest.approx(5.1)
    assert percentiles([]) == {}


def test_rates():
    statuses = [PlanStatus.OK, PlanStatus.REDUCED, PlanStatus.INVALID, PlanStatus.OK]
    assert validity_rate(statuses) == 0.75
    assert reduced_rate(statuses) == 0.25
    assert np.isnan(validity_rate([]))


@pytest.mark.parametrize(
    ("speed", "yaw_rate", "acceleration", "expected"),
    [
        (0.0, 0.0, 0.0, Manoeuvre.STANDING),
        (0.2, 0.5, 0.0, Manoeuvre.STANDING),
        (10.0, 0.0, 0.0, Manoeuvre.STRAIGHT),
        (30.0, 0.06, 0.0, Manoeuvre.STRAIGHT),  # a motorway bend of 500 m radius
        (8.0, 0.3, 0.0, Manoeuvre.LEFT),
        (8.0, -0.3, 1.0, Manoeuvre.RIGHT),
        (5.0, 0.0, 1.0, Manoeuvre.ACCELERATING),
        (15.0, 0.0, -2.0, Manoeuvre.BRAKING),
        (8.0, 1.5, 0.0, Manoeuvre.LEFT),  # more than half a circle in 3 s stays a left turn
    ],
)
def test_manoeuvres(speed, yaw_rate, acceleration, expected):
    xyz, rot = arc(speed, yaw_rate, acceleration)
    assert classify(xyz, rot, TIMES, ALL) is expected


def test_manoeuvre_is_unknown_where_the_truth_is_short():
    xyz, rot = arc(10.0, 0.0)
    assert classify(xyz, rot, TIMES, TIMES < 2.5) is Manoeuvre.UNKNOWN
