"""The simulator node's parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reasoning_vla_ros.ros.follower_parameters import COMMAND_TYPES
from reasoning_vla_ros.ros.parameter_specs import ParameterError, ParameterValues, parameter

LOCKSTEPS = ("off", "command", "plan")
MAX_SEED = 2**31 - 1


def camera_problem(entries: tuple[str, ...] | list[str]) -> str:
    """What is wrong with entries such as "front:0"; empty when nothing is."""
    try:
        parse_cameras(entries)
    except ParameterError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class CameraEntry:
    """How a camera looks: its yaw in base_link, radians, and width and height in pixels, None for those of all."""

    yaw_rad: float
    size: tuple[int, int] | None = None


def parse_cameras(entries: tuple[str, ...] | list[str]) -> dict[str, CameraEntry]:
    """By name, of entries such as "cross_left:60" or "view:0:800x400". Raises ParameterError."""
    cameras: dict[str, CameraEntry] = {}
    for entry in entries:
        name, _, rest = entry.partition(":")
        yaw_deg, _, size = rest.partition(":")
        try:
            yaw = math.radians(float(yaw_deg))
            width, height = (int(pixels) for pixels in size.split("x")) if size else (0, 0)
        except ValueError:
            yaw, width, height = math.nan, 0, 0
        is_named = name.isidentifier() and name.isascii() and name not in cameras
        has_size = not size or (16 <= width <= 4096 and 16 <= height <= 4096)
        if not (math.isfinite(yaw) and is_named and has_size):
            raise ParameterError(
                "a camera needs the form name:degrees or name:degrees:WIDTHxHEIGHT, 16 to 4096 pixels each, and a name "
                f"of its own, got {entry!r}"
            )
        cameras[name] = CameraEntry(yaw, (width, height) if size else None)
    return cameras


def tour_problem(text: str) -> str:
    """What is wrong with a tour such as "highway:3 merge:5"; empty when nothing is."""
    try:
        parse_tour(text)
    except ParameterError as error:
        return str(error)
    return ""


def parse_tour(text: str) -> tuple[tuple[str, int], ...]:
    """Scenario and seed of each part of a tour such as "highway:3 merge:5". Raises ParameterError."""
    legs = []
    for entry in text.split():
        scenario, _, seed = entry.partition(":")
        if not scenario or not seed.isascii() or not seed.isdecimal() or int(seed) > MAX_SEED:
            raise ParameterError(f"a part of a tour needs the form scenario:seed, got {entry!r}")
        legs.append((scenario, int(seed)))
    return tuple(legs)


@dataclass(frozen=True)
class SimulatorParameters(ParameterValues):
    """Values of all parameters, checked one by one."""

    scenario: str = parameter(
        "highway",
        "What is driven: highway, merge, roundabout, intersection or curves; setting it starts anew.",
        dynamic=True,
    )
    seed: int = parameter(
        0, "Of the scenario's roads and traffic; setting it starts anew.", minimum=0, maximum=MAX_SEED, dynamic=True
    )
    tour: str = parameter(
        "",
        "Scenarios to drive in turn in place of scenario and seed, with their seeds, as in highway:3 merge:5. Each "
        "ends as any does, or with max_duration_s; the node exits after the last.",
        check=tour_problem,
    )
    at_end: str = parameter(
        "stay", "After a collision, off the road or at the route's end: stand there, take the next seed, or exit.",
        choices=("stay", "next", "exit"), dynamic=True,
    )  # fmt: skip
    max_duration_s: float = parameter(
        0.0, "A scenario ends after so long, seconds; 0 for no limit.", minimum=0.0, maximum=1e6, dynamic=True
    )

    rate: float = parameter(
        1.0, "Times real time; the simulation is no faster than this.", minimum=0.001, maximum=1000.0, dynamic=True
    )
    step_s: float = parameter(0.05, "Of the simulation, /clock, odometry and /tf, seconds.", minimum=0.02, maximum=0.2)
    image_period_s: float = parameter(0.1, "Between images, a multiple of step_s, seconds.", minimum=0.02, maximum=10.0)
    lockstep: str = parameter(
        "off",
        "Time stands still until there is a command for the newest odometry (command), or also a plan for an image not "
        "long ago (plan), so that a slow machine drives as well as a fast one.",
        choices=LOCKSTEPS,
    )
    lockstep_plan_period_s: float = parameter(
        0.5, "With lockstep plan, how old a plan may get, seconds; the planner's max_rate_hz is 1 over this, or more.",
        minimum=0.02, maximum=10.0,
    )  # fmt: skip
    lockstep_limit_s: float = parameter(
        30.0, "It stands still no longer than this, seconds of real time.", minimum=0.01, maximum=3600.0, dynamic=True
    )

    cameras: tuple[str, ...] = parameter(
        ("front:0",),
        "Cameras as name:degrees, how far each looks to the left, or name:degrees:WIDTHxHEIGHT; images come on "
        "~/output/<name>/image.",
        check=camera_problem,
    )
    image_width: int = parameter(256, "Pixels, of cameras without a size of their own.", minimum=16, maximum=4096)
    image_height: int = parameter(128, "Likewise.", minimum=16, maximum=4096)
    horizontal_fov_deg: float = parameter(100.0, "How wide the cameras see, degrees.", minimum=10.0, maximum=150.0)

    command_type: str = parameter(
        "twist_stamped", "Message on ~/input/cmd_vel: geometry_msgs/TwistStamped or Twist.", choices=COMMAND_TYPES
    )
    command_timeout_s: float = parameter(
        0.5, "The vehicle brakes when no command is newer than this, seconds.", minimum=0.05, maximum=60.0, dynamic=True
    )
    response_s: float = parameter(
        0.2, "In which the vehicle takes up a target speed, seconds.", minimum=0.01, maximum=2.0
    )
    map_frame: str = parameter("odom", "Frame of the odometry.")
    base_frame: str = parameter("base_link", "Name of the vehicle's frame.")
    diagnostics_rate_hz: float = parameter(1.0, "Rate of /diagnostics.", minimum=0.1, maximum=100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.image_period_s / self.step_s
        if steps < 0.99 or abs(steps - round(steps)) > 1e-6:
            raise ParameterError(
                f"image_period_s needs to be a multiple of step_s, got {self.image_period_s} and {self.step_s}"
            )
        if self.lockstep != "off" and self.command_type != "twist_stamped":
            raise ParameterError(
                f"lockstep {self.lockstep!r} needs command_type 'twist_stamped', whose stamps it tells by"
            )
