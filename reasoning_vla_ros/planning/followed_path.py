"""A plan as a follower takes it: a path with a speed at each of its points, by time or by place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.geometry.rotations import matrix_to_yaw
from reasoning_vla_ros.planning.plan import Plan

FloatArray = NDArray[np.float64]

# Waypoints of a vehicle that stands jitter by centimetres; neither a path nor a reverse is made of that.
STANDING_STEP_M = 0.02
REVERSE_M = 0.5
REVERSE_MPS = -0.3
# Speed and acceleration of a plan are those of the line that fits so much of it best: a plan drawn from tokens jitters
# from step to step.
SLOPE_S = 0.6
SLOPE_POINTS = 7
FINE_STEP_M = 0.25


class PathRefusedError(ValueError):
    """A plan that cannot be followed; the message has the value it had and the value it needed."""


class Motion(NamedTuple):
    """Where a plan is at an instant: metres along its path, m/s and m/s^2."""

    s_m: float
    speed_mps: float
    acceleration_mps2: float


@dataclass(frozen=True, eq=False)
class FollowedPath:
    """A path and the speed on it; beyond both ends it goes straight on.

    Attributes:
        t0_ns: the instant that it starts from.
        xy: float64 [P, 2], corners of the path, each further along it than the one before; metres.
        s_m: float64 [P], length of the path up to each corner, from 0.
        start_yaw_rad, end_yaw_rad: its direction at both ends.
        times_s: float64 [T] since t0, from 0; None for a path without time.
        at_s_m, speed_mps: float64 [T], metres along the path and the speed there, at each time; without time, in
            small steps.
    """

    t0_ns: int
    xy: FloatArray
    s_m: FloatArray
    start_yaw_rad: float
    end_yaw_rad: float
    times_s: FloatArray | None
    at_s_m: FloatArray
    speed_mps: FloatArray

    @classmethod
    def from_plan(cls, plan: Plan, ego_xyz_in_odom: ArrayLike, ego_rot_in_odom: ArrayLike) -> FollowedPath:
        """The selected candidate of a plan, in the frame of the ego pose at t0, [3] and [3, 3].

        Raises:
            PathRefusedError: no candidate is selected, or see :meth:`timed`.
        """
        if plan.selected < 0:
            raise PathRefusedError(f"the plan has no valid candidate: {plan.status_reason}")
        ego_xyz, ego_rot = np.asarray(ego_xyz_in_odom, np.float64), np.asarray(ego_rot_in_odom, np.float64)
        xyz = np.concatenate([np.zeros((1, 3)), plan.xyz[plan.selected]]) @ ego_rot.T + ego_xyz
        rot = ego_rot @ np.concatenate([np.eye(3)[None], plan.rot[plan.selected]])
        speed = plan.speed_mps[plan.selected].astype(np.float64)
        v0_mps = speed[0] if plan.v0_mps is None else plan.v0_mps
        times_s = np.arange(len(xyz)) * plan.dt_s
        return cls.timed(plan.t0_ns, times_s, xyz[:, :2], matrix_to_yaw(rot), np.append(v0_mps, speed))

    @classmethod
    def timed(
        cls, t0_ns: int, times_s: ArrayLike, xy: ArrayLike, yaw_rad: ArrayLike, speed_mps: ArrayLike | None = None
    ) -> FollowedPath:
        """A path with a time for each waypoint.

        Args:
            times_s: [T] since t0, ascending, the first not before t0. Where it is later, the waypoint at t0 is where
                the first one's speed and heading lead back to.
            xy: [T, 2], metres, in the frame that the vehicle's pose is given in.
            yaw_rad: [T] headings of the vehicle.
            speed_mps: [T]; None takes them from the waypoints.

        Raises:
            PathRefusedError: no waypoint, NaN, times that do not ascend, or driving in reverse.
        """
        times, points, yaw = (np.array(values, np.float64) for values in (times_s, xy, yaw_rad))
        _require_waypoints(points, (times, yaw))
        if times[0] < 0 or (np.diff(times) <= 0).any():
            raise PathRefusedError(f"the times of waypoints need to ascend from t0 on, got {times.tolist()} s")
        advance = _advance(points, yaw)
        if speed_mps is None:
            travelled = np.append(0.0, np.cumsum(advance))
            speed = np.gradient(travelled, times) if len(times) > 1 else np.zeros(1)
        else:
            speed = np.array(speed_mps, np.float64)
            _require_waypoints(points, (speed,))
        if speed.min() < REVERSE_MPS or -advance[advance < 0].sum() > REVERSE_M:
            backwards_m = -advance[advance < 0].sum()
            raise PathRefusedError(
                f"the plan drives in reverse, {backwards_m:.2f} m back and at {speed.min():.2f} m/s; "
                f"needed at most {REVERSE_M} m and at least {REVERSE_MPS} m/s"
            )
        speed = np.maximum(speed, 0.0)
        if times[0] > 0:
            step_m = speed[0] * times[0]
            begin = points[0] - step_m * np.array([np.cos(yaw[0]), np.sin(yaw[0])])
            points, yaw = np.concatenate([begin[None], points]), np.append(yaw[0], yaw)
            times, speed, advance = np.append(0.0, times), np.append(speed[0], speed), np.append(step_m, advance)
        at_s = np.append(0.0, np.cumsum(np.maximum(advance, 0.0)))
        kept = _moving(at_s)
        return cls(t0_ns, points[kept], at_s[kept], float(yaw[0]), float(yaw[-1]), times, at_s, speed)

    @classmethod
    def untimed(
        cls,
        t0_ns: int,
        xy: ArrayLike,
        yaw_rad: float,
        cruise_speed_mps: float,
        lateral_acceleration_mps2: float,
        deceleration_mps2: float,
    ) -> FollowedPath:
        """A path without time: driven at cruising speed, slower in bends, to a stop at its end.

        Args:
            xy: [T, 2], metres, T >= 1.
            yaw_rad: direction of a path that is a single point.
            cruise_speed_mps, lateral_acceleration_mps2, deceleration_mps2: bounds of the speed; speeding up is as
                gentle as braking.

        Raises:
            PathRefusedError: no waypoint, or NaN.
        """
        points = np.array(xy, np.float64)
        _require_waypoints(points, ())
        lengths = np.hypot(*np.diff(points, axis=0).T)
        at_s = np.append(0.0, np.cumsum(lengths))
        kept = _moving(at_s)
        corners, s_m = points[kept], at_s[kept]
        corner_mps = np.sqrt(lateral_acceleration_mps2 / np.maximum(abs(_curvature(corners, s_m)), 1e-6))
        corner_mps[-1] = 0.0
        fine_m = np.union1d(s_m, np.arange(0.0, s_m[-1], FINE_STEP_M))
        speed = np.full(len(fine_m), cruise_speed_mps)
        at_corner = np.searchsorted(fine_m, s_m)
        speed[at_corner] = np.minimum(speed[at_corner], corner_mps)
        gain = 2 * deceleration_mps2 * np.diff(fine_m)
        for i in range(1, len(speed)):
            speed[i] = min(speed[i], math.sqrt(speed[i - 1] ** 2 + gain[i - 1]))
        for i in range(len(speed) - 2, -1, -1):
            speed[i] = min(speed[i], math.sqrt(speed[i + 1] ** 2 + gain[i]))
        yaws = np.arctan2(*np.diff(corners, axis=0).T[::-1]) if len(corners) > 1 else np.array([yaw_rad])
        return cls(t0_ns, corners, s_m, float(yaws[0]), float(yaws[-1]), None, fine_m, speed)

    @property
    def length_m(self) -> float:
        return float(self.s_m[-1])

    @property
    def duration_s(self) -> float:
        """Seconds from t0 to the last waypoint; infinite without time."""
        return math.inf if self.times_s is None else float(self.times_s[-1])

    def motion(self, time_s: float, s_m: float) -> Motion:
        """What the plan does at `time_s` since t0; without time, at `s_m` along the path."""
        if self.times_s is None:
            # Speed squared is what changes evenly with the way at a constant acceleration.
            here_mps = self._speed_at(s_m)
            step_m = min(SLOPE_S * here_mps, self.length_m - s_m)
            gain = self._speed_at(s_m + step_m) ** 2 - here_mps**2
            return Motion(s_m, here_mps, gain / (2 * step_m) if step_m > 0 else 0.0)
        at = float(np.clip(time_s, 0.0, self.times_s[-1]))
        around = np.linspace(max(at - SLOPE_S / 2, 0.0), min(at + SLOPE_S / 2, float(self.times_s[-1])), SLOPE_POINTS)
        speed = np.interp(around, self.times_s, self.speed_mps)
        offset = around - around.mean()
        spread = float(offset @ offset)
        slope = float(offset @ speed) / spread if spread > 0 else 0.0
        here_mps = max(float(speed.mean()) + slope * (at - float(around.mean())), 0.0)
        return Motion(float(np.interp(at, self.times_s, self.at_s_m)), here_mps, slope)

    def project(self, xy: FloatArray, near_s_m: float | None = None, within_m: float = math.inf) -> tuple[float, float]:
        """The nearest place on the path: metres along it, and metres that the point lies to its left.

        Args:
            near_s_m, within_m: only places so near to that one count, for paths that cross themselves.
        """
        begin, direction, length = self._segments()
        low, high = np.full(len(length), -math.inf), np.full(len(length), math.inf)
        low[1:], high[:-1] = 0.0, length[:-1]
        starts = np.concatenate([[0.0], self.s_m])
        if near_s_m is not None:
            low = np.maximum(low, near_s_m - within_m - starts)
            high = np.minimum(high, near_s_m + within_m - starts)
        offset = xy - begin
        along = np.minimum(np.maximum((offset * direction).sum(1), low), high)
        away = offset - along[:, None] * direction
        distance = np.where(low <= high, np.hypot(*away.T), math.inf)
        best = int(distance.argmin())
        left = direction[best, 0] * offset[best, 1] - direction[best, 1] * offset[best, 0]
        return float(starts[best] + along[best]), float(math.copysign(distance[best], left))

    def point(self, s_m: float) -> FloatArray:
        """The place [2] so far along the path."""
        begin, direction, _ = self._segments()
        index = int(np.searchsorted(self.s_m, s_m, side="right"))
        start = self.s_m[max(index - 1, 0)]
        return begin[index] + (s_m - start) * direction[index]

    def _speed_at(self, s_m: float) -> float:
        return math.sqrt(float(np.interp(s_m, self.at_s_m, self.speed_mps**2)))

    def _segments(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Begin [P + 1, 2], direction [P + 1, 2] and length [P + 1]; the first leads up to the path, the last from it.

        Lengths are those along s, so that no place is lost where the plan's way is a little longer than its chord.
        """
        steps = np.diff(self.xy, axis=0)
        chord = np.maximum(np.hypot(*steps.T), 1e-9)[:, None] if len(steps) else np.ones((0, 1))
        ends = np.array([[np.cos(yaw), np.sin(yaw)] for yaw in (self.start_yaw_rad, self.end_yaw_rad)])
        begin = np.concatenate([self.xy[:1], self.xy])
        direction = np.concatenate([ends[:1], steps / chord, ends[1:]])
        return begin, direction, np.concatenate([[0.0], np.diff(self.s_m), [math.inf]])


