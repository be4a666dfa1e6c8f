"""Following plans: a unicycle keeps to them within stated errors, and no plan makes it leave the limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasoning_vla_ros.planning.followed_path import FollowedPath, PathRefusedError, direction_of_travel
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.plan_follower import FollowCommand, FollowerSettings, PlanFollower, VehicleMotion

T0_NS = 1_700_000_000_000_000_000
DT_S = 0.05
OfTime = Callable[[float], float]


def unicycle_path(speed: OfTime, curvature: OfTime, yaw_rad: float = 0.3, t0_ns: int = T0_NS) -> FollowedPath:
    """6.4 s in waypoints 0.1 s apart, from (20, -5) on, integrated in steps of 2 ms."""
    x, y, yaw, rows = 20.0, -5.0, yaw_rad, []
    for step in range(3200):
        time_s = (step + 0.5) * 0.002
        way = speed(time_s) * 0.002
        middle = yaw + way * curvature(time_s) / 2
        x, y, yaw = x + way * math.cos(middle), y + way * math.sin(middle), yaw + way * curvature(time_s)
        if step % 50 == 49:
            rows.append((round((step + 1) * 0.002, 3), x, y, yaw, speed((step + 1) * 0.002)))
    times, xs, ys, yaws, speeds = np.array(rows).T
    return FollowedPath.timed(t0_ns, times, np.stack([xs, ys], 1), yaws, speeds)


class Unicycle:
    """A vehicle that does as it is told after `delay_s`, and never drives backwards."""

    def __init__(self, xy: tuple[float, float], yaw_rad: float, speed_mps: float, delay_s: float = DT_S) -> None:
        self.motion = VehicleMotion(T0_NS, xy, yaw_rad, speed_mps)
        self.waiting = [FollowCommand(0.0, 0.0, speed_mps)] * round(delay_s / DT_S)

    def step(self, command: FollowCommand) -> None:
        self.waiting.append(command)
        now = self.waiting.pop(0)
        motion = self.motion
        speed = max(motion.speed_mps + now.acceleration_mps2 * DT_S, 0.0)
        way = (motion.speed_mps + speed) / 2 * DT_S
        middle = motion.yaw_rad + way * now.curvature_1pm / 2
        self.motion = VehicleMotion(
            motion.stamp_ns + round(DT_S * 1e9),
            (motion.xy[0] + way * math.cos(middle), motion.xy[1] + way * math.sin(middle)),
            motion.yaw_rad + way * now.curvature_1pm,
            speed,
        )


def drive(follower: PlanFollower, vehicle: Unicycle, duration_s: float) -> list[FollowCommand]:
    """The commands of so long a time."""
    commands = []
    for _ in range(round(duration_s / DT_S)):
        commands.append(follower.command(vehicle.motion, vehicle.motion.stamp_ns))
        vehicle.step(commands[-1])
    return commands


PLANS: dict[str, tuple[OfTime, OfTime]] = {
    "straight": (lambda t: 10.0, lambda t: 0.0),
    "speeding up": (lambda t: 5.0 + 2 * t, lambda t: 0.0),
    "from standstill": (lambda t: 1.5 * t, lambda t: 0.0),
    "curve": (lambda t: 8.0, lambda t: 0.05),
    "into a curve": (lambda t: 8.0, lambda t: min(0.05, 0.03 * t)),
    "S-curve": (lambda t: 10.0, lambda t: 0.03 * math.sin(1.5 * t)),
    "turn at a junction": (lambda t: 5.0, lambda t: 0.12 if 1.0 < t < 4.0 else 0.0),
    "stop": (lambda t: max(10.0 - 2.5 * t, 0.0), lambda t: 0.01),
}


@pytest.mark.parametrize("name", PLANS)
def test_unicycle_keeps_to_the_plan(name: str) -> None:
    """For the 4 s in which the end of the plan does not yet count."""
    speed, curvature = PLANS[name]
    follower = PlanFollower(FollowerSettings(max_plan_age_s=0.0))
    follower.take(unicycle_path(speed, curvature))
    vehicle = Unicycle((20.0, -5.0), 0.3, speed(0.0))
    commands = drive(follower, vehicle, 4.0)
    assert {command.reason for command in commands} == {""}
    assert max(abs(command.lateral_error_m) for command in commands) < 0.15
    assert max(abs(command.place_error_m) for command in commands) < 0.25
    assert vehicle.motion.speed_mps == pytest.approx(speed(4.0), abs=0.3)


def test_stops_where_the_plan_stops_and_holds_there() -> None:
    follower = PlanFollower(FollowerSettings(max_plan_age_s=0.0))
    path = unicycle_path(lambda t: max(8.0 - 2.0 * t, 0.0), lambda t: 0.02)
    follower.take(path)
    vehicle = Unicycle((20.0, -5.0), 0.3, 8.0)
    drive(follower, vehicle, 5.5)
    before = vehicle.motion
    assert before.speed_mps < 0.02
    s_m, left_m = path.project(np.array(before.xy))
    assert (s_m, left_m) == (pytest.approx(16.0, abs=0.15), pytest.approx(0.0, abs=0.1))
    drive(follower, vehicle, 5.0)  # beyond the plan's end
    assert np.hypot(*np.subtract(vehicle.motion.xy, before.xy)) < 0.02


def test_disturbed_vehicle_comes_back() -> None:
    follower = PlanFollower(FollowerSettings(max_plan_age_s=0.0))
    follower.take(unicycle_path(lambda t: 8.0, lambda t: 0.02))
    vehicle = Unicycle((20.5, -3.8), 0.2, 6.5)
    commands = drive(follower, vehicle, 4.0)
    assert abs(commands[0].lateral_error_m) > 0.9
    assert abs(commands[-1].lateral_error_m) < 0.15
    assert abs(commands[-1].place_error_m) < 0.5


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2])
def test_delay_that_is_told_is_made_up_for(delay_s: float) -> None:
    follower = PlanFollower(FollowerSettings(max_plan_age_s=0.0, delay_s=delay_s))
    speed, curvature = PLANS["S-curve"]
    follower.take(unicycle_path(speed, curvature))
    commands = drive(follower, Unicycle((20.0, -5.0), 0.3, 10.0, delay_s), 4.0)
    assert max(abs(command.lateral_error_m) for command in commands) < 0.35


def test_plan_that_comes_late_is_taken_up_where_it_is_by_then() -> None:
    """A plan of 0.6 s ago counts from its stamp: the vehicle neither waits for it nor goes back to its begin."""
    follower = PlanFollower()
    follower.take(unicycle_path(lambda t: 10.0, lambda t: 0.0, yaw_rad=0.0, t0_ns=T0_NS - 600_000_000))
    vehicle = Unicycle((26.0, -5.0), 0.0, 10.0)
    command = follower.command(vehicle.motion, T0_NS)
    assert command.acceleration_mps2 == pytest.approx(0.0, abs=0.05)
    assert (command.plan_age_s, command.place_error_m) == (pytest.approx(0.6), pytest.approx(0.0, abs=0.01))


def test_stops_comfortably_without_a_plan_and_says_why() -> None:
    follower = PlanFollower()
    vehicle = Unicycle((20.0, -5.0), 0.3, 8.0)
    commands = drive(follower, vehicle, 0.2)
    assert {command.reason for command in commands} == {"no plan has arrived"}
    follower.take(unicycle_path(lambda t: 8.0, lambda t: 0.03))
    assert follower.command(vehicle.motion, vehicle.motion.stamp_ns).reason == ""
    commands = drive(follower, vehicle, 8.0)
    assert commands[-1].reason == "the newest plan is 8.150 s old, max_plan_age_s allows 3.000 s"
    assert vehicle.motion.speed_mps == pytest.approx(0.0, abs=0.01)
    stopping = [command for command in commands if command.reason]
    assert min(command.acceleration_mps2 for command in stopping) >= -2.5
    # It keeps to the road that it knows while it stops.
    assert max(abs(command.lateral_error_m) for command in stopping) < 0.2


@pytest.mark.parametrize(
    ("motion", "reason"),
    [
        ({"stamp_ns": T0_NS - 10**9}, "the odometry is 1.000 s old"),
        ({"speed_mps": math.nan}, "the odometry holds NaN"),
        ({"xy": (20.0, 0.5)}, "the vehicle is 5.25 m beside the path, at most 4 m are allowed"),
        ({"yaw_rad": math.pi + 0.3}, "the path ahead lies behind the vehicle"),
    ],
)
def test_reasons_to_stop(motion: dict[str, object], reason: str) -> None:
    follower = PlanFollower()
    follower.take(unicycle_path(lambda t: 8.0, lambda t: 0.0))
    command = follower.command(replace(VehicleMotion(T0_NS, (20.0, -5.0), 0.3, 8.0), **motion), T0_NS)  # type: ignore[arg-type]
    assert reason in command.reason
    assert command.acceleration_mps2 < 0


def test_plan_is_over_when_its_time_is() -> None:
    follower = PlanFollower(FollowerSettings(max_plan_age_s=0.0))
    follower.take(unicycle_path(lambda t: 8.0, lambda t: 0.0))
    command = follower.command(VehicleMotion(T0_NS + 7 * 10**9, (60.0, 5.0), 0.3, 8.0), T0_NS + 7 * 10**9)
    assert command.reason == "the newest plan is 7.000 s old and covers 6.400 s"


def test_older_plan_does_not_replace_a_newer_one() -> None:
    follower = PlanFollower()
    newer = unicycle_path(lambda t: 8.0, lambda t: 0.0)
    assert follower.take(newer)
    assert not follower.take(replace(newer, t0_ns=T0_NS - 1))
    assert follower.path is newer
    follower.reset()
    assert follower.take(replace(newer, t0_ns=T0_NS - 1))


def test_plan_without_speeds_takes_them_from_its_times() -> None:
    times = np.arange(1, 65) * 0.1
    path = FollowedPath.timed(T0_NS, times, np.stack([3.0 * times, 0 * times], 1), 0 * times)
    assert path.motion(2.0, 0.0) == pytest.approx((6.0, 3.0, 0.0))


def test_path_without_time_is_driven_at_cruising_speed_and_to_a_stop() -> None:
    angle = np.linspace(0, np.pi / 2, 40)
    bend = np.stack([30 + 12 * np.sin(angle), 12 - 12 * np.cos(angle)], 1)
    xy = np.concatenate([[[0.0, 0.0]], bend, [[42.0, 40.0]]])
    path = FollowedPath.untimed(T0_NS, xy, 0.0, 8.0, 2.0, 1.5)
    follower = PlanFollower(FollowerSettings(max_plan_age_s=0.0))
    follower.take(path)
    vehicle = Unicycle((0.0, 0.0), 0.0, 0.0)
    speeds, sideways = [], []
    for _ in range(360):
        command = follower.command(vehicle.motion, vehicle.motion.stamp_ns)
        assert command.reason == ""
        vehicle.step(command)
        speeds.append(vehicle.motion.speed_mps)
        sideways.append(speeds[-1] ** 2 * abs(command.curvature_1pm))
    assert max(speeds) == pytest.approx(7.9, abs=0.3)
    assert max(sideways) < 3.0
    assert vehicle.motion.xy == (pytest.approx(42.0, abs=0.2), pytest.approx(40.0, abs=0.5))
    assert vehicle.motion.speed_mps < 0.05


def test_plan_in_reverse_is_refused() -> None:
    times = np.arange(1, 65) * 0.1
    with pytest.raises(PathRefusedError, match=r"drives in reverse, .* m back and at -2.00 m/s"):
        FollowedPath.timed(T0_NS, times, np.stack([-2 * times, 0 * times], 1), 0 * times, -2 + 0 * times)
    with pytest.raises(PathRefusedError, match=r"12\.60 m back"):
        FollowedPath.timed(T0_NS, times, np.stack([2 * times, 0 * times], 1), np.pi + 0 * times, 2 + 0 * times)


@pytest.mark.parametrize(
    ("times", "xy", "match"),
    [
        ([], np.zeros((0, 2)), "at least one waypoint"),
        ([0.1, 0.2], [[0.0, 0.0], [math.nan, 0.0]], "NaN"),
        ([0.2, 0.1], [[0.0, 0.0], [1.0, 0.0]], "ascend"),
        ([-0.1, 0.1], [[0.0, 0.0], [1.0, 0.0]], "ascend"),
    ],
)
def test_bad_paths_are_refused(times: list[float], xy: object, match: str) -> None:
    with pytest.raises(PathRefusedError, match=match):
        FollowedPath.timed(T0_NS, times, xy, np.zeros(len(times)))  # type: ignore[arg-type]


def test_plan_lies_where_the_vehicle_was_at_t0(straight_plan_at_t0: Plan) -> None:
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    path = FollowedPath.from_plan(straight_plan_at_t0, [100.0, 50.0, 2.0], turned)
    np.testing.assert_allclose(path.xy[0], [100.0, 50.0])
    np.testing.assert_allclose(path.point(20.0), [100.0, 70.0], atol=1e-5)
    assert (path.start_yaw_rad, path.end_yaw_rad) == pytest.approx((np.pi / 2, np.pi / 2))
    invalid = replace(straight_plan_at_t0, selected=-1, invalid_reasons=("too fast",))
    with pytest.raises(PathRefusedError, match="no valid candidate: candidate 0: too fast"):
        FollowedPath.from_plan(invalid, [0.0, 0.0, 0.0], np.eye(3))


@pytest.fixture
def straight_plan_at_t0() -> Plan:
    xyz = np.zeros((1, 64, 3), np.float32)
    xyz[0, :, 0] = np.arange(1, 65)
    return Plan(
        t0_ns=T0_NS,
        xyz=xyz,
        rot=np.tile(np.eye(3, dtype=np.float32), (1, 64, 1, 1)),
        speed_mps=np.full((1, 64), 10.0, np.float32),
        dt_s=0.1,
        score=np.zeros(1, np.float32),
        valid=np.ones(1, np.bool_),
        invalid_reasons=("",),
        selected=0,
        reasoning=("",),
        meta_actions=("",),
        reasoning_complete=(True,),
    )


def test_path_that_crosses_itself_is_searched_near_its_time() -> None:
    """A loop of 8 s: at its crossing the vehicle is at the begin of it or at its end, by the time."""
    angle = np.linspace(0, 2 * np.pi, 80)
    xy = np.stack([20 * np.sin(angle), 20 - 20 * np.cos(angle)], 1)
    path = FollowedPath.timed(T0_NS, np.arange(80) * 0.1, xy, angle)
    assert path.project(np.array([0.0, 0.2]), 0.0, 30.0) == (pytest.approx(0.0, abs=0.1), pytest.approx(0.2, abs=0.02))
    assert path.project(np.array([0.0, 0.2]), 125.0, 30.0)[0] == pytest.approx(path.length_m, abs=0.1)


def test_direction_of_travel_keeps_the_heading_of_a_standing_vehicle() -> None:
    xy = [[0.0, 0.0], [0.001, 0.0], [1.0, 1.0], [1.001, 1.0], [1.0, 2.0]]
    np.testing.assert_allclose(direction_of_travel(xy, 0.5), np.pi / 4 * np.array([1, 1, 1, 1, 2]), atol=2e-3)
    np.testing.assert_allclose(direction_of_travel(np.zeros((3, 2)), 0.5), 0.5)


@pytest.mark.parametrize(("name", "value"), [("delay_s", -0.1), ("max_jerk_mps3", 0.0), ("min_lookahead_m", 26.0)])
def test_settings_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        FollowerSettings(**{name: value})


finite = st.floats(-1e4, 1e4)


@settings(max_examples=150, deadline=None)
@given(
    xy=arrays(np.float64, (12, 2), elements=finite),
    yaw=arrays(np.float64, 12, elements=st.floats(-10, 10)),
    speed=arrays(np.float64, 12, elements=st.floats(-0.2, 80)),
    pose=st.tuples(finite, finite, st.floats(-10, 10), st.floats(-5, 80)),
    is_timed=st.booleans(),
    is_near=st.booleans(),
    steps_s=st.lists(st.floats(0, 2), min_size=1, max_size=6),
)
def test_commands_are_finite_and_within_limits_for_any_finite_plan(
    xy: np.ndarray,
    yaw: np.ndarray,
    speed: np.ndarray,
    pose: tuple[float, float, float, float],
    is_timed: bool,
    is_near: bool,
    steps_s: list[float],
) -> None:
    limits = FollowerSettings(max_plan_age_s=0.0, max_deviation_m=1e5 if is_near else 4.0)
    follower = PlanFollower(limits)
    try:
        times = np.arange(1, 13) * 0.4
        timed = FollowedPath.timed(T0_NS, times, xy, direction_of_travel(xy, 0.0) if is_near else yaw, speed)
    except PathRefusedError:
        timed = None
    path = timed if is_timed else FollowedPath.untimed(T0_NS, xy, 0.0, 10.0, 2.0, 2.0)
    if path is not None:
        follower.take(path)
    now_ns, last = T0_NS, 0.0
    x, y = xy[0] + np.array(pose[:2]) * 1e-4 if is_near else pose[:2]
    for step_s in steps_s:
        now_ns += round(step_s * 1e9)
        command = follower.command(VehicleMotion(now_ns, (float(x), float(y)), pose[2], pose[3]), now_ns)
        values = (command.acceleration_mps2, command.curvature_1pm, command.speed_mps, command.yaw_rate_rps)
        assert all(math.isfinite(value) for value in values)
        assert -limits.max_deceleration_mps2 <= command.acceleration_mps2 <= limits.max_acceleration_mps2
        assert abs(command.curvature_1pm) <= limits.max_curvature_1pm
        # By the speed that it drives at, which the delay takes no further than this from the one it has.
        speed_then = max(pose[3] + min(last, 0.0) * limits.delay_s, 0.0)
        assert speed_then**2 * abs(command.curvature_1pm) <= limits.max_lateral_acceleration_mps2 + 1e-9
        assert command.speed_mps >= 0
        if step_s < 0.5 and now_ns > T0_NS + round(steps_s[0] * 1e9):
            assert abs(command.acceleration_mps2 - last) <= limits.max_jerk_mps3 * step_s + 1e-6
        last = command.acceleration_mps2
