"""Who is on the road at the start: vehicles by lane, those who brake now and then, barriers with cones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.road_map import EgoRoute, LaneIndex
from reasoning_vla_ros.simulation.scenarios import Setup
from reasoning_vla_ros.simulation.traffic import BrakePhase, EgoVehicle, StandingThing, TrafficRoad, TrafficVehicle

LAST_PHASE_S = 90.0
BEHIND_M = 25.0


def populate(road: TrafficRoad, setup: Setup, route: EgoRoute, lane: int, rng: np.random.Generator) -> None:
    """Put vehicles onto the road, around an ego that is on it already."""
    assert road.ego is not None
    ways = road.map.traffic_routes
    own_way = next((way for way in ways if way[: len(route.legs)] == tuple(route.lane_indices(lane))), ways[0])
    ego_s_m = _s_on_way(road, own_way, road.ego)
    attempts = 0
    if setup.num_vehicles and rng.random() < 0.7:
        same_start = [way for way in ways if way[0] == own_way[0]]
        way = same_start[int(rng.integers(len(same_start)))]
        lead_s_m = ego_s_m + float(rng.uniform(14.0, 50.0))
        _place(road, setup, way, lead_s_m, rng)
    while len(road.vehicles) - 1 < setup.num_vehicles and attempts < 20 * setup.num_vehicles:
        attempts += 1
        way = ways[int(rng.integers(len(ways)))]
        if setup.scenario.name == "intersection" and rng.random() < 0.3:
            way = ways[6 + int(rng.integers(3))]  # from the arm across, which a left turn has to wait for
        if setup.scenario.name in ("intersection", "roundabout"):
            approach_m = road.network.get_lane(way[0]).length
            s_m = approach_m - float(rng.uniform(-5.0 if way[0] != own_way[0] else 30.0, approach_m - 8.0))
            if way[0] != own_way[0] and rng.random() < 0.6:  # they meet the ego at the junction
                s_m = ego_s_m + approach_m - road.network.get_lane(own_way[0]).length + float(rng.normal(0.0, 18.0))
                s_m = min(s_m, approach_m - 6.0)
        elif setup.scenario.name == "merge":
            start_x = float(road.network.get_lane(way[0]).position(0.0, 0.0)[0])
            is_ramp = way[0][0] == "j"
            reach_m = (-12.0, 35.0) if is_ramp != (own_way[0][0] == "j") and rng.random() < 0.6 else (-60.0, 240.0)
            s_m = float(road.ego.position[0]) - start_x + float(rng.uniform(*reach_m))
        else:
            base_m = ego_s_m if way[0][:1] == own_way[0][:1] else float(rng.uniform(60.0, 400.0))
            s_m = base_m + float(rng.uniform(-60.0, 240.0) if rng.random() < 0.8 else rng.uniform(12.0, 60.0))
        if s_m > 3.0:
            _place(road, setup, way, s_m, rng)


def close_lane(road: TrafficRoad, path: Path, s_m: float) -> None:
    """A barrier across a lane, and cones that lead away from it."""
    spots = [("barrier", s_m, 0.0)]
    spots += [("cone", s_m - ahead_m, left_m) for ahead_m, left_m in ((8.0, 0.6), (15.0, 0.0), (22.0, -0.7))]
    for kind, along_m, left_m in spots:
        index = path.index(along_m)
        yaw = float(path.yaw_rad[index])
        xy: NDArray[np.float64] = path.xy[index] + left_m * np.array([-np.sin(yaw), np.cos(yaw)])
        thing = StandingThing(road, xy, yaw, "barrier" if kind == "barrier" else "cone")
        road.objects.append(thing)


def _place(road: TrafficRoad, setup: Setup, way: tuple[LaneIndex, ...], s_m: float, rng: np.random.Generator) -> None:
    limit = setup.speed_limit_mps
    is_truck = rng.random() < 0.2
    cruise = limit * float(rng.uniform(0.55, 0.8) if is_truck else rng.uniform(0.65, 1.0))
    phases = _brake_phases(rng) if rng.random() < setup.brake_probability else ()
    patience_s = float(rng.uniform(-1.2 if setup.scenario.name == "intersection" else 0.3, 2.0))
    vehicle = TrafficVehicle(
        road,
        way,
        s_m,
        0.9 * cruise,
        cruise,
        kind="truck" if is_truck else "car",
        phases=phases,
        patience_s=patience_s,
        changes_lanes=setup.num_lanes > 1,
    )
    vehicle.speed = min(vehicle.speed, float(vehicle.lane.speed_limit))
    ego = road.ego
    for other in (*road.vehicles, *road.objects):
        need_m = 9.0 + (vehicle.LENGTH + other.LENGTH) / 2
        if other is ego and vehicle.lane_index[:2] == ego.lane_index[:2]:
            behind_m = -float((vehicle.position - ego.position) @ ego.direction)
            need_m = 12.0 + ego.speed if behind_m < 0 else BEHIND_M
        if np.hypot(*(other.position - vehicle.position)) < need_m + 0.5 * vehicle.speed:
            return
    vehicle.number = 1 + max((other.number for other in road.vehicles), default=0)
    road.vehicles.append(vehicle)


def _brake_phases(rng: np.random.Generator) -> tuple[BrakePhase, ...]:
    phases = []
    time_s = float(rng.uniform(0.0, 10.0))
    while time_s < LAST_PHASE_S:
        is_stop = rng.random() < 0.35
        share = 0.0 if is_stop else float(rng.uniform(0.25, 0.65))
        length_s = float(rng.uniform(4.0, 9.0) if is_stop else rng.uniform(2.5, 6.0))
        phases.append(BrakePhase(time_s, time_s + length_s, share, float(rng.uniform(2.0, 4.0))))
        time_s += length_s + float(rng.uniform(6.0, 14.0))
    return tuple(phases)


def _s_on_way(road: TrafficRoad, way: tuple[LaneIndex, ...], ego: EgoVehicle) -> float:
    s_m = 0.0
    for index in way:
        lane = road.network.get_lane(index)
        if index[:2] == ego.lane_index[:2]:
            return s_m + float(lane.local_coordinates(ego.position)[0])
        s_m += lane.length
    return s_m
