"""What never moves, prepared once a world: asphalt, shoulders, painted lines, grass and trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from reasoning_vla_ros.simulation.paths import offset_polyline
from reasoning_vla_ros.simulation.world_state import LaneGeometry, LineKind

SHOULDER_M = 0.9
LINE_WIDTH_M = 0.22
DASH_M, GAP_M = 3.0, 5.0
WAITING_LINE_M = 0.5
PATCH_M, PATCH_GRID_M = 5.0, 11.0
TREE_GRID_M = 16.0


@dataclass(frozen=True, eq=False)
class Ground:
    """Geometry in the map frame.

    Attributes:
        asphalt, shoulders: outlines [N, 2], one a piece of lane.
        middles: of the pieces, float64 [P, 2].
        reach_m: how far an outline goes from its middle, float64 [P].
        lines: painted quadrilaterals, float64 [M, 4, 2].
        patches: darker grass, float64 [K, 4, 2].
        trees: x, y, height, crown's width and a shade between 0 and 1, float64 [T, 5].
    """

    asphalt: tuple[NDArray[np.float64], ...]
    shoulders: tuple[NDArray[np.float64], ...]
    middles: NDArray[np.float64]
    reach_m: NDArray[np.float64]
    lines: NDArray[np.float64]
    patches: NDArray[np.float64]
    trees: NDArray[np.float64]

    @staticmethod
    def of(lanes: tuple[LaneGeometry, ...]) -> Ground:
        asphalt = tuple(np.concatenate([lane.left, lane.right[::-1]]) for lane in lanes)
        shoulders = tuple(_wider(lane) for lane in lanes)
        middles = np.stack([outline.mean(axis=0) for outline in shoulders])
        reach = np.array([np.hypot(*(o - m).T).max() for o, m in zip(shoulders, middles, strict=True)])
        quads = [_painted(edge, kind) for lane in lanes for edge, kind in _edges(lane)]
        quads += [_waiting_line(lane) for lane in lanes if lane.is_junction]
        centers = KDTree(np.concatenate([lane.center for lane in lanes]))
        rng = np.random.default_rng(round(abs(float(middles.sum())) * 1000) % 2**32)
        crossings = [lane.center[0] for lane in lanes if lane.is_junction]
        return Ground(
            asphalt,
            shoulders,
            middles,
            reach,
            np.concatenate([q for q in quads if len(q)]) if quads else np.zeros((0, 4, 2)),
            _patches(centers, rng),
            _trees(centers, np.array(crossings).reshape(-1, 2), rng),
        )


def _edges(lane: LaneGeometry) -> list[tuple[NDArray[np.float64], LineKind]]:
    return [
        (offset_polyline(lane.left, -LINE_WIDTH_M / 2), lane.left_line),
        (offset_polyline(lane.right, LINE_WIDTH_M / 2), lane.right_line),
    ]


def _wider(lane: LaneGeometry) -> NDArray[np.float64]:
    left, right = offset_polyline(lane.left, SHOULDER_M), offset_polyline(lane.right, -SHOULDER_M)
    return np.concatenate([left, right[::-1]])


def _painted(edge: NDArray[np.float64], kind: LineKind) -> NDArray[np.float64]:
    """Quadrilaterals [M, 4, 2] along a polyline."""
    if kind == "none":
        return np.zeros((0, 4, 2))
    s_m = np.append(0.0, np.cumsum(np.hypot(*np.diff(edge, axis=0).T)))
    length_m = float(s_m[-1])
    if kind == "solid":
        bounds = np.linspace(0.0, length_m, max(2, round(length_m / 4.0) + 1))
        starts, ends = bounds[:-1], bounds[1:]
    else:
        count = max(1, round(length_m / (DASH_M + GAP_M)))
        starts = (np.arange(count) + 0.2) * length_m / count
        ends = starts + DASH_M
    left, right = offset_polyline(edge, LINE_WIDTH_M / 2), offset_polyline(edge, -LINE_WIDTH_M / 2)

    def at(side: NDArray[np.float64], where: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.interp(where, s_m, side[:, axis]) for axis in (0, 1)], axis=1)

    return np.stack([at(left, starts), at(left, ends), at(right, ends), at(right, starts)], axis=1)


def _waiting_line(lane: LaneGeometry) -> NDArray[np.float64]:
    """A bar across the lane where a junction begins."""
    along = lane.center[1] - lane.center[0]
    along = along / np.linalg.norm(along) * WAITING_LINE_M
    start = 0.9 * lane.left[0] + 0.1 * lane.right[0], 0.1 * lane.left[0] + 0.9 * lane.right[0]
    return np.array([[start[0] - along, start[0], start[1], start[1] - along]])


def _patches(centers: KDTree, rng: np.random.Generator) -> NDArray[np.float64]:
    """Squares of darker grass beside the road, turned at random."""
    spots = _grid(centers, PATCH_GRID_M, rng)
    distance, _ = centers.query(spots)
    spots = spots[(distance > 6.5) & (distance < 45.0)]
    angle = rng.uniform(0.0, 2 * np.pi, len(spots))[:, None] + np.arange(4) * np.pi / 2
    size = rng.uniform(0.5, 1.0, len(spots))[:, None, None] * PATCH_M
    return spots[:, None] + size * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _trees(centers: KDTree, crossings: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    spots = _grid(centers, TREE_GRID_M, rng)
    distance, _ = centers.query(spots)
    keep = (distance > 8.5) & (distance < 38.0) & (rng.random(len(spots)) < 0.6)
    if len(crossings):  # the view into the side roads stays free
        keep &= KDTree(crossings).query(spots)[0] > 35.0
    spots = spots[keep]
    height, shade = rng.uniform(4.0, 9.0, len(spots)), rng.random(len(spots))
    return np.column_stack([spots, height, height * rng.uniform(0.4, 0.6, len(spots)), shade])


def _grid(centers: KDTree, step_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points of a jittered grid, only where a lane is near."""
    points = np.asarray(centers.data)
    cells = np.unique(np.rint(points / step_m).astype(np.int64), axis=0)
    reach = round(45.0 / step_m)
    around = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).reshape(-1, 2)
    coarse = cells[:: max(1, len(cells) // 2000)]
    grid = np.unique((coarse[:, None] + around[None]).reshape(-1, 2), axis=0)
    return grid * step_m + rng.uniform(-0.4, 0.4, (len(grid), 2)) * step_m
