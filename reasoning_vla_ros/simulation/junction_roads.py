"""Roads that meet: a crossing with four arms, and a roundabout with four."""

from __future__ import annotations

import numpy as np
from highway_env.road.road import RoadNetwork

from reasoning_vla_ros.simulation.paths import Path, bezier
from reasoning_vla_ros.simulation.road_map import (
    LANE_WIDTH_M,
    EgoRoute,
    LaneIndex,
    Lines,
    PathLane,
    RightOfWay,
    RoadMap,
    arc_lane,
    straight_lane,
)
from reasoning_vla_ros.simulation.world_state import Direction

EXIT_LENGTH_M = 220.0
HALF_M = LANE_WIDTH_M / 2


def intersection_map(rng: np.random.Generator, num_lanes: int, speed_limit_mps: float) -> RoadMap:
    """Two roads that cross. The ego comes from arm 0, in the west, on the road that goes first.

    Ego routes: left, straight, right. Arms are numbered counter-clockwise.
    """
    network = RoadNetwork()
    edge_m = float(rng.uniform(10.0, 13.0))
    access_m = float(rng.uniform(90.0, 130.0))
    ranks: dict[LaneIndex, int] = {}
    for arm in range(4):
        turn = arm * np.pi / 2
        limit = speed_limit_mps
        start, line = _turned((-edge_m - access_m, -HALF_M), turn), _turned((-edge_m, -HALF_M), turn)
        network.add_lane(f"o{arm}", f"i{arm}", straight_lane(start, line, ("dashed", "solid"), limit))
        across = _turned((edge_m, -HALF_M), turn)
        far = _turned((edge_m + EXIT_LENGTH_M, -HALF_M), turn)
        opposite, right, left = (arm + 2) % 4, (arm + 1) % 4, (arm + 3) % 4
        network.add_lane(f"x{opposite}", f"y{opposite}", straight_lane(across, far, ("none", "solid"), limit))
        network.add_lane(f"i{arm}", f"x{opposite}", straight_lane(line, across, ("none", "none"), limit))
        network.add_lane(
            f"i{arm}",
            f"x{right}",
            arc_lane(
                _turned((-edge_m, -edge_m), turn), edge_m - HALF_M, turn + np.pi / 2, turn, ("none", "solid"), limit
            ),
        )
        network.add_lane(
            f"i{arm}",
            f"x{left}",
            arc_lane(
                _turned((-edge_m, edge_m), turn), edge_m + HALF_M, turn - np.pi / 2, turn, ("none", "none"), limit
            ),
        )
        road_rank = 4 if arm % 2 == 0 else 0
        ranks[f"i{arm}", f"x{opposite}", 0] = road_rank + 3
        ranks[f"i{arm}", f"x{right}", 0] = road_rank + 3
        ranks[f"i{arm}", f"x{left}", 0] = road_rank + 1
    routes: list[EgoRoute] = []
    ways: tuple[tuple[int, Direction], ...] = ((3, "left"), (2, "straight"), (1, "right"))
    for arm, direction in ways:
        legs = (("o0", "i0", (0,)), ("i0", f"x{arm}", (0,)), (f"x{arm}", f"y{arm}", (0,)))
        routes.append(EgoRoute(legs, direction, junction_legs=(1, 1)))
    traffic = [
        ((f"o{arm}", f"i{arm}", 0), (f"i{arm}", f"x{to}", 0), (f"x{to}", f"y{to}", 0))
        for arm in range(4)
        for to in range(4)
        if to != arm
    ]
    rule = RightOfWay("crossing", tuple(ranks), ranks)
    return RoadMap(network, tuple(routes), tuple(traffic), rule, speed_limit_mps)


def roundabout_map(rng: np.random.Generator, num_lanes: int, speed_limit_mps: float) -> RoadMap:
    """A ring with one lane, driven counter-clockwise. The ego comes from arm 0, in the west.

    Ego routes: first exit (right), second (straight), third (left).
    """
    network = RoadNetwork()
    radius_m = float(rng.uniform(16.0, 22.0))
    spread = float(np.deg2rad(rng.uniform(26.0, 31.0)))
    access_m = float(rng.uniform(80.0, 120.0))
    ring_limit = min(speed_limit_mps, 8.0)
    for arm in range(4):
        angle = np.pi + arm * np.pi / 2
        turn = arm * np.pi / 2
        line_m = radius_m + 11.0
        start, line = _turned((-line_m - access_m, -HALF_M), turn), _turned((-line_m, -HALF_M), turn)
        network.add_lane(f"o{arm}", f"e{arm}", straight_lane(start, line, ("dashed", "solid"), speed_limit_mps))
        enter = bezier(np.array(line), turn, *_on_ring(radius_m, angle + spread), reach=0.45)
        network.add_lane(f"e{arm}", f"in{arm}", PathLane(Path(enter), ("solid", "solid"), ring_limit))
        leave_at = angle - spread
        road, far = _turned((-line_m, HALF_M), turn), _turned((-line_m - EXIT_LENGTH_M, HALF_M), turn)
        leave = bezier(*_on_ring(radius_m, leave_at), np.array(road), turn + np.pi, reach=0.45)
        network.add_lane(f"out{arm}", f"x{arm}", PathLane(Path(leave), ("solid", "solid"), ring_limit))
        network.add_lane(f"x{arm}", f"y{arm}", straight_lane(road, far, ("none", "solid"), speed_limit_mps))
        after = (arm + 1) % 4
        quarter = angle + np.pi / 2
        arcs: tuple[tuple[tuple[str, str], float, float, Lines], ...] = (
            ((f"in{arm}", f"out{after}"), angle + spread, quarter - spread, ("solid", "solid")),
            ((f"out{arm}", f"in{arm}"), angle - spread, angle + spread, ("solid", "dashed")),
        )
        for names, from_rad, to_rad, lines in arcs:
            lane = arc_lane((0.0, 0.0), radius_m, from_rad, to_rad, lines, ring_limit)
            network.add_lane(*names, lane)
    ways: tuple[Direction, ...] = ("right", "straight", "left")
    routes = []
    for number, direction in enumerate(ways, start=1):
        legs = tuple((*leg[:2], (0,)) for leg in _way_around(0, number))
        routes.append(EgoRoute(legs, direction, number, (1, len(legs) - 2)))
    traffic = [tuple(_way_around(arm, number)) for arm in range(4) for number in (1, 2, 3)]
    connectors = tuple((f"e{arm}", f"in{arm}", 0) for arm in range(4))
    rule = RightOfWay("roundabout", connectors, radius_m=radius_m)
    return RoadMap(network, tuple(routes), tuple(traffic), rule, speed_limit_mps)


def _way_around(arm: int, exit_number: int) -> list[LaneIndex]:
    way: list[LaneIndex] = [(f"o{arm}", f"e{arm}", 0), (f"e{arm}", f"in{arm}", 0)]
    for _ in range(exit_number):
        after = (arm + 1) % 4
        way += [(f"in{arm}", f"out{after}", 0), (f"out{after}", f"in{after}", 0)]
        arm = after
    way.pop()
    return [*way, (f"out{arm}", f"x{arm}", 0), (f"x{arm}", f"y{arm}", 0)]


def _on_ring(radius_m: float, angle: float) -> tuple[np.ndarray, float]:
    return radius_m * np.array([np.cos(angle), np.sin(angle)]), angle + np.pi / 2


def _turned(xy: tuple[float, float], angle: float) -> tuple[float, float]:
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return cos * xy[0] - sin * xy[1], sin * xy[0] + cos * xy[1]
