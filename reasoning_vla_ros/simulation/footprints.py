"""Footprints on the ground: whether two overlap, how far they are apart, and whether one leaves the road."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def corners(xy: tuple[float, float], yaw_rad: float, length_m: float, width_m: float) -> NDArray[np.float64]:
    """Corners [4, 2] of a footprint: front left, front right, rear right, rear left."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    x, y = length_m / 2, width_m / 2
    local = np.array([[x, y], [x, -y], [-x, -y], [-x, y]])
    return local @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(xy)


def gap_m(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Distance between two rectangles [4, 2] along the separating axis; negative where they overlap.

    The separating axis theorem: it is exact for overlap, and a lower bound for the distance of corner to corner.
    """
    axes = np.concatenate([np.diff(one[:3], axis=0), np.diff(other[:3], axis=0)])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    a, b = one @ axes.T, other @ axes.T
    return float(np.maximum(a.min(0) - b.max(0), b.min(0) - a.max(0)).max())


class DrivableArea:
    """The union of all lanes, as discs along their middles."""

    def __init__(self, centers: NDArray[np.float64], half_width_m: float) -> None:
        """Centers [N, 2] no more than 2 m apart."""
        self._centers, self._half_width_m = centers, half_width_m

    def outside_m(self, points: NDArray[np.float64]) -> float:
        """How far the outermost of `points` [M, 2] lies outside; 0 if none does. Discs 2 m apart are 0.25 m short."""
        near = self._centers[(np.abs(self._centers - points.mean(0)) < 12.0).all(axis=1)]
        if not len(near):
            return float("inf")
        nearest = np.hypot(*np.moveaxis(points[:, None] - near[None], -1, 0)).min(axis=1)
        return max(0.0, float(nearest.max()) - self._half_width_m)
