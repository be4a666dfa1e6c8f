"""Headings of decoded steps: one polynomial fit a waypoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def plain_decode(ids: torch.Tensor) -> NDArray[Any]:
    """Headings [B, T], radians, of ids [B, 3 T]."""
    low, high = np.array([-4.0, -4, -10]), np.array([4.0, 4, 10])
    rotations = []
    for row in ids.reshape(len(ids), -1, 3).numpy():
        path = np.cumsum(row / 999 * (high - low) + low, axis=0)
        headings = []
        for i in range(len(path)):
            begin = max(0, min(i - 5, len(path) - 10))
            window = path[begin : begin + 10]
            times = np.arange(len(window))
            dx, dy = (np.polyval(np.polyder(np.polyfit(times, window[:, k], 3)), i - begin) for k in range(2))
            headings.append(np.arctan2(dy, dx))
        rotations.append(headings)
    return np.array(rotations)
