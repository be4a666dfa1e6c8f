"""What there is in the world at one instant, in the ROS convention: x forward, y left, z up, metres, radians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

VehicleKind = Literal["car", "truck", "barrier", "cone"]
LineKind = Literal["none", "dashed", "solid"]
Light = Literal["day", "dusk", "night"]
Weather = Literal["clear", "fog", "rain"]
Direction = Literal["left", "straight", "right"]

LIGHTS: tuple[Light, ...] = ("day", "dusk", "night")
WEATHERS: tuple[Weather, ...] = ("clear", "fog", "rain")
HEIGHTS_M: dict[VehicleKind, float] = {"car": 1.55, "truck": 3.2, "barrier": 1.1, "cone": 0.9}


@dataclass(frozen=True)
class VehicleState:
    """A road user or a thing that stands on the road. The pose is that of the footprint's centre, in the map frame."""

    id: int
    kind: VehicleKind
    xy: tuple[float, float]
    yaw_rad: float
    speed_mps: float
    acceleration_mps2: float
    is_braking: bool
    length_m: float
    width_m: float
    lane_id: int

    @property
    def is_obstacle(self) -> bool:
        """Whether it is a thing that never moves: a barrier or a cone."""
        return self.kind in ("barrier", "cone")


@dataclass(frozen=True)
class EgoState:
    """The ego vehicle; base_link lies on the ground under the footprint's centre."""

    xy: tuple[float, float]
    yaw_rad: float
    speed_mps: float
    acceleration_mps2: float
    curvature_1pm: float
    length_m: float = 4.6
    width_m: float = 1.9

    @property
    def yaw_rate_rps(self) -> float:
        return self.speed_mps * self.curvature_1pm

    @property
    def pose_in_map(self) -> NDArray[np.float64]:
        """base_link in the map frame, float64 [4, 4]."""
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        pose = np.eye(4)
        pose[:2, :2] = [[cos, -sin], [sin, cos]]
        pose[:2, 3] = self.xy
        return pose


@dataclass(frozen=True, eq=False)
class LaneGeometry:
    """A lane or a piece of one.

    Attributes:
        center, left, right: polylines in the driving direction, float64 [N, 2], map frame.
        left_line, right_line: how its edges are painted.
        is_junction: whether it leads across a junction.
    """

    lane_id: int
    center: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    left_line: LineKind
    right_line: LineKind
    width_m: float
    speed_limit_mps: float
    is_junction: bool = False


@dataclass(frozen=True)
class Conditions:
    """Light and weather; `fog_range_m` is the distance at which contrast falls to a third."""

    light: Light = "day"
    weather: Weather = "clear"
    fog_range_m: float = 1000.0


@dataclass(frozen=True)
class Junction:
    """The next junction on the ego's route.

    Attributes:
        kind: a crossing of two roads, or a roundabout.
        distance_m: from base_link to the line where one waits, along the route; negative once it is passed.
        end_m: from base_link to the end of the junction.
        direction: the way the route takes.
        exit_number: of a roundabout, 1 for the first.
    """

    kind: Literal["crossing", "roundabout"]
    distance_m: float
    end_m: float
    direction: Direction
    exit_number: int = 0


@dataclass(frozen=True, eq=False)
class WorldState:
    """The world at one instant.

    Attributes:
        time_s: since the start.
        vehicles: all but the ego; obstacles stand in `obstacles`.
        lanes: the same tuple at all times of a world.
        route: the ego's lane and its continuation along the route, from base_link on, float64 [N, 2], a point every
            metre.
        side_routes: the same for the lanes to the left and to the right, None where there is none.
        junction: the next junction on the route, None where there is none within 120 m.
        navigation: the instruction, without the speed limit.
    """

    time_s: float
    ego: EgoState
    vehicles: tuple[VehicleState, ...]
    obstacles: tuple[VehicleState, ...]
    lanes: tuple[LaneGeometry, ...]
    conditions: Conditions
    speed_limit_mps: float
    route: NDArray[np.float64]
    side_routes: dict[Literal["left", "right"], NDArray[np.float64] | None]
    junction: Junction | None
    navigation: str

    @property
    def things(self) -> tuple[VehicleState, ...]:
        """Vehicles and obstacles."""
        return self.vehicles + self.obstacles


@dataclass(frozen=True)
class EgoCommand:
    """What a driver asks of the ego: acceleration, and curvature of the path, positive to the left."""

    acceleration_mps2: float
    curvature_1pm: float
