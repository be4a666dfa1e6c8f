"""The plan on the road, as the camera sees it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.film.moment import Moment
from reasoning_vla_ros.simulation.film.style import BLUE, CARD, LIGHT_BLUE, RED, Rgb

# A strip a little narrower than a car, so that the lane shows on both sides.
HALF_WIDTH_M = 0.85
EDGE_M = 0.12
NEAR_M = 0.8
OPACITY_NEAR, OPACITY_FAR = 0.62, 0.22
STOP_BAR_M = 0.5
_SHIFT = 4


def draw_camera(moment: Moment, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The moment's image with the plan drawn in, uint8 [H, W, 3], RGB.

    Args:
        moment: what is drawn.
        size: width and height in pixels.
    """
    height, width = moment.image.shape[:2]
    is_larger = size[0] > width
    picture = cv2.resize(moment.image, size, interpolation=cv2.INTER_CUBIC if is_larger else cv2.INTER_AREA)
    if moment.plan is None:
        return np.asarray(picture, np.uint8)
    scale = np.array([size[0] / width, size[1] / height])
    way = moment.plan.ahead_of(moment.xy, moment.yaw_rad)
    if len(way) >= 3:
        strip = _Strip(moment, scale, way)
        picture = strip.drawn_into(picture, moment.plan.has_stop)
    return np.asarray(picture, np.uint8)


def project(moment: Moment, xyz_in_base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of the moment's image and depth, u, v, metres [..., 3], of points [..., 3] in base_link."""
    pose = moment.camera_in_base
    in_camera = (xyz_in_base - pose[:3, 3]) @ pose[:3, :3]
    depth = in_camera[..., 2:]
    uv = (in_camera @ moment.intrinsics.T)[..., :2] / np.where(abs(depth) < 1e-6, 1e-6, depth)
    return np.concatenate([uv, depth], axis=-1)


class _Strip:
    """The strip of road that the plan covers, as quadrilaterals from near to far."""

    def __init__(self, moment: Moment, scale: NDArray[np.float64], way: NDArray[np.float64]) -> None:
        ahead = np.gradient(way, axis=0)
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
        self._moment, self._scale, self._way = moment, scale, way
        self._aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
        self._ahead = ahead

    def drawn_into(self, picture: NDArray[np.uint8], has_stop: bool) -> NDArray[np.uint8]:
        """A copy of the picture with the strip, its edges and, where the plan ends in standing, a bar."""
        depth = self._depth()
        in_view = np.flatnonzero((depth[:-1] > NEAR_M) & (depth[1:] > NEAR_M))
        fades = np.linspace(OPACITY_NEAR, OPACITY_FAR, len(depth))
        inner_m = HALF_WIDTH_M - EDGE_M
        drawn = picture
        for color, added, bands in (
            (BLUE, 0.0, ((inner_m, -inner_m),)),
            (LIGHT_BLUE, 0.35, ((HALF_WIDTH_M, inner_m), (-HALF_WIDTH_M, -inner_m))),
        ):
            opacity = np.zeros(picture.shape[:2], np.float32)
            for one_m, other_m in bands:
                one, other = self._offset(one_m), self._offset(other_m)
                quads = _fixed(np.stack([one[:-1], one[1:], other[1:], other[:-1]], axis=1))
                for i in in_view:
                    cv2.fillConvexPoly(opacity, quads[i], float(added + fades[i]), cv2.LINE_8, _SHIFT)
            drawn = _tinted(drawn, opacity, color)
        return self._with_bar(drawn, depth) if has_stop else drawn

    def _with_bar(self, picture: NDArray[np.uint8], depth: NDArray[np.float64]) -> NDArray[np.uint8]:
        """A bar across the strip where the plan comes to a stop."""
        if depth[-1] < NEAR_M + 1.0:
            return picture
        drawn = picture
        for reach_m, length_m, color in ((1.5, STOP_BAR_M, CARD), (1.4, 0.72 * STOP_BAR_M, RED)):
            corners = [
                self._way[-1] + side * reach_m * self._aside[-1] + along * length_m / 2 * self._ahead[-1]
                for side, along in ((1, 1), (1, -1), (-1, -1), (-1, 1))
            ]
            bar = np.zeros(picture.shape[:2], np.float32)
            cv2.fillConvexPoly(bar, _fixed(self._pixels(np.array(corners))), 0.9, cv2.LINE_8, _SHIFT)
            drawn = _tinted(drawn, bar, color)
        return drawn

    def _offset(self, left_m: float) -> NDArray[np.float64]:
        return self._pixels(self._way + left_m * self._aside)

    def _pixels(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return project(self._moment, np.column_stack([xy, np.zeros(len(xy))]))[:, :2] * self._scale

    def _depth(self) -> NDArray[np.float64]:
        both = [
            project(self._moment, np.column_stack([self._way + side * self._aside, np.zeros(len(self._way))]))[:, 2]
            for side in (HALF_WIDTH_M, -HALF_WIDTH_M)
        ]
        return np.minimum(*both)


def _tinted(picture: NDArray[np.uint8], opacity: NDArray[np.float32], color: Rgb) -> NDArray[np.uint8]:
    """A copy of a picture with so much of a colour in each pixel; the rows without any are only copied."""
    drawn = picture.copy()
    rows = np.flatnonzero(opacity.any(axis=1))
    if len(rows):
        part = slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2)
        share = cv2.GaussianBlur(opacity[part], (3, 3), 0.7)[..., None]
        below = picture[part].astype(np.float32)
        drawn[part] = below + share * (np.array(color, np.float32) - below) + 0.5
    return drawn


def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint((pixels - 0.5).clip(-(2.0**20), 2.0**20) * 2**_SHIFT).astype(np.int32)
