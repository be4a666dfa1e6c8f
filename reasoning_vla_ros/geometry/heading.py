"""Headings of a path from local cubic fits, as one linear filter.

Alpamayo-R1's delta tokenizer fits cubics to x(t) and y(t) in a window of ten points around each point and takes the
direction of the fitted velocity. The fit is linear in the points, so all windows together are one matrix, which
depends on the number of points only.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

WINDOW = 10
ORDER = 3


@lru_cache(maxsize=64)
def velocity_filter(num_points: int, window: int = WINDOW, order: int = ORDER) -> NDArray[np.float64]:
    """The matrix [T, T - 1] from the steps between T points to the fitted derivative at each point, per step.

    It acts on steps, not on points, because a derivative ignores a common offset: a path that stands still, however
    far from the origin, gets a derivative of exactly zero. Windows shorter than order + 1 points give numpy's
    minimum-norm fit. The array is shared: do not write to it.
    """
    on_points = np.zeros((num_points, num_points))
    for i in range(num_points):
        begin = max(0, min(max(0, i - window // 2), num_points - window))
        end = min(num_points, begin + window)
        on_points[i, begin:end] = _derivative_weights(end - begin, order)[i - begin]
    # Point j is the first point plus the steps before it, so step k counts for every later point.
    on_steps = np.cumsum(on_points[:, ::-1], axis=1)[:, ::-1][:, 1:]
    on_steps.flags.writeable = False
    return on_steps


def path_direction(xy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine [..., T] of the headings of points [..., T, 2] from local cubic fits.

    Computed in float64 and given in the dtype of `xy`. Where the path stands still the heading is zero.
    """
    steps = xy.double().diff(dim=-2)
    weights = torch.from_numpy(velocity_filter(xy.shape[-2]).T.copy()).to(steps.device)
    dx, dy = steps[..., 0] @ weights, steps[..., 1] @ weights
    speed = torch.hypot(dx, dy)
    still = speed == 0
    cos = torch.where(still, 1.0, dx / speed)
    sin = torch.where(still, 0.0, dy / speed)
    return cos.to(xy.dtype), sin.to(xy.dtype)


@lru_cache(maxsize=64)
def _derivative_weights(count: int, order: int) -> NDArray[np.float64]:
    """The matrix [count, count] from equidistant points to the derivative of their fit at each of them."""
    if count < 2:
        return np.zeros((count, count))
    times = np.arange(count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.RankWarning)
        coefficients = np.polyfit(times, np.eye(count), order)  # highest power first
    powers = np.arange(order, 0, -1)
    derivative = powers[:, None] * coefficients[:-1]
    return np.asarray(np.vander(times, order).astype(float) @ derivative)
