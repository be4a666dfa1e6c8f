"""Road users: highway-env's IDM and MOBIL vehicles on a route, which give way and brake now and then.

MOBIL: A. Kesting, M. Treiber, D. Helbing, "General lane-changing model MOBIL", 2007.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from highway_env.road.lane import AbstractLane
from highway_env.road.road import Road
from highway_env.vehicle.behavior import IDMVehicle
from highway_env.vehicle.kinematics import Vehicle
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.idm import idm_acceleration
from reasoning_vla_ros.simulation.right_of_way import hazards
from reasoning_vla_ros.simulation.road_map import LaneIndex, RoadMap
from reasoning_vla_ros.simulation.sight import Sight
from reasoning_vla_ros.simulation.world_state import EgoState, VehicleKind

SIZES_M: dict[VehicleKind, tuple[float, float]] = {
    "car": (4.6, 1.9),
    "truck": (9.0, 2.5),
    "barrier": (0.8, 3.0),
    "cone": (0.5, 0.5),
}
LOOK_AHEAD_M = 100.0
CURVE_BRAKE_MPS2 = 1.5
Way = tuple[LaneIndex, ...]


@dataclass(frozen=True)
class BrakePhase:
    """From `start_s` to `end_s` a vehicle wants `share` of its speed and brakes with `brake_mps2` to get there."""

    start_s: float
    end_s: float
    share: float
    brake_mps2: float


class TrafficRoad(Road):
    """highway-env's road; neighbours are looked for along the way that a vehicle takes."""

    vehicles: list[Vehicle]

    def __init__(self, road_map: RoadMap, rng: np.random.Generator, sight: Sight) -> None:
        super().__init__(road_map.network, np_random=rng)
        self.map, self.sight = road_map, sight
        self.time_s = 0.0
        self.ego: EgoVehicle | None = None

    def ego_sees(self, other: Vehicle) -> bool:
        """Whether the ego's camera has `other` in view."""
        ego = self.ego
        return ego is not None and self.sight.sees(ego.position, ego.heading, other.polygon()[:4], other.position)

    def gaps_to_keep(self, vehicle: TrafficVehicle) -> list[tuple[float, float]]:
        """Gaps (metres from the front bumper) and speeds of what a vehicle gives way to.

        On a road with several lanes nobody passes the ego, whose camera looks ahead only.
        """
        gaps = [(hazard.gap_m, hazard.speed_mps) for hazard in hazards(self, vehicle, lambda other: True)]
        ego = self.ego
        if ego is None or len(self.network.graph[vehicle.lane_index[0]][vehicle.lane_index[1]]) < 2:
            return gaps
        s_m = vehicle.lane.local_coordinates(vehicle.position)[0]
        for lane, offset_m in self.chain(vehicle.lane_index, vehicle.way, s_m + 45.0):
            along_m, lateral_m = lane.local_coordinates(ego.position)
            ahead_m = along_m + offset_m - s_m
            is_beside = -5.0 < along_m <= lane.length and abs(lateral_m) < 6.5 and -3.0 < ahead_m < 45.0
            if is_beside and not self.ego_sees(vehicle):
                gaps.append((max(ahead_m - 3.0, 0.4 * vehicle.speed + 1.0), float(ego.speed)))
                break
        return gaps

    def chain(self, lane_index: LaneIndex, way: Way, ahead_m: float) -> Iterator[tuple[AbstractLane, float]]:
        """The lane and those after it, with the arc length from the first one's start to each one's."""
        offset_m, current = 0.0, lane_index
        while True:
            lane = self.network.get_lane(current)
            yield lane, offset_m
            offset_m += lane.length
            following = self.following(current, way)
            if offset_m > ahead_m or following is None:
                return
            current = following

    def following(self, lane_index: LaneIndex, way: Way) -> LaneIndex | None:
        """The next lane on the way: the same one of as many lanes, or else the one that the way names."""
        for leg, after in itertools.pairwise(way):
            if leg[:2] == lane_index[:2]:
                same_number = len(self.network.graph[leg[0]][leg[1]]) == len(self.network.graph[after[0]][after[1]])
                return (after[0], after[1], lane_index[2]) if same_number else after
        return None

    def neighbour_vehicles(
        self, vehicle: Vehicle, lane_index: LaneIndex | None = None
    ) -> tuple[Vehicle | None, Vehicle | None]:
        """The vehicles before and behind on a lane and its continuation; highway-env calls this for IDM and MOBIL."""
        index = lane_index or vehicle.lane_index
        lane = self.network.get_lane(index)
        s_m = lane.local_coordinates(vehicle.position)[0]
        chain = list(self.chain(index, vehicle.way, s_m + LOOK_AHEAD_M))
        front, rear, front_s, rear_s = None, None, np.inf, -np.inf
        for other in (*self.vehicles, *self.objects):
            if other is vehicle or abs(other.position - vehicle.position).max() > LOOK_AHEAD_M:
                continue
            for search_lane, offset_m in chain:
                s, lateral = search_lane.local_coordinates(other.position)
                if not -5.0 < s <= search_lane.length or abs(lateral) > 1.3 + 0.5 * other.LENGTH:
                    continue
                turn = other.heading - search_lane.heading_at(s)
                if abs(lateral) > 1.3 + 0.5 * (abs(np.sin(turn)) * other.LENGTH + abs(np.cos(turn)) * other.WIDTH):
                    continue
                s += offset_m
                if s_m <= s < front_s:
                    front, front_s = other, s
                elif rear_s < s < s_m:
                    rear, rear_s = other, s
                break
        vehicle.front_gap_m = front_s - s_m
        return front, rear


