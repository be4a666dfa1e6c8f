"""Polylines with arc length, heading and curvature, to drive along and to measure against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

STEP_M = 0.5


class Path:
    """A polyline in the map frame with a point every half metre.

    Attributes:
        xy: float64 [N, 2], metres.
        yaw_rad: float64 [N], unwrapped.
        curvature: float64 [N], 1/m, positive to the left.
        length_m: of the whole.
    """

    def __init__(self, points: NDArray[np.float64], smoothing_m: float = 0.0) -> None:
        """A path through `points` [M, 2], resampled; `smoothing_m` is the width of a Gaussian that rounds kinks."""
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
            raise ValueError(f"a path needs points [N >= 2, 2], got shape {points.shape}")
        xy = _resampled(points)
        if smoothing_m > 0:
            straight = np.linspace(xy[0], xy[-1], len(xy))  # the ends stay where they are
            xy = _resampled(straight + gaussian_filter1d(xy - straight, smoothing_m / STEP_M, axis=0, mode="nearest"))
        self.xy = xy
        steps = np.diff(xy, axis=0)
        self._step_m = float(np.hypot(*steps[0]))
        self.length_m = self._step_m * (len(xy) - 1)
        yaw = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        self.yaw_rad = np.concatenate([yaw[:1], (yaw[1:] + yaw[:-1]) / 2, yaw[-1:]])
        self.curvature = np.gradient(self.yaw_rad, self._step_m) if len(xy) > 2 else np.zeros(len(xy))

    def project(
        self, xy: tuple[float, float] | NDArray[np.float64], near_s_m: float | None = None
    ) -> tuple[float, float]:
        """Arc length and offset to the left (metres) of the nearest point; searched within 30 m of `near_s_m` if given.

        Beyond the ends the path goes on straight.
        """
        first, last = 0, len(self.xy)
        if near_s_m is not None:
            middle, reach = int(near_s_m / self._step_m), int(30.0 / self._step_m)
            first, last = min(max(0, middle - reach), last - 2), max(min(last, middle + reach), 2)
        x, y = float(xy[0]), float(xy[1])
        window = self.xy[first:last]
        dx, dy = x - window[:, 0], y - window[:, 1]
        index = int(np.argmin(dx * dx + dy * dy))
        yaw = float(self.yaw_rad[first + index])
        cos, sin = np.cos(yaw), np.sin(yaw)
        along, left = cos * dx[index] + sin * dy[index], cos * dy[index] - sin * dx[index]
        return (first + index) * self._step_m + float(along), float(left)

    def index(self, s_m: float) -> int:
        """The nearest point's index at arc length `s_m`, within the path."""
        return min(max(round(s_m / self._step_m), 0), len(self.xy) - 1)

    def point(self, s_m: float) -> NDArray[np.float64]:
        """The point at arc length `s_m`, [2]; straight on beyond the ends."""
        position = s_m / self._step_m
        index = min(max(int(position), 0), len(self.xy) - 2)
        share = position - index
        return np.asarray((1 - share) * self.xy[index] + share * self.xy[index + 1])

    def ahead(self, s_m: float, length_m: float, step_m: float = 1.0) -> NDArray[np.float64]:
        """Points [N, 2] from `s_m` on, every `step_m`, at least two, ending with the path."""
        stop = self.index(s_m + length_m) + 1
        start = min(self.index(s_m), stop - 2)
        return self.xy[start : stop : max(1, round(step_m / self._step_m))] if stop - start > 2 else self.xy[start:stop]


def offset_polyline(center: NDArray[np.float64], left_m: float) -> NDArray[np.float64]:
    """The polyline [N, 2] that runs `left_m` to the left of `center` [N, 2]."""
    tangent = np.gradient(center, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return center + left_m * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def bezier(
    start: NDArray[np.float64], start_yaw_rad: float, end: NDArray[np.float64], end_yaw_rad: float, reach: float = 0.4
) -> NDArray[np.float64]:
    """A cubic Bézier curve [N, 2] between two poses; `reach` is the handles' length as a share of the distance."""
    distance = float(np.linalg.norm(end - start))
    handle = reach * distance
    one = start + handle * np.array([np.cos(start_yaw_rad), np.sin(start_yaw_rad)])
    two = end - handle * np.array([np.cos(end_yaw_rad), np.sin(end_yaw_rad)])
    t = np.linspace(0.0, 1.0, max(8, int(2 * distance)))[:, None]
    return np.asarray((1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * one + 3 * (1 - t) * t**2 * two + t**3 * end)


def _resampled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.hypot(*np.diff(points, axis=0).T)
    keep = np.append(True, lengths > 1e-9)
    points, s_m = points[keep], np.append(0.0, np.cumsum(lengths[keep[1:]]))
    count = max(2, round(s_m[-1] / STEP_M) + 1)
    at = np.linspace(0.0, s_m[-1], count)
    return np.stack([np.interp(at, s_m, points[:, axis]) for axis in (0, 1)], axis=1)
