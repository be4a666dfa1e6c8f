"""Roads without junctions, and the merge: chains of straights and arcs with lanes side by side."""

from __future__ import annotations

from dataclasses import dataclass

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
from reasoning_vla_ros.simulation.world_state import LineKind


@dataclass(frozen=True)
class Piece:
    """A piece of a road's middle line: `length_m` with a `curvature_1pm` that stays the same."""

    length_m: float
    curvature_1pm: float = 0.0


def highway_map(rng: np.random.Generator, num_lanes: int, speed_limit_mps: float) -> RoadMap:
    """A long road with lanes one way, straight or in wide bends."""
    pieces = [Piece(float(rng.uniform(150.0, 300.0)))]
    while sum(piece.length_m for piece in pieces) < 2500.0:
        radius_m = float(rng.uniform(450.0, 900.0) * rng.choice([-1.0, 1.0]))
        pieces.append(Piece(float(rng.uniform(120.0, 250.0)), 1.0 / radius_m))
        pieces.append(Piece(float(rng.uniform(80.0, 300.0))))
    return _chain_map(pieces, num_lanes, 0, speed_limit_mps)


def curves_map(rng: np.random.Generator, num_lanes: int, speed_limit_mps: float) -> RoadMap:
    """A winding road: one lane each way, or two lanes one way as on a racetrack."""
    pieces = [Piece(float(rng.uniform(40.0, 80.0)))]
    side = float(rng.choice([-1.0, 1.0]))
    while sum(piece.length_m for piece in pieces) < 1100.0:
        radius_m = float(np.exp(rng.uniform(np.log(22.0), np.log(110.0))))
        angle_rad = float(rng.uniform(0.5, 1.5 if radius_m < 60.0 else 0.9))
        pieces.append(Piece(radius_m * angle_rad, side / radius_m))
        pieces.append(Piece(float(rng.uniform(15.0, 70.0))))
        side = -side  # bends alternate, so that the road never meets itself
    return _chain_map(pieces, num_lanes, 1 if num_lanes == 1 else 0, speed_limit_mps)


def merge_map(rng: np.random.Generator, num_lanes: int, speed_limit_mps: float) -> RoadMap:
    """A straight road whose right lane takes up a ramp. The first ego route is the main road, the second the ramp."""
    network = RoadNetwork()
    merge_x = float(rng.uniform(200.0, 260.0))
    ends_m = (0.0, merge_x, 900.0)
    right = num_lanes - 1
    for start, end, names in ((0, 1, ("a", "b")), (1, 2, ("b", "c"))):
        for lane in range(num_lanes):
            y, lines = _offset_m(lane, num_lanes), _lines(lane, num_lanes, has_oncoming=False)
            network.add_lane(*names, straight_lane((ends_m[start], y), (ends_m[end], y), lines, speed_limit_mps))
    y = _offset_m(right, num_lanes)
    angle = float(rng.uniform(0.09, 0.14))
    begin = np.array([merge_x - 75.0, y - 9.0])
    far = begin - float(rng.uniform(110.0, 125.0)) * np.array([np.cos(angle), np.sin(angle)])
    ramp_limit = 0.8 * speed_limit_mps
    network.add_lane("j", "k", straight_lane(tuple(far), tuple(begin), ("solid", "solid"), ramp_limit))
    curve = Path(bezier(begin, angle, np.array([merge_x, y]), 0.0))
    network.add_lane("k", "b", PathLane(curve, ("none", "solid"), ramp_limit))

    main = EgoRoute(tuple((*leg, tuple(range(num_lanes))) for leg in (("a", "b"), ("b", "c"))))
    ramp = EgoRoute((("j", "k", (0,)), ("k", "b", (0,)), ("b", "c", (right,))))
    traffic: list[tuple[LaneIndex, ...]] = [(("a", "b", lane), ("b", "c", lane)) for lane in range(num_lanes)]
    traffic.append((("j", "k", 0), ("k", "b", 0), ("b", "c", right)))
    rule = RightOfWay("merge", (("k", "b", 0), ("a", "b", right), ("j", "k", 0)), center=(merge_x, y))
    return RoadMap(network, (main, ramp), tuple(traffic), rule, speed_limit_mps)


def _chain_map(pieces: list[Piece], num_lanes: int, num_oncoming: int, speed_limit_mps: float) -> RoadMap:
    network = RoadNetwork()
    xy, yaw = np.zeros(2), 0.0
    for number, piece in enumerate(pieces):
        end_xy, end_yaw = _end(xy, yaw, piece)
        for lane in range(num_lanes + num_oncoming):
            is_oncoming = lane >= num_lanes
            offset_m = LANE_WIDTH_M if is_oncoming else _offset_m(lane, num_lanes)
            lines: Lines = ("none", "solid") if is_oncoming else _lines(lane, num_lanes, num_oncoming > 0)
            names = (f"o{number + 1}", f"o{number}") if is_oncoming else (str(number), str(number + 1))
            left = np.array([-np.sin(yaw), np.cos(yaw)])
            if piece.curvature_1pm == 0.0:
                start, end = xy + offset_m * left, end_xy + offset_m * left
                ends = (tuple(end), tuple(start)) if is_oncoming else (tuple(start), tuple(end))
                network.add_lane(*names, straight_lane(*ends, lines, speed_limit_mps))
                continue
            radius_m = abs(1.0 / piece.curvature_1pm)
            side = float(np.sign(piece.curvature_1pm))
            center = xy + side * radius_m * left
            from_rad, to_rad = yaw - side * np.pi / 2, end_yaw - side * np.pi / 2
            angles = (to_rad, from_rad) if is_oncoming else (from_rad, to_rad)
            network.add_lane(
                *names, arc_lane(tuple(center), radius_m - side * offset_m, *angles, lines, speed_limit_mps)
            )
        xy, yaw = end_xy, end_yaw
    count = len(pieces)
    route = EgoRoute(tuple((str(i), str(i + 1), tuple(range(num_lanes))) for i in range(count)))
    traffic = [tuple((str(i), str(i + 1), lane) for i in range(count)) for lane in range(num_lanes)]
    traffic += [tuple((f"o{i + 1}", f"o{i}", 0) for i in reversed(range(count)))] * num_oncoming
    return RoadMap(network, (route,), tuple(traffic), None, speed_limit_mps)


def _end(xy: np.ndarray, yaw: float, piece: Piece) -> tuple[np.ndarray, float]:
    if piece.curvature_1pm == 0.0:
        return xy + piece.length_m * np.array([np.cos(yaw), np.sin(yaw)]), yaw
    end_yaw = yaw + piece.length_m * piece.curvature_1pm
    turned = np.array([np.sin(end_yaw) - np.sin(yaw), np.cos(yaw) - np.cos(end_yaw)]) / piece.curvature_1pm
    return xy + turned, end_yaw


def _offset_m(lane: int, num_lanes: int) -> float:
    """To the left of the road's middle line."""
    return ((num_lanes - 1) / 2 - lane) * LANE_WIDTH_M


def _lines(lane: int, num_lanes: int, has_oncoming: bool) -> Lines:
    """Each border is painted once: by the lane on its right."""
    left: LineKind = "solid" if lane == 0 and not has_oncoming else "dashed"
    return left, "solid" if lane == num_lanes - 1 else "none"