class TrafficVehicle(IDMVehicle):
    """An IDM vehicle that follows a way through the map, keeps behind the ego, and gives way."""

    COMFORT_ACC_MAX = 2.0
    COMFORT_ACC_MIN = -3.0
    DISTANCE_WANTED = 7.0  # centre to centre, beyond half the lengths that differ from a car's
    LANE_CHANGE_MIN_ACC_GAIN = 0.5
    KP_LATERAL = 0.6  # a lane change takes about 4 s
    road: TrafficRoad
    target_lane_index: LaneIndex
    speed: float

    def __init__(
        self,
        road: TrafficRoad,
        way: Way,
        s_m: float,
        speed_mps: float,
        target_speed_mps: float,
        *,
        kind: VehicleKind = "car",
        phases: tuple[BrakePhase, ...] = (),
        patience_s: float = 1.0,
        changes_lanes: bool = False,
    ) -> None:
        self.way = way
        lane = road.network.get_lane(way[0])
        index = way[0]
        for leg, lane_index in enumerate(way):
            lane, index = road.network.get_lane(lane_index), lane_index
            if s_m < lane.length or leg == len(way) - 1:
                break
            s_m -= lane.length
        super().__init__(
            road,
            lane.position(s_m, 0.0),
            lane.heading_at(s_m),
            speed_mps,
            index,
            target_speed_mps,
            enable_lane_change=changes_lanes,
        )
        self.lane_index, self.lane = index, lane
        self.kind, self.phases, self.patience_s = kind, phases, patience_s
        self.LENGTH, self.WIDTH = SIZES_M[kind]
        self.cruise_mps = target_speed_mps
        self.number = 0
        self.front_gap_m = np.inf
        self.has_left = False

    def follow_road(self) -> None:
        lane = self.road.network.get_lane(self.target_lane_index)
        if lane.local_coordinates(self.position)[0] > lane.length - 1.0:
            following = self.road.following(self.target_lane_index, self.way)
            self.target_lane_index = following or self.target_lane_index

    def on_state_update(self) -> None:
        if not hasattr(self, "way"):
            return
        s_m = self.lane.local_coordinates(self.position)[0]
        if s_m > self.lane.length:
            following = self.road.following(self.lane_index, self.way)
            self.has_left = following is None
            self.lane_index = following or self.lane_index
        elif self.target_lane_index != self.lane_index and self.target_lane_index[:2] == self.lane_index[:2]:
            lateral = self.road.network.get_lane(self.target_lane_index).local_coordinates(self.position)[1]
            if abs(lateral) < 0.4 * self.lane.width:
                self.lane_index = self.target_lane_index
        self.lane = self.road.network.get_lane(self.lane_index)

    def act(self, action: dict | str | None = None) -> None:
        self.target_speed = self.cruise_mps * min(
            (phase.share for phase in self.phases if phase.start_s <= self.road.time_s < phase.end_s), default=1.0
        )
        self.follow_road()
        if self.enable_lane_change:
            self.change_lane_policy()
        accelerations = [self._towards(self.lane_index)]
        if self.lane_index != self.target_lane_index:
            accelerations.append(self._towards(self.target_lane_index))
        accelerations += [self.behind(gap_m, speed) for gap_m, speed in self.road.gaps_to_keep(self)]
        acceleration = float(np.clip(min(accelerations), -7.0, self.COMFORT_ACC_MAX))
        if self.speed < 0.05 and acceleration < 0:
            acceleration, self.speed = 0.0, 0.0
        steering = self.steering_control(self.target_lane_index) if self.speed > 0.2 else 0.0
        Vehicle.act(self, {"steering": steering, "acceleration": max(acceleration, -self.speed / 0.1)})

    def mobil(self, lane_index: LaneIndex) -> bool:
        """MOBIL, but not beside the ego, which does not see to its side, and not before a merge."""
        ego, rule = self.road.ego, self.road.map.right_of_way
        if rule is not None and rule.kind == "merge" and self.position[0] < rule.center[0]:
            return False
        if ego is not None and np.hypot(*(ego.position - self.position)) < 25.0:
            return False
        return bool(super().mobil(lane_index))

    def lane_distance_to(self, other: Vehicle, lane: AbstractLane | None = None) -> float:
        lane = lane or self.lane
        gap_m = lane.local_coordinates(other.position)[0] - lane.local_coordinates(self.position)[0]
        return float(gap_m - (self.LENGTH + other.LENGTH) / 2 + SIZES_M["car"][0])

    def free_acceleration(self) -> float:
        """IDM's, on a free road; above the wanted speed it brakes as its phase says."""
        limit = min(self.target_speed, float(self.lane.speed_limit))
        following = self.road.following(self.lane_index, self.way)
        if following is not None:
            left_m = self.lane.length - self.lane.local_coordinates(self.position)[0]
            next_limit = float(self.road.network.get_lane(following).speed_limit)
            limit = min(limit, float(np.sqrt(next_limit**2 + 2 * CURVE_BRAKE_MPS2 * max(0.0, left_m - 2.0))))
        if self.speed > limit:
            brake = max((p.brake_mps2 for p in self.phases if p.start_s <= self.road.time_s < p.end_s), default=2.0)
            return max(-brake, 1.5 * (limit - self.speed) - 0.2)
        return float(self.COMFORT_ACC_MAX * (1 - (self.speed / max(limit, 0.1)) ** 4))

    def behind(self, gap_m: float, speed_mps: float) -> float:
        """IDM's acceleration with `gap_m` from bumper to bumper to something of that speed."""
        return idm_acceleration(self.speed, gap_m, speed_mps, self.COMFORT_ACC_MAX, -self.COMFORT_ACC_MIN)

    def _towards(self, lane_index: LaneIndex) -> float:
        front, _ = self.road.neighbour_vehicles(self, lane_index)
        free = self.free_acceleration()
        if front is None:
            return free
        speed = max(0.0, front.speed * float(np.cos(front.heading - self.heading)))
        return min(free, self.behind(self.front_gap_m - (self.LENGTH + front.LENGTH) / 2, speed))


