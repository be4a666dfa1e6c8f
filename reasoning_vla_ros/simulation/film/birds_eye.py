"""The scene from above, the vehicle's heading up: road, traffic, the plan and the way that was driven."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.scene_markers import SceneThing
from reasoning_vla_ros.simulation.film.moment import Moment
from reasoning_vla_ros.simulation.film.style import (
    ASPHALT,
    BLUE,
    CARD,
    DRIVEN,
    EGO,
    GLASS,
    GROUND,
    LINE,
    OBSTACLE,
    PAINT,
    RED,
    TRUCK,
    VEHICLE,
    Rgb,
)
from reasoning_vla_ros.simulation.footprints import corners

AHEAD_M, BEHIND_M = 62.0, 22.0
EGO_LENGTH_M, EGO_WIDTH_M = 4.6, 1.9
PLAN_WIDTH_M = 1.1
DRIVEN_WIDTH_M = 0.5
RANGES_M = (20.0, 40.0, 60.0)
_SHIFT = 4
_LARGER = 2  # drawn so much larger and averaged


def draw_birds_eye(moment: Moment, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The scene around the vehicle, uint8 [H, W, 3], RGB; `size` is width and height in pixels."""
    view = _FromAbove(moment, (size[0] * _LARGER, size[1] * _LARGER))
    view.draw_road()
    view.draw_ranges()
    view.draw_line(moment.driven, DRIVEN, DRIVEN_WIDTH_M)
    view.draw_plan()
    for thing in moment.things:
        view.draw_thing(thing)
    ego = SceneThing(-1, "ego", moment.xy, moment.yaw_rad, (EGO_LENGTH_M, EGO_WIDTH_M, 1.5))
    view.draw_thing(ego)
    return np.asarray(cv2.resize(view.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


class _FromAbove:
    """A picture in the making."""

    def __init__(self, moment: Moment, size: tuple[int, int]) -> None:
        self.moment, self.size = moment, size
        self.px_per_m = size[1] / (AHEAD_M + BEHIND_M)
        self.pixels: NDArray[np.uint8] = np.full((size[1], size[0], 3), GROUND, np.uint8)
        cos, sin = np.cos(moment.yaw_rad), np.sin(moment.yaw_rad)
        self._turn = np.array([[cos, -sin], [sin, cos]])
        self._reach_m = float(np.hypot(AHEAD_M, size[0] / self.px_per_m / 2)) + 5.0

    def to_pixels(self, xy_in_map: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels [..., 2] of points [..., 2] of the map."""
        in_base = (np.asarray(xy_in_map, np.float64) - np.array(self.moment.xy)) @ self._turn
        right = self.size[0] / 2 - in_base[..., 1] * self.px_per_m
        down = (AHEAD_M - in_base[..., 0]) * self.px_per_m
        return np.stack([right, down], axis=-1)

    def draw_road(self) -> None:
        for quads, color in ((self.moment.road.asphalt, ASPHALT), (self.moment.road.paint, PAINT)):
            away = np.hypot(*(quads.mean(axis=1) - np.array(self.moment.xy)).T)
            for quad in self.to_pixels(quads[away < self._reach_m]):
                self._fill(quad, color)

    def draw_ranges(self) -> None:
        """Faint arcs at round distances ahead."""
        center = self.to_pixels(np.array(self.moment.xy))
        middle = (round(float(center[0])), round(float(center[1])))
        layer = self.pixels.copy()
        for range_m in RANGES_M:
            radius = round(range_m * self.px_per_m)
            cv2.ellipse(layer, middle, (radius, radius), 0, 180, 360, LINE, _LARGER, cv2.LINE_AA)
        self.pixels = np.asarray(cv2.addWeighted(layer, 0.5, self.pixels, 0.5, 0), np.uint8)

    def draw_plan(self) -> None:
        plan = self.moment.plan
        if plan is None:
            return
        way = plan.ahead_of(self.moment.xy, self.moment.yaw_rad) @ self._turn.T + np.array(self.moment.xy)
        if len(way) < 2:
            return
        self.draw_line(way, CARD, PLAN_WIDTH_M + 0.5)
        self.draw_line(way, BLUE, PLAN_WIDTH_M)
        if plan.has_stop and len(way) >= 3:
            along = (way[-1] - way[-2]) / max(float(np.hypot(*(way[-1] - way[-2]))), 1e-9)
            yaw = float(np.arctan2(along[1], along[0]))
            end = (float(way[-1, 0]), float(way[-1, 1]))
            self._fill(self.to_pixels(corners(end, yaw, 1.2, 3.2)), CARD)
            self._fill(self.to_pixels(corners(end, yaw, 0.8, 2.8)), RED)

    def draw_line(self, xy_in_map: NDArray[np.float64], color: Rgb, width_m: float) -> None:
        """A round line through points [N, 2] of the map."""
        if len(xy_in_map) < 2:
            return
        points = self._fixed(self.to_pixels(xy_in_map))
        width = max(1, round(width_m * self.px_per_m))
        cv2.polylines(self.pixels, [points], False, color, width, cv2.LINE_AA, _SHIFT)

    def draw_thing(self, thing: SceneThing) -> None:
        """A footprint; of a vehicle with its windows, and red at the back while it brakes."""
        if np.hypot(thing.xy[0] - self.moment.xy[0], thing.xy[1] - self.moment.xy[1]) > self._reach_m:
            return
        length, width, _ = thing.size_m
        color = {"ego": EGO, "car": VEHICLE, "truck": TRUCK}.get(thing.kind, OBSTACLE)
        self._part(thing, (0.0, 0.0, length + 0.35, width + 0.35), CARD, 0.9)
        self._part(thing, (0.0, 0.0, length, width), color, 0.7)
        if thing.kind in ("ego", "car"):
            self._part(thing, (0.13 * length, 0.0, 0.17 * length, 0.78 * width), GLASS, 0.25)
            self._part(thing, (-0.32 * length, 0.0, 0.1 * length, 0.7 * width), GLASS, 0.2)
        elif thing.kind == "truck":
            self._part(thing, (0.5 * length - 2.1, 0.0, 0.25, width), CARD, 0.0)
        if thing.is_braking:
            self._part(thing, (-0.5 * length + 0.2, 0.0, 0.5, 0.92 * width), RED, 0.15)

    def _part(self, thing: SceneThing, box: tuple[float, float, float, float], color: Rgb, round_m: float) -> None:
        """A box of a thing: forward, left, length, width in metres, with rounded corners."""
        forward, left, length, width = box
        cos, sin = np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)
        x, y = length / 2, width / 2
        radius = min(round_m, x, y)
        angles = np.deg2rad(np.arange(0, 91, 30))
        arc = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1) + np.array([x - radius, y - radius])
        outline = np.concatenate([arc, (arc * (-1, 1))[::-1], arc * (-1, -1), (arc * (1, -1))[::-1]])
        outline = outline + np.array([forward, left])
        in_map = outline @ np.array([[cos, sin], [-sin, cos]]) + np.array(thing.xy)
        self._fill(self.to_pixels(in_map), color)

    def _fill(self, pixels: NDArray[np.float64], color: Rgb) -> None:
        cv2.fillConvexPoly(self.pixels, self._fixed(pixels), color, cv2.LINE_8, _SHIFT)

    @staticmethod
    def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
        return np.rint((pixels - 0.5).clip(-(2.0**20), 2.0**20) * 2**_SHIFT).astype(np.int32)
