"""Polygons in space drawn through a pinhole, cut at a plane near the camera."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scene_light import Color

NEAR_M = 0.4
_SHIFT = 4
_FAR_PX = 2.0**20  # with four bits of fraction, well within the 32 bits that OpenCV takes


class Canvas:
    """A picture in the making, `scale` times as large as the camera's.

    Points are in the camera's level frame: forward, left, up, metres.
    """

    def __init__(self, camera: PinholeCamera, scale: int) -> None:
        self.scale = scale
        self.width, self.height = camera.width * scale, camera.height * scale
        self.focal_px = camera.focal_px * scale
        self.pixels: NDArray[np.uint8] = np.empty((self.height, self.width, 3), np.uint8)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels [..., 2] of points [..., 3] that lie before the camera; the centre of pixel 0 is at 0.5."""
        shift = np.array([self.width / 2, self.height / 2])
        return shift - self.focal_px * points[..., 1:] / points[..., :1]

    def fill(self, points: NDArray[np.float64], color: Color) -> None:
        """A polygon [N, 3], cut at the near plane."""
        outline = clipped(points)
        if len(outline) >= 3:
            cv2.fillPoly(self.pixels, [_fixed(self.project(outline))], color, lineType=cv2.LINE_8, shift=_SHIFT)

    def fill_many(self, points: NDArray[np.float64], starts: NDArray[np.int64], color: Color) -> None:
        """Polygons that may overlap: points [N, 3] of all of them, and the index where each begins."""
        parts = np.append(starts, len(points))
        is_before = points[:, 0] > NEAR_M
        fixed = _fixed(self.project(np.where(is_before[:, None], points, (NEAR_M, 0.0, 0.0))))
        whole = np.minimum.reduceat(is_before, starts) if len(starts) else starts
        for part, (first, last) in enumerate(itertools.pairwise(parts)):
            if whole[part]:
                cv2.fillPoly(self.pixels, [fixed[first:last]], color, lineType=cv2.LINE_8, shift=_SHIFT)
            else:
                self.fill(points[first:last], color)

    def fill_faces(self, quads: NDArray[np.float64], colors: NDArray[np.float64]) -> None:
        """Quadrilaterals [M, 4, 3], one over the other in their order, each in its colour [M, 3]."""
        if not len(quads):
            return
        if quads[..., 0].min() <= NEAR_M:
            for quad, color in zip(quads, colors.tolist(), strict=True):
                self.fill(quad, color)
            return
        for corners, color in zip(_fixed(self.project(quads)), colors.tolist(), strict=True):
            cv2.fillConvexPoly(self.pixels, corners, color, lineType=cv2.LINE_8, shift=_SHIFT)

    def fill_convex(self, points: NDArray[np.float64], starts: tuple[int, ...], colors: NDArray[np.float64]) -> None:
        """Convex polygons that lie before the camera: points [N, 3] of all, the index where each begins, colours."""
        fixed = _fixed(self.project(points))
        for (first, last), color in zip(itertools.pairwise((*starts, len(points))), colors.tolist(), strict=True):
            cv2.fillConvexPoly(self.pixels, fixed[first:last], color, lineType=cv2.LINE_8, shift=_SHIFT)

    def fill_apart(self, quads: NDArray[np.float64], color: Color) -> None:
        """Quadrilaterals [M, 4, 3] that do not overlap, all at once."""
        before = quads[..., 0] > NEAR_M
        whole = before.all(axis=1)
        pixels = self.project(quads[whole])
        is_inside = (pixels[..., 0].max(1) > 0) & (pixels[..., 0].min(1) < self.width)
        is_inside &= (pixels[..., 1].max(1) > 0) & (pixels[..., 1].min(1) < self.height)
        if is_inside.any():
            cv2.fillPoly(self.pixels, list(_fixed(pixels[is_inside])), color, lineType=cv2.LINE_8, shift=_SHIFT)
        for quad in quads[before.any(axis=1) & ~whole]:
            self.fill(quad, color)

    def fill_pixels(self, outlines: list[NDArray[np.float64]] | NDArray[np.float64], color: Color) -> None:
        """Polygons [M][N, 2] in pixels that do not overlap."""
        cv2.fillPoly(self.pixels, [_fixed(outline) for outline in outlines], color, lineType=cv2.LINE_8, shift=_SHIFT)

    def picture(self) -> NDArray[np.uint8]:
        """The picture in the camera's size, uint8 [H, W, 3]."""
        if self.scale == 1:
            return self.pixels.copy()
        size = (self.width // self.scale, self.height // self.scale)
        return np.asarray(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def clipped(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a polygon [N, 3] that lies beyond the near plane (Sutherland and Hodgman, 1974)."""
    is_before = points[:, 0] > NEAR_M
    if is_before.all():
        return points
    if not is_before.any():
        return points[:0]
    after = np.roll(points, -1, axis=0)
    crosses = is_before != np.roll(is_before, -1)
    share = np.zeros(len(points))
    share[crosses] = (NEAR_M - points[crosses, 0]) / (after[crosses, 0] - points[crosses, 0])
    cuts = points + share[:, None] * (after - points)
    both = np.stack([points, cuts], axis=1).reshape(-1, 3)
    return both[np.stack([is_before, crosses], axis=1).reshape(-1)]


def _fixed(pixels: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels as OpenCV's fixed-point numbers."""
    return np.rint((pixels - 0.5).clip(-_FAR_PX, _FAR_PX) * 2**_SHIFT).astype(np.int32)