class EgoVehicle(Vehicle):
    """What the traffic sees of the ego: highway-env's vehicle, moved by the world alone."""

    def __init__(self, road: TrafficRoad, ego: EgoState, lane_index: LaneIndex, way: Way) -> None:
        self.way = way
        super().__init__(road, (ego.xy[0], -ego.xy[1]), -ego.yaw_rad, ego.speed_mps)
        self.LENGTH, self.WIDTH = ego.length_m, ego.width_m
        self.number, self.front_gap_m, self.target_speed = 0, np.inf, ego.speed_mps
        self.follow(ego, lane_index, way)

    def follow(self, ego: EgoState, lane_index: LaneIndex, way: Way) -> None:
        """Take over the ego's pose and speed."""
        self.position = np.array([ego.xy[0], -ego.xy[1]])
        self.heading, self.speed, self.target_speed = -ego.yaw_rad, ego.speed_mps, ego.speed_mps
        self.lane_index, self.lane, self.way = lane_index, self.road.network.get_lane(lane_index), way

    def lane_distance_to(self, other: Vehicle, lane: AbstractLane | None = None) -> float:
        lane = lane or self.lane
        return float(lane.local_coordinates(other.position)[0] - lane.local_coordinates(self.position)[0])

    def act(self, action: dict | str | None = None) -> None:
        """Nothing: the world moves the ego."""

    def step(self, dt: float) -> None:
        """Nothing: the world moves the ego."""


class StandingThing(Vehicle):
    """A barrier or a cone."""

    def __init__(self, road: TrafficRoad, xy: NDArray[np.float64], yaw_rad: float, kind: VehicleKind) -> None:
        super().__init__(None, (xy[0], -xy[1]), -yaw_rad, 0.0)
        self.kind: VehicleKind = kind
        self.LENGTH, self.WIDTH = SIZES_M[kind]
        self.number = 0

    def lane_distance_to(self, other: Vehicle, lane: AbstractLane | None = None) -> float:
        """The distance as the crow flies: a thing is on no lane."""
        return float(np.hypot(*(other.position - self.position)))