def direction_of_travel(xy: ArrayLike, first_yaw_rad: float) -> FloatArray:
    """Headings [T] of a vehicle that drives forwards through points [T, 2]; where it stands it keeps its heading."""
    points = np.asarray(xy, np.float64)
    yaw = np.full(len(points), first_yaw_rad)
    last = points[0]
    for i in range(1, len(points)):
        step = points[i] - last
        moved = np.hypot(*step) > STANDING_STEP_M
        yaw[i] = np.arctan2(step[1], step[0]) if moved else yaw[i - 1]
        last = points[i] if moved else last
    first = int((yaw != first_yaw_rad).argmax())
    yaw[:first] = yaw[first]
    return yaw


def _require_waypoints(xy: FloatArray, columns: tuple[FloatArray, ...]) -> None:
    if xy.ndim != 2 or xy.shape[1] != 2 or len(xy) == 0 or any(column.shape != xy.shape[:1] for column in columns):
        raise PathRefusedError(
            f"a path needs at least one waypoint [T, 2] and as many values for each, got {list(xy.shape)} and "
            f"{[list(column.shape) for column in columns]}"
        )
    if not all(np.isfinite(values).all() for values in (xy, *columns)):
        raise PathRefusedError("the path holds NaN or infinity, all its values must be finite")


