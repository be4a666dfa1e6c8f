"""Motions matched segment by segment from where the last one led, one path at a time (SMART, arXiv 2405.15677)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def plain_encode(paths: NDArray[Any], disks: NDArray[Any], yaw_weight_m: float) -> NDArray[Any]:
    """Ids [B, N] of paths [B, T, 3] (x, y, yaw) among disks [V, S, 3]."""
    rows = []
    for path in paths.astype(np.float64):
        position, heading, ids = np.zeros(2), 0.0, []
        for begin in range(0, len(path), disks.shape[1]):
            segment = path[begin : begin + disks.shape[1]]
            cos, sin = np.cos(heading), np.sin(heading)
            seen = (segment[:, :2] - position) @ np.array([[cos, -sin], [sin, cos]])
            parts = disks[:, : len(segment)]
            apart = ((parts[..., :2] - seen) ** 2).sum((1, 2))
            apart += ((yaw_weight_m * (parts[..., 2] - (segment[:, 2] - heading))) ** 2).sum(1)
            ids.append(int(apart.argmin()))
            x, y, yaw = disks[ids[-1], -1]
            position = position + np.array([cos * x - sin * y, sin * x + cos * y])
            heading += yaw
        rows.append(ids)
    return np.array(rows)
