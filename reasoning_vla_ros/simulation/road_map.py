"""Roads as highway-env's lanes and network, made in the ROS convention. The one place where y is mirrored.

highway-env: E. Leurent, "An Environment for Autonomous Driving Decision-Making", 2018. Its y axis points to the right
of x, so its headings grow to the right as well.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from highway_env.road.lane import AbstractLane, CircularLane, LineType, StraightLane
from highway_env.road.road import RoadNetwork
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.world_state import Direction, LaneGeometry, LineKind

LANE_WIDTH_M = 4.0
TRAFFIC_LATERAL_MPS2 = 2.4
PIECE_M = 40.0  # lanes are cut into pieces of this length for drawing, so that what is out of sight is left out

LaneIndex = tuple[str, str, int]
Lines = tuple[LineKind, LineKind]
_LINE_TYPES: dict[LineKind, int] = {
    "none": LineType.NONE,
    "dashed": LineType.STRIPED,
    "solid": LineType.CONTINUOUS_LINE,
}
_LINE_KINDS: dict[int, LineKind] = {
    LineType.NONE: "none",
    LineType.STRIPED: "dashed",
    LineType.CONTINUOUS: "solid",
    LineType.CONTINUOUS_LINE: "solid",
}


def mirrored(xy: NDArray[np.float64] | tuple[float, float]) -> NDArray[np.float64]:
    """Points [..., 2] of highway-env in the map frame, and back."""
    return np.asarray(xy, dtype=np.float64) * np.array([1.0, -1.0])


class PathLane(AbstractLane):
    """A lane of highway-env along any :class:`Path`."""

    def __init__(self, path: Path, lines: Lines, speed_limit_mps: float) -> None:
        self.path, self.length, self.width = path, path.length_m, LANE_WIDTH_M
        self.line_types = [_LINE_TYPES[line] for line in lines]
        self.speed_limit, self.forbidden, self.priority = speed_limit_mps, False, 0

    def position(self, longitudinal: float, lateral: float) -> NDArray[np.float64]:
        yaw = self.path.yaw_rad[self.path.index(longitudinal)]
        return mirrored(self.path.point(longitudinal) + lateral * np.array([np.sin(yaw), -np.cos(yaw)]))

    def local_coordinates(self, position: NDArray[np.float64]) -> tuple[float, float]:
        s_m, left_m = self.path.project((position[0], -position[1]))
        return s_m, -left_m

    def heading_at(self, longitudinal: float) -> float:
        return -float(self.path.yaw_rad[self.path.index(longitudinal)])

    def width_at(self, longitudinal: float) -> float:
        return self.width


def straight_lane(
    start: tuple[float, float], end: tuple[float, float], lines: Lines, speed_limit_mps: float
) -> AbstractLane:
    """A straight lane between two points of the map frame."""
    types = (_LINE_TYPES[lines[0]], _LINE_TYPES[lines[1]])
    return StraightLane(mirrored(start), mirrored(end), LANE_WIDTH_M, types, speed_limit=speed_limit_mps)


def arc_lane(
    center: tuple[float, float],
    radius_m: float,
    from_rad: float,
    to_rad: float,
    lines: Lines,
    speed_limit_mps: float,
) -> AbstractLane:
    """An arc around a centre in the map frame, between two angles; counter-clockwise where they grow.

    Its limit is at most the speed at which the lateral acceleration is 2.4 m/s², for the traffic to slow down.
    """
    types = [_LINE_TYPES[lines[0]], _LINE_TYPES[lines[1]]]
    clockwise_in_highway_env = to_rad < from_rad
    return CircularLane(
        mirrored(center),
        radius_m,
        -from_rad,
        -to_rad,
        clockwise_in_highway_env,
        LANE_WIDTH_M,
        types,
        speed_limit=min(speed_limit_mps, float(np.sqrt(TRAFFIC_LATERAL_MPS2 * radius_m))),
    )


@dataclass(frozen=True)
class EgoRoute:
    """A way through the map.

    Attributes:
        legs: the roads one after the other, as (from, to) nodes, each with the ids of its parallel lanes, left to
            right; every leg has the same number of them.
        direction, exit_number: the way it takes at the junction, if there is one.
        junction_legs: first and last leg that lie in the junction.
    """

    legs: tuple[tuple[str, str, tuple[int, ...]], ...]
    direction: Direction = "straight"
    exit_number: int = 0
    junction_legs: tuple[int, int] | None = None

    def lane_indices(self, lane: int) -> list[LaneIndex]:
        """The lanes of the `lane`-th parallel way, 0 on the left."""
        return [(start, end, ids[lane]) for start, end, ids in self.legs]

    @property
    def num_lanes(self) -> int:
        return len(self.legs[0][2])


@dataclass(frozen=True)
class RightOfWay:
    """Who gives way where; see :mod:`right_of_way`.

    Attributes:
        kind: crossing (minor roads and left turns give way), roundabout (the ring goes first), merge (like a zip).
        connectors: lanes that lead across the junction, or into the ring.
        center, radius_m: of the ring; for a merge, the point where the two lanes have become one.
    """

    kind: Literal["crossing", "roundabout", "merge"]
    connectors: tuple[LaneIndex, ...] = ()
    ranks: dict[LaneIndex, int] = field(default_factory=dict)
    center: tuple[float, float] = (0.0, 0.0)
    radius_m: float = 0.0


@dataclass(frozen=True)
class RoadMap:
    """A road network with the ways through it; `conflicts` and `waiting_lines_m` are filled in as they are needed."""

    network: RoadNetwork
    ego_routes: tuple[EgoRoute, ...]
    traffic_routes: tuple[tuple[LaneIndex, ...], ...]
    right_of_way: RightOfWay | None = None
    speed_limit_mps: float = 15.0
    conflicts: dict[tuple[LaneIndex, LaneIndex], tuple[float, float, float, float] | None] = field(default_factory=dict)
    waiting_lines_m: dict[LaneIndex, float] = field(default_factory=dict)

    def ego_path(self, route: EgoRoute, lane: int) -> Path:
        """The middle of the `lane`-th parallel way of a route."""
        return Path(
            np.concatenate([lane_points(self.network.get_lane(index)) for index in route.lane_indices(lane)]), 1.0
        )

    def is_joined(self, index: LaneIndex) -> bool:
        """Whether a ramp comes into this lane at its end."""
        rule = self.right_of_way
        return rule is not None and rule.kind == "merge" and index == rule.connectors[1]

    def geometry(self) -> tuple[LaneGeometry, ...]:
        """All lanes, cut into pieces."""
        junction = set(self.right_of_way.connectors) if self.right_of_way else set()
        is_open = self.right_of_way is not None and self.right_of_way.kind == "crossing"
        pieces: list[LaneGeometry] = []
        for lane_id, (index, lane) in enumerate(self.network.lanes_dict().items()):
            count = max(1, round(lane.length / PIECE_M))
            bounds = np.linspace(0.0, lane.length, count + 1)
            for start_m, end_m in itertools.pairwise(bounds.tolist()):
                s_m = np.linspace(start_m, end_m, max(2, int((end_m - start_m) / 2.0) + 1))
                center, left, right = (
                    mirrored(np.array([lane.position(s, lateral) for s in s_m]))
                    for lateral in (0.0, -LANE_WIDTH_M / 2, LANE_WIDTH_M / 2)
                )
                lines = [_LINE_KINDS[int(kind)] for kind in lane.line_types]
                inside = is_open and index in junction
                if self.is_joined(index) and lane.length - start_m < 1.5 * PIECE_M:
                    lines[1] = "dashed"
                pieces.append(
                    LaneGeometry(
                        lane_id, center, left, right, lines[0], lines[1], LANE_WIDTH_M, float(lane.speed_limit), inside
                    )
                )
        return tuple(pieces)


def lane_points(lane: AbstractLane, step_m: float = 1.0) -> NDArray[np.float64]:
    """The middle of a lane of highway-env in the map frame, float64 [N, 2]."""
    count = max(2, round(lane.length / step_m) + 1)
    return mirrored(np.array([lane.position(s_m, 0.0) for s_m in np.linspace(0.0, lane.length, count)]))