def _advance(xy: FloatArray, yaw: FloatArray) -> FloatArray:
    """Metres [T - 1] of each step along the vehicle's heading, negative in reverse."""
    steps = np.diff(xy, axis=0)
    middle = yaw[:-1] + (np.remainder(np.diff(yaw) + np.pi, 2 * np.pi) - np.pi) / 2
    return np.asarray(steps[:, 0] * np.cos(middle) + steps[:, 1] * np.sin(middle))


def _moving(s_m: FloatArray) -> list[int]:
    """Indices of waypoints that lie a step further along than the one kept before."""
    kept = [0]
    for i in range(1, len(s_m)):
        if s_m[i] - s_m[kept[-1]] > STANDING_STEP_M:
            kept.append(i)
    return kept


def _curvature(xy: FloatArray, s_m: FloatArray) -> FloatArray:
    """Curvature [P] at the corners of a path, from the turn between its chords; zero at both ends."""
    if len(xy) < 3:
        return np.zeros(len(xy))
    steps = np.diff(xy, axis=0)
    turn = np.remainder(np.diff(np.arctan2(steps[:, 1], steps[:, 0])) + np.pi, 2 * np.pi) - np.pi
    return np.asarray(np.concatenate([[0.0], turn / ((s_m[2:] - s_m[:-2]) / 2), [0.0]]))
