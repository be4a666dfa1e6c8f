"""Follows plans: the newest plan and the vehicle's motion in, acceleration and curvature out.

Steering is pure pursuit (Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", 1992): the arc that
leads to a point of the path some way ahead. Speed goes by time: the plan's acceleration, corrected by how far the
vehicle's speed and place are from those that the plan has for this instant. Both are reckoned from where the vehicle
will be when the command takes effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from reasoning_vla_ros.planning.followed_path import FollowedPath

# Below this speed a vehicle that is to stand is held, and its curvature no longer tells anything.
STANDING_MPS = 0.1
# Of a time-parametrised path only what lies so near to where the plan is by now counts as the vehicle's place.
SEARCH_M = 30.0
MAX_STEP_S = 0.5


@dataclass(frozen=True)
class FollowerSettings:
    """How a plan is followed. The defaults are those of a car.

    Attributes:
        lookahead_time_s, min_lookahead_m, max_lookahead_m: the point that is steered at lies as far ahead as the
            vehicle drives in that time, within bounds.
        speed_gain_1ps: acceleration for each m/s that the vehicle is too slow.
        place_gain_1ps: m/s faster for each metre that the vehicle lies behind the plan, at most `max_catch_up_mps`.
        delay_s: until a command takes effect.
        response_s: in which the base takes up a target speed; :attr:`FollowCommand.speed_mps` lies so far ahead.
        max_acceleration_mps2, max_deceleration_mps2, max_jerk_mps3: bounds of the acceleration, both positive, and of
            its change.
        max_lateral_acceleration_mps2, max_curvature_1pm: bounds of the curvature.
        stop_deceleration_mps2: of the stop when there is nothing to follow.
        max_plan_age_s: a plan whose t0 lies further back is not followed; 0 for no check.
        max_odometry_age_s: the vehicle's motion may be no older; 0 for no check.
        max_deviation_m: a vehicle further beside the path stops.
    """

    lookahead_time_s: float = 0.6
    min_lookahead_m: float = 3.0
    max_lookahead_m: float = 25.0
    speed_gain_1ps: float = 1.5
    place_gain_1ps: float = 0.4
    max_catch_up_mps: float = 2.0
    delay_s: float = 0.05
    response_s: float = 0.2
    max_acceleration_mps2: float = 3.0
    max_deceleration_mps2: float = 6.0
    max_jerk_mps3: float = 20.0
    max_lateral_acceleration_mps2: float = 4.0
    max_curvature_1pm: float = 0.2
    stop_deceleration_mps2: float = 2.5
    max_plan_age_s: float = 3.0
    max_odometry_age_s: float = 0.5
    max_deviation_m: float = 4.0

    def __post_init__(self) -> None:
        may_be_zero = ("delay_s", "max_plan_age_s", "max_odometry_age_s", "place_gain_1ps", "max_catch_up_mps")
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and (value > 0 or (value == 0 and field.name in may_be_zero))):
                raise ValueError(f"{field.name} must be positive, got {value}")
        if self.min_lookahead_m > self.max_lookahead_m:
            raise ValueError(
                f"min_lookahead_m must not exceed max_lookahead_m, got {self.min_lookahead_m} > {self.max_lookahead_m}"
            )


@dataclass(frozen=True)
class VehicleMotion:
    """Pose and speed of base_link at an instant, in the frame of the plans."""

    stamp_ns: int
    xy: tuple[float, float]
    yaw_rad: float
    speed_mps: float


@dataclass(frozen=True)
class FollowCommand:
    """What the vehicle is to do now.

    Attributes:
        acceleration_mps2, curvature_1pm: within the settings' bounds; curvature is positive to the left.
        speed_mps: target for a base that takes speeds; never negative.
        reason: why the vehicle stops; empty while it follows a plan.
        plan_age_s: since the plan's t0, None without a plan.
        lateral_error_m: how far the vehicle lies to the left of the path; NaN without a plan.
        place_error_m: how far it lies ahead of the plan; 0 for a path without time, NaN without a plan.
    """

    acceleration_mps2: float
    curvature_1pm: float
    speed_mps: float
    reason: str = ""
    plan_age_s: float | None = None
    lateral_error_m: float = math.nan
    place_error_m: float = math.nan

    @property
    def yaw_rate_rps(self) -> float:
        """Of the target speed, so that both together are an arc of that curvature."""
        return self.curvature_1pm * self.speed_mps


class PlanFollower:
    """Keeps the newest plan and follows it. Not thread-safe.

    Args:
        settings: limits and gains.
    """

    def __init__(self, settings: FollowerSettings | None = None) -> None:
        self.settings = settings or FollowerSettings()
        self.reset()

    def reset(self) -> None:
        """Forgets everything, as when time or the vehicle starts anew."""
        self._path: FollowedPath | None = None
        self._s_m: float | None = None
        self._command = FollowCommand(0.0, 0.0, 0.0)
        self._command_ns: int | None = None

    @property
    def path(self) -> FollowedPath | None:
        """The plan that is followed."""
        return self._path

    def take(self, path: FollowedPath) -> bool:
        """Follows a plan from now on, in place of the one before; False, and no change, if that one is newer."""
        if self._path is not None and path.t0_ns < self._path.t0_ns:
            return False
        self._path, self._s_m = path, None
        return True

    def command(self, vehicle: VehicleMotion, now_ns: int) -> FollowCommand:
        """What to do at `now_ns`, the clock of the plans' and the vehicle's stamps; never outside the limits."""
        settings = self.settings
        step_s = MAX_STEP_S if self._command_ns is None else min((now_ns - self._command_ns) * 1e-9, MAX_STEP_S)
        age_s = (now_ns - vehicle.stamp_ns) * 1e-9
        reason = self._no_motion(vehicle, age_s) or self._no_plan(now_ns)
        # Where the vehicle's motion is not known, the last command stands for it.
        is_known = all(math.isfinite(value) for value in (*vehicle.xy, vehicle.yaw_rad, vehicle.speed_mps))
        ahead_s = min(max(age_s, 0.0), MAX_STEP_S) + settings.delay_s
        speed_mps = max(vehicle.speed_mps + self._command.acceleration_mps2 * ahead_s, 0.0) if is_known else 0.0
        curvature, lateral_m, place_m = self._command.curvature_1pm, math.nan, math.nan
        wanted_mps2 = self._braking(speed_mps) if is_known else -settings.stop_deceleration_mps2
        if is_known and self._path is not None:
            mean_mps = (max(vehicle.speed_mps, 0.0) + speed_mps) / 2
            xy, yaw_rad = _moved(vehicle, curvature, mean_mps * ahead_s)
            time_s = (now_ns - self._path.t0_ns) * 1e-9 + settings.delay_s
            near_m = self._s_m if self._path.times_s is None else self._path.motion(time_s, 0.0).s_m
            s_m, lateral_m = self._path.project(xy, near_m, SEARCH_M)
            self._s_m = s_m
            plan = self._path.motion(time_s, s_m)
            place_m = s_m - plan.s_m
            steered = self._pursue(self._path, s_m, xy, yaw_rad, speed_mps)
            if steered is None:
                reason = reason or "the path ahead lies behind the vehicle, which does not drive in reverse"
            elif abs(lateral_m) > settings.max_deviation_m:
                reason = reason or (
                    f"the vehicle is {abs(lateral_m):.2f} m beside the path, at most {settings.max_deviation_m:g} m "
                    "are allowed"
                )
            if steered is not None:
                curvature = steered
            if not reason:
                wanted_mps2 = self._accelerate(plan.speed_mps, plan.acceleration_mps2, place_m, speed_mps, steered)
                wanted_mps2 = min(wanted_mps2, self._at_the_end(self._path, s_m, speed_mps))
        acceleration = self._limited(wanted_mps2, step_s)
        known_mps = max(vehicle.speed_mps, 0.0) if is_known else max(self._command.speed_mps, 0.0)
        self._command = FollowCommand(
            acceleration_mps2=acceleration,
            curvature_1pm=self._bent(curvature, speed_mps),
            speed_mps=max(known_mps + acceleration * settings.response_s, 0.0),
            reason=reason,
            plan_age_s=None if self._path is None else (now_ns - self._path.t0_ns) * 1e-9,
            lateral_error_m=lateral_m,
            place_error_m=place_m,
        )
        self._command_ns = now_ns
        return self._command

    # Reasons to stop ------------------------------------------------------------------------------------------------

    def _no_motion(self, vehicle: VehicleMotion, age_s: float) -> str:
        values = (*vehicle.xy, vehicle.yaw_rad, vehicle.speed_mps)
        if not all(math.isfinite(value) for value in values):
            return f"the odometry holds NaN or infinity, its values must be finite: {values}"
        limit_s = self.settings.max_odometry_age_s
        if limit_s and abs(age_s) > limit_s:
            return f"the odometry is {age_s:.3f} s old, max_odometry_age_s allows {limit_s:.3f} s"
        return ""

    def _no_plan(self, now_ns: int) -> str:
        if self._path is None:
            return "no plan has arrived"
        age_s, limit_s = (now_ns - self._path.t0_ns) * 1e-9, self.settings.max_plan_age_s
        if limit_s and abs(age_s) > limit_s:
            return f"the newest plan is {age_s:.3f} s old, max_plan_age_s allows {limit_s:.3f} s"
        if age_s > self._path.duration_s:
            return f"the newest plan is {age_s:.3f} s old and covers {self._path.duration_s:.3f} s"
        return ""

    # Speed ----------------------------------------------------------------------------------------------------------

    def _accelerate(
        self, plan_mps: float, plan_mps2: float, place_m: float, speed_mps: float, curvature: float | None
    ) -> float:
        settings = self.settings
        correction_mps = -settings.place_gain_1ps * place_m
        target_mps = plan_mps + min(max(correction_mps, -settings.max_catch_up_mps), settings.max_catch_up_mps)
        bend_mps = math.sqrt(settings.max_lateral_acceleration_mps2 / max(abs(curvature or 0.0), 1e-6))
        if target_mps > bend_mps:
            target_mps, plan_mps2 = bend_mps, min(plan_mps2, 0.0)
        if plan_mps <= STANDING_MPS and target_mps <= STANDING_MPS and plan_mps2 <= 0:
            return self._braking(speed_mps) if speed_mps <= 5 * STANDING_MPS else -settings.speed_gain_1ps * speed_mps
        return plan_mps2 + settings.speed_gain_1ps * (target_mps - speed_mps)

    def _at_the_end(self, path: FollowedPath, s_m: float, speed_mps: float) -> float:
        """The acceleration that still allows a stop at the path's end, braking as hard as may be."""
        left_m = max(path.length_m - s_m, 1e-3)
        if speed_mps**2 / (2 * left_m) > 0.8 * self.settings.max_deceleration_mps2 and speed_mps > STANDING_MPS:
            return -(speed_mps**2) / (2 * left_m)
        return math.inf

    def _braking(self, speed_mps: float) -> float:
        """Comfortable, and without a jolt at the end."""
        return -min(self.settings.stop_deceleration_mps2, speed_mps / self.settings.response_s)

    def _limited(self, acceleration_mps2: float, step_s: float) -> float:
        settings, last = self.settings, self._command.acceleration_mps2
        change = settings.max_jerk_mps3 * max(step_s, 0.0)
        value = min(max(acceleration_mps2, last - change), last + change)
        return float(min(max(value, -settings.max_deceleration_mps2), settings.max_acceleration_mps2))

    # Steering -------------------------------------------------------------------------------------------------------

    def _pursue(self, path: FollowedPath, s_m: float, xy: np.ndarray, yaw_rad: float, speed_mps: float) -> float | None:
        """Curvature of the arc to the point ahead; None where that lies behind the vehicle."""
        settings = self.settings
        lookahead_m = speed_mps * settings.lookahead_time_s
        lookahead_m = min(max(lookahead_m, settings.min_lookahead_m), settings.max_lookahead_m)
        dx, dy = (path.point(s_m + lookahead_m) - xy).tolist()
        forward_m = math.cos(yaw_rad) * dx + math.sin(yaw_rad) * dy
        left_m = math.cos(yaw_rad) * dy - math.sin(yaw_rad) * dx
        if forward_m <= 0:
            return None
        return 2 * left_m / (dx**2 + dy**2)

    def _bent(self, curvature_1pm: float, speed_mps: float) -> float:
        settings = self.settings
        limit = min(
            settings.max_curvature_1pm, settings.max_lateral_acceleration_mps2 / max(speed_mps, STANDING_MPS) ** 2
        )
        return float(min(max(curvature_1pm, -limit), limit))


def _moved(vehicle: VehicleMotion, curvature_1pm: float, way_m: float) -> tuple[np.ndarray, float]:
    """Position [2] and heading after so much way on an arc."""
    turn = curvature_1pm * way_m
    chord_m = way_m * float(np.sinc(turn / 2 / np.pi))
    middle = vehicle.yaw_rad + turn / 2
    return np.array(vehicle.xy) + chord_m * np.array([math.cos(middle), math.sin(middle)]), vehicle.yaw_rad + turn
