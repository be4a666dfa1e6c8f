"""The follower node's parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields

from reasoning_vla_ros.planning.plan_follower import FollowerSettings
from reasoning_vla_ros.ros.parameter_specs import ParameterError, ParameterValues, parameter

COMMAND_TYPES = ("twist_stamped", "twist")
_DEFAULT = FollowerSettings()


@dataclass(frozen=True)
class FollowerParameters(ParameterValues):
    """Values of all parameters, checked one by one; those of :class:`FollowerSettings` go by its names."""

    command_type: str = parameter(
        "twist_stamped", "Message on ~/output/cmd_vel: geometry_msgs/TwistStamped or Twist.", choices=COMMAND_TYPES
    )
    rate_hz: float = parameter(20.0, "Commands per second, at most one for each odometry.", minimum=1.0, maximum=1000.0)
    base_frame: str = parameter("base_link", "Name of the vehicle's frame, in the header of commands.")
    diagnostics_rate_hz: float = parameter(1.0, "Rate of /diagnostics.", minimum=0.1, maximum=100.0)

    lookahead_time_s: float = parameter(
        _DEFAULT.lookahead_time_s, "The point that is steered at lies as far ahead as the vehicle drives in this time.",
        minimum=0.05, maximum=10.0, dynamic=True,
    )  # fmt: skip
    min_lookahead_m: float = parameter(
        _DEFAULT.min_lookahead_m, "That point's least distance, metres.", minimum=0.05, maximum=100.0, dynamic=True
    )
    max_lookahead_m: float = parameter(
        _DEFAULT.max_lookahead_m, "That point's greatest distance, metres.", minimum=0.05, maximum=100.0, dynamic=True
    )
    speed_gain_1ps: float = parameter(
        _DEFAULT.speed_gain_1ps, "Acceleration for each m/s that the vehicle is slower than the plan.",
        minimum=0.01, maximum=100.0, dynamic=True,
    )  # fmt: skip
    place_gain_1ps: float = parameter(
        _DEFAULT.place_gain_1ps, "How much faster than the plan, m/s, for each metre that the vehicle lies behind it.",
        minimum=0.0, maximum=100.0, dynamic=True,
    )  # fmt: skip
    max_catch_up_mps: float = parameter(
        _DEFAULT.max_catch_up_mps, "How much faster or slower than the plan at most, to be where it is, m/s.",
        minimum=0.0, maximum=20.0, dynamic=True,
    )  # fmt: skip
    delay_s: float = parameter(
        _DEFAULT.delay_s, "Until a command takes effect, seconds; it is made up for.",
        minimum=0.0, maximum=1.0, dynamic=True,
    )  # fmt: skip
    response_s: float = parameter(
        _DEFAULT.response_s, "In which the base takes up a target speed, seconds; the one asked for lies so far ahead.",
        minimum=0.01, maximum=2.0, dynamic=True,
    )  # fmt: skip
    max_acceleration_mps2: float = parameter(
        _DEFAULT.max_acceleration_mps2, "Greatest acceleration, m/s^2.", minimum=0.01, maximum=20.0, dynamic=True
    )
    max_deceleration_mps2: float = parameter(
        _DEFAULT.max_deceleration_mps2, "Greatest deceleration, m/s^2.", minimum=0.01, maximum=20.0, dynamic=True
    )
    max_jerk_mps3: float = parameter(
        _DEFAULT.max_jerk_mps3, "Greatest change of acceleration, m/s^3.", minimum=0.01, maximum=1000.0, dynamic=True
    )
    max_lateral_acceleration_mps2: float = parameter(
        _DEFAULT.max_lateral_acceleration_mps2, "Greatest lateral acceleration, m/s^2; bends are driven slower for it.",
        minimum=0.01, maximum=20.0, dynamic=True,
    )  # fmt: skip
    max_curvature_1pm: float = parameter(
        _DEFAULT.max_curvature_1pm, "Greatest curvature, 1/m.", minimum=0.001, maximum=100.0, dynamic=True
    )
    stop_deceleration_mps2: float = parameter(
        _DEFAULT.stop_deceleration_mps2, "Deceleration of the stop when there is nothing to follow, m/s^2.",
        minimum=0.01, maximum=20.0, dynamic=True,
    )  # fmt: skip
    max_plan_age_s: float = parameter(
        _DEFAULT.max_plan_age_s, "A plan whose t0 lies further back is not followed, seconds; 0 for no check.",
        minimum=0.0, maximum=3600.0, dynamic=True,
    )  # fmt: skip
    max_odometry_age_s: float = parameter(
        _DEFAULT.max_odometry_age_s, "The vehicle stops where its odometry is older, seconds; 0 for no check.",
        minimum=0.0, maximum=3600.0, dynamic=True,
    )  # fmt: skip
    max_deviation_m: float = parameter(
        _DEFAULT.max_deviation_m, "A vehicle further beside the path stops, metres.",
        minimum=0.01, maximum=1000.0, dynamic=True,
    )  # fmt: skip

    cruise_speed_mps: float = parameter(
        5.0, "Speed on a nav_msgs/Path whose poses all have one stamp, m/s.", minimum=0.01, maximum=70.0, dynamic=True
    )
    cruise_lateral_acceleration_mps2: float = parameter(
        1.5, "Lateral acceleration that bends of such a path are driven with, m/s^2.",
        minimum=0.01, maximum=20.0, dynamic=True,
    )  # fmt: skip
    cruise_acceleration_mps2: float = parameter(
        1.0, "Acceleration and deceleration along such a path, m/s^2.", minimum=0.01, maximum=20.0, dynamic=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings()

    def settings(self) -> FollowerSettings:
        """How plans are followed. Raises ParameterError."""
        try:
            return FollowerSettings(**{entry.name: getattr(self, entry.name) for entry in fields(FollowerSettings)})
        except ValueError as error:
            raise ParameterError(str(error)) from error
