"""Headings of a path from local cubic fits, as one linear filter.

Alpamayo-R1's delta tokenizer fits cubics to x(t) and y(t) in a window of ten points around each point and takes the
direction of the fitted velocity. The fit is linear in the points, so all windows together are one matrix, which
depends on the number of points only.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.arrays import ArrayT, cast, constant, namespace, steps_from_zero, zeros

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


def path_direction(xy: ArrayT) -> tuple[ArrayT, ArrayT]:
    """Cosine and sine [..., T] of the headings of points [..., T, 2] from local cubic fits.

    Computed in float64 and given in the dtype of `xy`. Where the path stands still the heading is zero.
    """
    xp = namespace(xy)
    # Coordinates first, so that everything after works on contiguous numbers.
    points = cast(xp.moveaxis(xy, -1, 0), xp.float64)
    velocity = (points[..., 1:] - points[..., :-1]) @ constant(velocity_filter(xy.shape[-2]).T, points)
    dx, dy = velocity[0], velocity[1]
    speed = xp.sqrt(dx * dx + dy * dy)
    still = speed == 0
    dx, speed = xp.where(still, 1.0, dx), xp.where(still, 1.0, speed)
    return cast(dx / speed, xy.dtype), cast(dy / speed, xy.dtype)


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


# A slower vehicle (0.8 m/s at 10 Hz) keeps the heading it had: poses that jitter by 5 cm at rest are smoothed to
# steps of 1.3 cm, which reach this once in a hundred million.
_MOVING_M = 0.08


@lru_cache(maxsize=64)
def _step_filters(num_steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two matrices [N, N] that average five neighbouring steps, the nearest most.

    At the ends the first takes fewer steps, which tell the direction there; the second the nearest five, whose length
    jitter adds to no more there than elsewhere.
    """
    filters = []
    for inset in (0, min(2, (num_steps - 1) // 2)):
        centre = np.clip(np.arange(num_steps), inset, num_steps - 1 - inset)
        weights = np.maximum(3.0 - np.abs(centre[:, None] - np.arange(num_steps)), 0.0)
        weights /= weights.sum(1, keepdims=True)
        weights.flags.writeable = False
        filters.append(weights)
    return filters[0], filters[1]


def travel_heading(xy: ArrayT) -> ArrayT:
    """Heading [..., T], radians, unwrapped, of a vehicle that follows points xy [..., T, 2] in metres, from the origin
    with heading zero.

    The direction of the smoothed steps; where they are too short to have one, the last there was. A step back has the
    heading of one forth: turns of more than a quarter are none, so reversing does not turn the vehicle round. A path
    that stands still has heading zero.
    """
    xp = namespace(xy)
    dx, dy = steps_from_zero(xy[..., 0]), steps_from_zero(xy[..., 1])
    steps = xp.stack([dx, dy])
    near, broad = (steps @ constant(weights.T, dx) for weights in _step_filters(xy.shape[-2]))
    directions = xp.arctan2(near[1], near[0])
    moving = broad[0] ** 2 + broad[1] ** 2 > _MOVING_M**2
    held = _held(directions, moving)
    turns = steps_from_zero(held)
    turns = turns - math.pi * xp.round(turns / math.pi)
    # Headings between the points; a point's is the mean of its neighbours', the last point's on the line through both.
    # NaN stays NaN.
    middle = xp.cumsum(turns, -1) + 0 * directions
    last = middle[..., -1:] + turns[..., -1:] / 2
    return xp.concatenate([(middle[..., 1:] + middle[..., :-1]) / 2, last], -1)


def _held(values: ArrayT, valid: ArrayT) -> ArrayT:
    """The last valid value at or before each place [..., T]; zero before the first."""
    padded = namespace(values).concatenate([zeros((*values.shape[:-1], 1), values), values], -1)
    if isinstance(values, torch.Tensor):
        places = torch.arange(1, values.shape[-1] + 1, device=values.device) * valid
        return padded.gather(-1, places.cummax(-1).values)
    return np.take_along_axis(padded, np.maximum.accumulate(np.arange(1, values.shape[-1] + 1) * valid, -1), -1)
