"""The driving world: highway-env's roads and traffic, and an ego that takes commands."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation import footprints
from reasoning_vla_ros.simulation.ego_motion import move
from reasoning_vla_ros.simulation.navigation_text import instruction
from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.population import close_lane, populate
from reasoning_vla_ros.simulation.right_of_way import ring_line_m
from reasoning_vla_ros.simulation.road_map import LANE_WIDTH_M, EgoRoute, LaneIndex, RoadMap
from reasoning_vla_ros.simulation.scenarios import SCENARIOS, ScenarioSettings, draw_setup, find_scenario
from reasoning_vla_ros.simulation.sight import Sight
from reasoning_vla_ros.simulation.traffic import EgoVehicle, TrafficRoad, TrafficVehicle
from reasoning_vla_ros.simulation.world_state import (
    Direction,
    EgoCommand,
    EgoState,
    Junction,
    VehicleState,
    WorldState,
)

OFF_ROAD_M = 0.3
DISPLACED_GAP_M = 0.5  # to others, where the ego is put aside
BRAKE_LIGHT_MPS2 = -0.6
JUNCTION_IN_VIEW_M = 120.0
ROUTE_AHEAD_M = 110.0
STEPS_S = (0.02, 0.2)


class World:
    """A scenario that runs. The same scenario, seed, settings and commands give the same states, bit for bit.

    Attributes:
        road: highway-env's road with all vehicles, in highway-env's frame.
        ego: the ego's state, map frame.
        paths: the ego's parallel ways along its route, left to right.
        lane: which of them the ego is on.
        s_m: arc length of base_link on each of them.
        progress_m: driven along the route so far.
        has_collided: whether the ego's footprint has touched another's.
        has_left_road: whether a corner of it has been more than 0.3 m off all lanes.
    """

    def __init__(self, scenario: str, seed: int, settings: ScenarioSettings | None = None) -> None:
        """A new world.

        Raises:
            ValueError: an unknown scenario, or settings that it does not have.
        """
        found = find_scenario(scenario)
        rng = np.random.default_rng([seed, list(SCENARIOS).index(scenario)])
        setup = draw_setup(found, settings or ScenarioSettings(), rng)
        self.setup, self.seed = setup, seed
        road_map = found.build(rng, setup.num_lanes, setup.speed_limit_mps)
        self.lanes = road_map.geometry()
        routes = road_map.ego_routes
        self.route: EgoRoute = routes[found.directions.index(setup.direction)]
        self.paths, self._leg_ends_m = self._ways(road_map)
        self._area = footprints.DrivableArea(np.concatenate([lane.center for lane in self.lanes]), LANE_WIDTH_M / 2)
        self.navigation = instruction(setup.scenario.name, self.route, np.random.default_rng([seed, 7]))

        self.lane = int(rng.integers(len(self.paths)))
        start_m = float(rng.uniform(*found.start_m))
        range_m = 80.0 if setup.conditions.weather != "fog" else min(80.0, setup.conditions.fog_range_m)
        self.road = TrafficRoad(road_map, rng, Sight(range_m=range_m))
        path = self.paths[self.lane]
        xy, yaw = path.point(start_m), float(path.yaw_rad[path.index(start_m)])
        speed = setup.speed_limit_mps * float(rng.uniform(0.6, 1.0))
        if self.route.num_lanes == 1 and rng.random() < 0.1:
            speed = 0.0
        self.ego = EgoState((float(xy[0]), float(xy[1])), yaw, speed, 0.0, 0.0)
        self.s_m = [along.project(self.ego.xy)[0] for along in self.paths]
        self.road.ego = EgoVehicle(self.road, self.ego, *self._ego_lane())
        self.road.vehicles.append(self.road.ego)
        if len(self.paths) > 1 and rng.random() < setup.obstacle_probability:
            closed = self.lane if rng.random() < 0.7 else int(rng.integers(len(self.paths)))
            close_lane(self.road, self.paths[closed], start_m + float(rng.uniform(110.0, 300.0)))
        populate(self.road, setup, self.route, self.lane, rng)
        for number, thing in enumerate(self.road.objects):
            thing.number = 1000 + number
        self.time_s, self.progress_m = 0.0, 0.0
        self.has_collided, self.has_left_road = False, False

    def step(self, command: EgoCommand, dt_s: float = 0.1) -> None:
        """Move everything on by `dt_s` seconds (0.02 to 0.2).

        Raises:
            ValueError: a step outside these bounds, or a command that is not finite.
        """
        if not STEPS_S[0] <= dt_s <= STEPS_S[1]:
            raise ValueError(f"dt_s must lie between {STEPS_S[0]} and {STEPS_S[1]}, got {dt_s}")
        moved = move(self.ego, command, dt_s)
        self.road.time_s = self.time_s
        self.road.act()
        for vehicle in self.road.vehicles:
            vehicle.step(dt_s)
        self.road.vehicles = [vehicle for vehicle in self.road.vehicles if not getattr(vehicle, "has_left", False)]
        self.ego = moved
        self.time_s += dt_s
        before_m = self.s_m[self.lane]
        projections = [path.project(moved.xy, s) for path, s in zip(self.paths, self.s_m, strict=True)]
        self.s_m = [s for s, _ in projections]
        self.progress_m += self.s_m[self.lane] - before_m
        self.lane = int(np.argmin([abs(left) for _, left in projections]))
        ego_vehicle = self.road.ego
        assert ego_vehicle is not None
        ego_vehicle.follow(moved, *self._ego_lane())
        outline = footprints.corners(moved.xy, moved.yaw_rad, moved.length_m, moved.width_m)
        self.has_left_road |= self._area.outside_m(outline) > OFF_ROAD_M
        self.has_collided |= self.min_gap_m() < 0.0

    def displace(self, left_m: float, turn_rad: float) -> bool:
        """Puts the ego beside where it is and turns it, to ask what it would do there. Nothing moves on.

        Returns:
            Whether there is room: where it would touch something or stand off the road, it stays where it is.
        """
        ego = self.ego
        cos, sin = np.cos(ego.yaw_rad), np.sin(ego.yaw_rad)
        moved = replace(ego, xy=(ego.xy[0] - sin * left_m, ego.xy[1] + cos * left_m), yaw_rad=ego.yaw_rad + turn_rad)
        outline = footprints.corners(moved.xy, moved.yaw_rad, moved.length_m, moved.width_m)
        self.ego = moved
        if self._area.outside_m(outline) > 0.0 or self.min_gap_m() < DISPLACED_GAP_M:
            self.ego = ego
            return False
        projections = [path.project(moved.xy, s) for path, s in zip(self.paths, self.s_m, strict=True)]
        self.s_m = [s for s, _ in projections]
        self.lane = int(np.argmin([abs(left) for _, left in projections]))
        assert self.road.ego is not None
        self.road.ego.follow(moved, *self._ego_lane())
        return True

    def min_gap_m(self) -> float:
        """Distance from the ego's footprint to the nearest other one; negative where they overlap; at most 40 m."""
        outline = footprints.corners(self.ego.xy, self.ego.yaw_rad, self.ego.length_m, self.ego.width_m)
        gap_m = 40.0
        x, y = self.ego.xy
        for other in (*self.road.vehicles, *self.road.objects):
            if other is self.road.ego or np.hypot(other.position[0] - x, -other.position[1] - y) > gap_m + 15.0:
                continue
            theirs = (float(other.position[0]), -float(other.position[1]))
            gap_m = min(
                gap_m, footprints.gap_m(outline, footprints.corners(theirs, -other.heading, other.LENGTH, other.WIDTH))
            )
        return gap_m

    @property
    def is_finished(self) -> bool:
        """Whether the ego is within 40 m of its route's end."""
        return self.s_m[self.lane] > self.paths[self.lane].length_m - 40.0

    def state(self) -> WorldState:
        """The world at this instant."""
        path, s_m = self.paths[self.lane], self.s_m[self.lane]
        sides: dict[Literal["left", "right"], NDArray[np.float64] | None] = {"left": None, "right": None}
        if self.lane > 0:
            sides["left"] = self.paths[self.lane - 1].ahead(self.s_m[self.lane - 1], ROUTE_AHEAD_M)
        if self.lane < len(self.paths) - 1:
            sides["right"] = self.paths[self.lane + 1].ahead(self.s_m[self.lane + 1], ROUTE_AHEAD_M)
        vehicles = tuple(_vehicle_state(v) for v in self.road.vehicles if isinstance(v, TrafficVehicle))
        return WorldState(
            time_s=self.time_s,
            ego=self.ego,
            vehicles=vehicles,
            obstacles=tuple(_vehicle_state(thing) for thing in self.road.objects),
            lanes=self.lanes,
            conditions=self.setup.conditions,
            speed_limit_mps=self.speed_limit_mps,
            route=path.ahead(s_m, ROUTE_AHEAD_M),
            side_routes=sides,
            junction=self.junction(),
            navigation=self.navigation,
        )

    @property
    def speed_limit_mps(self) -> float:
        """Of the ego's road, junctions and ramps included."""
        return self.setup.speed_limit_mps

    def junction(self) -> Junction | None:
        """The next junction on the route, until the ego has left it."""
        legs = self.route.junction_legs
        if legs is None:
            return None
        ends_m, s_m = self._leg_ends_m[self.lane], self.s_m[self.lane]
        line_m, end_m = ends_m[legs[0] - 1], ends_m[legs[1]]
        is_ring = self.setup.scenario.name == "roundabout"
        if is_ring:
            line_m += ring_line_m(self.road.map, self.route.lane_indices(self.lane)[legs[0]])
        if end_m < s_m or line_m - s_m > JUNCTION_IN_VIEW_M:
            return None
        kind: Literal["crossing", "roundabout"] = "roundabout" if is_ring else "crossing"
        return Junction(kind, line_m - s_m, end_m - s_m, self.route.direction, self.route.exit_number)

    def remove_vehicle(self, vehicle_id: int) -> None:
        """Take a vehicle or an obstacle out of the world, to ask what the ego would do without it.

        Raises:
            ValueError: there is none of that id.
        """
        things = [thing for thing in (*self.road.vehicles, *self.road.objects) if thing is not self.road.ego]
        if all(thing.number != vehicle_id for thing in things):
            raise ValueError(f"no vehicle with id {vehicle_id}; there are {sorted(thing.number for thing in things)}")
        ego = self.road.ego
        self.road.vehicles = [thing for thing in self.road.vehicles if thing is ego or thing.number != vehicle_id]
        self.road.objects = [thing for thing in self.road.objects if thing.number != vehicle_id]

    def take_route(self, direction: Direction) -> None:
        """Send the ego another way from here on, to ask what it would do if it were told so. Road and traffic stay.

        Raises:
            ValueError: a direction that there is no route for, or the ego is on the junction already, past it or
                further than 120 m from it.
        """
        directions = self.setup.scenario.directions
        if direction not in directions:
            raise ValueError(f"{self.setup.scenario.name} has routes {directions}, got direction {direction!r}")
        junction = self.junction()
        if junction is None or junction.distance_m <= 0:
            where = "none is near" if junction is None else f"it is {junction.distance_m:.1f} m away"
            raise ValueError(f"another route is taken before a junction, up to {JUNCTION_IN_VIEW_M:.0f} m; {where}")
        self.setup = replace(self.setup, direction=direction)
        self.route = self.road.map.ego_routes[directions.index(direction)]
        self.paths, self._leg_ends_m = self._ways(self.road.map)
        self.s_m = [path.project(self.ego.xy)[0] for path in self.paths]
        self.navigation = instruction(self.setup.scenario.name, self.route, np.random.default_rng([self.seed, 7]))
        assert self.road.ego is not None
        self.road.ego.follow(self.ego, *self._ego_lane())

    def copy(self) -> World:
        """A world that goes on from here on its own."""
        shared = (self.setup, self.road.map, self.lanes, self.paths, self._area, self.route, self._leg_ends_m)
        memo = {id(part): part for part in (*shared, self.road.network, *self.road.network.lanes_list())}
        return copy.deepcopy(self, memo)

    def __deepcopy__(self, memo: dict[int, object]) -> World:
        twin = object.__new__(World)
        twin.__dict__.update({name: copy.deepcopy(value, memo) for name, value in self.__dict__.items()})
        return twin

    def _ego_lane(self) -> tuple[LaneIndex, tuple[LaneIndex, ...]]:
        indices = self.route.lane_indices(self.lane)
        leg = int(np.searchsorted(self._leg_ends_m[self.lane], self.s_m[self.lane], side="right"))
        return indices[min(leg, len(indices) - 1)], tuple(indices)

    def _ways(self, road_map: RoadMap) -> tuple[tuple[Path, ...], tuple[tuple[float, ...], ...]]:
        """The route's parallel ways, and the arc length at which each leg ends on each of them."""
        paths = tuple(road_map.ego_path(self.route, lane) for lane in range(self.route.num_lanes))
        return paths, tuple(self._measure_legs(road_map.network, path, lane) for lane, path in enumerate(paths))

    def _measure_legs(self, network: object, path: Path, lane: int) -> tuple[float, ...]:
        ends: list[float] = []
        near_m = 0.0
        for index in self.route.lane_indices(lane):
            leg = network.get_lane(index)  # type: ignore[attr-defined]
            end = leg.position(leg.length, 0.0)
            near_m = path.project((end[0], -end[1]), near_m + leg.length)[0]
            ends.append(near_m)
        return tuple(ends)


def _vehicle_state(vehicle: TrafficVehicle) -> VehicleState:
    acceleration = float(vehicle.action["acceleration"])
    is_moving = isinstance(vehicle, TrafficVehicle)
    return VehicleState(
        id=vehicle.number,
        kind=vehicle.kind,
        xy=(float(vehicle.position[0]), -float(vehicle.position[1])),
        yaw_rad=-float(vehicle.heading),
        speed_mps=float(vehicle.speed),
        acceleration_mps2=acceleration,
        is_braking=is_moving and (acceleration < BRAKE_LIGHT_MPS2 or (vehicle.speed < 0.3 and acceleration < 0.3)),
        length_m=vehicle.LENGTH,
        width_m=vehicle.WIDTH,
        lane_id=vehicle.lane_index[2] if vehicle.lane_index else -1,
    )
