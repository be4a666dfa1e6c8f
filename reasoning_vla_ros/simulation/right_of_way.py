"""Who gives way: at crossings, into roundabouts, where lanes merge. The same rules for the ego and the traffic.

The ego only knows what its camera sees (`sees`); the traffic gives way to an ego that cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from highway_env.vehicle.kinematics import Vehicle
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.road_map import LaneIndex, RightOfWay, RoadMap, lane_points, mirrored

if TYPE_CHECKING:
    from reasoning_vla_ros.simulation.traffic import TrafficRoad

HazardKind = Literal["oncoming", "crossing", "ring", "merging"]
APPROACH_M = 60.0
MERGE_ZONE_M = 95.0
LATE_BRAKE_MPS2 = 4.0  # who would have to brake harder than this goes on
RING_BRAKE_MPS2 = 6.0
RING_LINE_M = 8.0  # from there, a camera with 100° sees the ring 30 m back from the entry
RING_PACE_MPS = 6.5  # who drives slower on the ring may speed up
_Conflict = tuple[float, float, float, float]


@dataclass(frozen=True)
class Hazard:
    """Something to give way to: keep `gap_m` (from the front bumper) to a point that moves on with `speed_mps`."""

    kind: HazardKind
    vehicle: Vehicle
    gap_m: float
    speed_mps: float


def hazards(road: TrafficRoad, vehicle: Vehicle, sees: Callable[[Vehicle], bool]) -> list[Hazard]:
    """What `vehicle` has to give way to, among the vehicles for which `sees` is true."""
    rule = road.map.right_of_way
    if rule is None:
        return []
    others = [other for other in road.vehicles if other is not vehicle and sees(other)]
    if rule.kind == "crossing":
        return _at_crossing(road, rule, vehicle, others)
    if rule.kind == "roundabout":
        return _into_ring(road, rule, vehicle, others)
    return _where_lanes_merge(road, rule, vehicle, others)


def _connector(road: TrafficRoad, rule: RightOfWay, vehicle: Vehicle) -> tuple[LaneIndex, float, bool] | None:
    """The connector that a vehicle is on or comes to next, arc length on it (negative before), and which of the two."""
    s_m = vehicle.lane.local_coordinates(vehicle.position)[0]
    if vehicle.lane_index in rule.connectors:
        return vehicle.lane_index, s_m, True
    following = road.following(vehicle.lane_index, vehicle.way)
    if following in rule.connectors:
        return following, s_m - vehicle.lane.length, False
    return None


def _at_crossing(road: TrafficRoad, rule: RightOfWay, vehicle: Vehicle, others: list[Vehicle]) -> list[Hazard]:
    mine = _connector(road, rule, vehicle)
    if mine is None:
        return []
    lane, s_m, is_inside = mine
    front_m = s_m + vehicle.LENGTH / 2
    if front_m < -APPROACH_M or (not is_inside and vehicle.speed**2 / (2 * LATE_BRAKE_MPS2) > -front_m + 0.5):
        return []
    found = []
    for other in others:
        theirs = _connector(road, rule, other)
        if theirs is None or theirs[1] < -APPROACH_M:
            continue
        conflict = _conflict(road.map, lane, theirs[0])
        if conflict is None:
            continue
        start_m, end_m, their_start_m, their_end_m = conflict
        their_front_m, their_rear_m = theirs[1] + other.LENGTH / 2, theirs[1] - other.LENGTH / 2
        if their_rear_m > their_end_m:
            continue
        kind: HazardKind = "oncoming" if np.cos(other.heading - vehicle.heading) < -0.5 else "crossing"
        if is_inside:
            if their_front_m > their_start_m - 1.0 and front_m < start_m and theirs[2]:
                found.append(Hazard(kind, other, start_m - front_m - 0.5, 0.0))
            continue
        pace = max(vehicle.speed, 4.0)
        if theirs[2]:
            gone_s = (their_end_m - their_rear_m) / max(other.speed, 2.0)
            must_wait = (start_m - front_m) / pace < gone_s + 0.7
        else:
            mine_rank, their_rank = rule.ranks[lane], rule.ranks[theirs[0]]
            goes_first = their_rank > mine_rank or (their_rank == mine_rank and theirs[1] > s_m)
            there_s = (their_start_m - their_front_m) / max(other.speed, 4.0)
            clear_s = (end_m - s_m + vehicle.LENGTH / 2) / pace
            must_wait = goes_first and there_s < clear_s + getattr(vehicle, "patience_s", 1.0)
        if must_wait:
            found.append(Hazard(kind, other, max(-front_m, 0.3), 0.0))
    return found


def _into_ring(road: TrafficRoad, rule: RightOfWay, vehicle: Vehicle, others: list[Vehicle]) -> list[Hazard]:
    mine = _connector(road, rule, vehicle)
    if mine is None:
        return _let_ego_in(road, rule, vehicle)
    lane, s_m, _ = mine
    front_m = s_m + vehicle.LENGTH / 2 - ring_line_m(road.map, lane)
    if front_m < -APPROACH_M or vehicle.speed**2 / (2 * RING_BRAKE_MPS2) > -front_m + 1.0:
        return []
    connector = road.network.get_lane(lane)
    entry_angle = _ring_angle(connector.position(connector.length, 0.0))
    mine_s = (connector.length - s_m) / max(vehicle.speed, 4.0)
    found = []
    for other in others:
        upstream_m = _on_ring_before(rule, entry_angle, other)
        if upstream_m is None:
            continue
        their_s = upstream_m / max(other.speed, RING_PACE_MPS)
        if upstream_m < 32.0 and mine_s - 4.0 < their_s < mine_s + 1.5 + getattr(vehicle, "patience_s", 1.0):
            found.append(Hazard("ring", other, max(-front_m, 0.3), 0.0))
    return found


def _let_ego_in(road: TrafficRoad, rule: RightOfWay, vehicle: Vehicle) -> list[Hazard]:
    """On the ring: an ego that is past its line no longer sees who comes from the left, and is let in."""
    ego = road.ego
    if ego is None or ego is vehicle or ego.lane_index not in rule.connectors:
        return []
    connector = road.network.get_lane(ego.lane_index)
    s_m = connector.local_coordinates(ego.position)[0]
    upstream_m = _on_ring_before(rule, _ring_angle(connector.position(connector.length, 0.0)), vehicle)
    if upstream_m is None or s_m + ego.LENGTH / 2 < ring_line_m(road.map, ego.lane_index) or upstream_m > 30.0:
        return []
    gap_m = upstream_m - vehicle.LENGTH / 2 - 4.0
    ego_s = (connector.length - s_m) / max(ego.speed, 3.0)
    if gap_m < 0.5 or upstream_m / max(vehicle.speed, 1.0) > ego_s + 3.0:
        return []
    return [Hazard("ring", ego, gap_m, 0.5 * float(ego.speed))]


def _ring_angle(position: NDArray[np.float64]) -> float:
    x, y = mirrored(position)
    return float(np.arctan2(y, x))


def _on_ring_before(rule: RightOfWay, entry_angle: float, other: Vehicle) -> float | None:
    """How far a vehicle on the ring has to go to an entry, metres; None if it is not on the ring."""
    x, y = other.position
    if abs(float(np.hypot(x, y)) - rule.radius_m) > 2.6 or other.lane_index[0].startswith("e"):
        return None
    return rule.radius_m * float((entry_angle - _ring_angle(other.position)) % (2 * np.pi))


def _where_lanes_merge(road: TrafficRoad, rule: RightOfWay, vehicle: Vehicle, others: list[Vehicle]) -> list[Hazard]:
    if vehicle.lane_index not in rule.connectors:
        return []
    x, merge_x = float(vehicle.position[0]), rule.center[0]
    if not merge_x - MERGE_ZONE_M < x < merge_x:
        return []
    on_ramp = vehicle.lane_index != rule.connectors[1]
    found = []
    for other in others:
        if other.lane_index not in rule.connectors or (other.lane_index != rule.connectors[1]) == on_ramp:
            continue
        is_ego = other is road.ego
        ahead_m = float(other.position[0]) - x
        if (ahead_m > 0 or (ahead_m == 0 and other.number < vehicle.number)) and ahead_m < 45.0:
            gap_m = max(ahead_m - (vehicle.LENGTH + other.LENGTH) / 2, 2.0 + 0.05 * (merge_x - x))
            found.append(Hazard("merging", other, gap_m, float(other.speed)))
        elif is_ego and ahead_m > -8.0 and not road.ego_sees(vehicle):
            found.append(Hazard("merging", other, 2.0, float(other.speed)))
    return found


def _conflict(road_map: RoadMap, lane: LaneIndex, other: LaneIndex) -> _Conflict | None:
    """Arc lengths from and to which both connectors are nearer than a vehicle's width, first on `lane`; or None."""
    known = road_map.conflicts
    if (lane, other) not in known:
        known[lane, other] = None
        if lane[0] != other[0]:
            mine, theirs = (lane_points(road_map.network.get_lane(index), 0.5) for index in (lane, other))
            near = np.hypot(*np.moveaxis(mine[:, None] - theirs[None], -1, 0)) < 2.6
            if near.any():
                on_mine, on_theirs = np.flatnonzero(near.any(1)) * 0.5, np.flatnonzero(near.any(0)) * 0.5
                spans = (on_mine[0], on_mine[-1], on_theirs[0], on_theirs[-1])
                known[lane, other] = (float(spans[0]), float(spans[1]), float(spans[2]), float(spans[3]))
    return known[lane, other]


def ring_line_m(road_map: RoadMap, lane: LaneIndex) -> float:
    """Arc length on a connector into the ring at which to wait: where it comes within 8 m of the ring's middle."""
    if lane not in road_map.waiting_lines_m:
        assert road_map.right_of_way is not None
        points = lane_points(road_map.network.get_lane(lane), 0.5)
        is_near = np.hypot(points[:, 0], points[:, 1]) < road_map.right_of_way.radius_m + RING_LINE_M
        road_map.waiting_lines_m[lane] = float(np.argmax(is_near) * 0.5)
    return road_map.waiting_lines_m[lane]
