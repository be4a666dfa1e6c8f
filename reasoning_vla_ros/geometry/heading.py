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
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.arrays import ArrayT, cast, constant, namespace, steps_from_zero

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


# A step of 3 cm (0.3 m/s at 10 Hz) turns the heading as much as staying put holds it.
_STILL_M = 0.03
# How much the wide filter counts beside the narrow one, and how fast it forgets, per step.
_WIDE_SHARE = 0.05
_WIDE_KEEP = 0.9


@lru_cache(maxsize=64)
def _direction_filter(num_steps: int) -> NDArray[np.float64]:
    """[N, N], rows of sum 1 + _WIDE_SHARE: a narrow filter for a moving vehicle, a wide one for a slow one."""
    apart = np.abs(np.arange(num_steps)[:, None] - np.arange(num_steps))
    narrow = np.choose(np.minimum(apart, 2), [2.0, 1.0, 0.0])
    wide = _WIDE_KEEP**apart
    combined = narrow / narrow.sum(1, keepdims=True) + _WIDE_SHARE * wide / wide.sum(1, keepdims=True)
    combined.flags.writeable = False
    return combined


def travel_heading(xy: ArrayT) -> ArrayT:
    """Heading [..., T], radians, unwrapped, of a vehicle that follows points xy [..., T, 2] in metres, from the origin
    with heading zero.

    Steps are squared as complex numbers, which doubles their angles: a step back has the same heading as one forth,
    so that reversing does not turn the vehicle round, and a step counts by its length squared, so that noise does not
    turn a vehicle that hardly moves. (The structure tensor of image processing does so with gradients: Bigun and
    Granlund 1987.) The squares are smoothed over neighbouring steps, pulled a little to zero heading, and their angles
    unwrapped and halved. A path that stands still has heading zero.
    """
    xp = namespace(xy)
    dx, dy = steps_from_zero(xy[..., 0]), steps_from_zero(xy[..., 1])
    smooth = xp.stack([dx * dx - dy * dy, 2 * dx * dy]) @ constant(_direction_filter(xy.shape[-2]).T, dx)
    doubled = xp.arctan2(smooth[1], smooth[0] + _STILL_M**2)
    turns = steps_from_zero(doubled)
    turns = turns - 2 * math.pi * xp.round(turns / (2 * math.pi))
    # Headings between the points; a point's is the mean of its neighbours', the last point's on the line through both.
    middle = xp.cumsum(turns, -1) / 2
    last = middle[..., -1:] + turns[..., -1:] / 4
    return xp.concatenate([(middle[..., 1:] + middle[..., :-1]) / 2, last], -1)
