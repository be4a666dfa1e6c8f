"""The inverse problems of the unicycle for few trajectories: dense systems in the dtype of the input.

The same problems as in `unicycle`, which solves them as banded systems in float64. For a handful of trajectories a
dense LAPACK factorisation is quicker than a Python loop over time. It is also how Alpamayo-R1 solves them, with the
same rounding: in float32 the discrete tokens agree with the public original's to the last id, where float64 moves
about one id in 600 by one bin.

What does not depend on the data is computed once: for one trajectory, half the time would go there.

Every function raises `torch.linalg.LinAlgError` when a system is singular in this dtype.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from reasoning_vla_ros.geometry.banded import difference_gram
from reasoning_vla_ros.geometry.smoothing import Smoothing


@torch.no_grad()
def estimate_v0(xyz: Tensor, rot: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.estimate_v0`, for [B, T, 3] and [B, T, 3, 3]; [B]."""
    gram, right = _speed_system(xyz[..., :2].diff(dim=1), _unwrapped_yaw(rot), dt_s)
    gram += _smoothness(gram, 3, dt_s, smoothing)
    return _solve(gram, right, smoothing)[:, -1]


@torch.no_grad()
def smooth_yaw(rot: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.smooth_yaw`, for [B, T, 3, 3]; [B, T + 1]."""
    yaw = _unwrapped_yaw(rot)
    factor = _constant_factor(yaw.shape[1], 3, 1, dt_s, smoothing, yaw.dtype, yaw.device)
    return torch.nn.functional.pad(torch.cholesky_solve(yaw[..., None], factor)[..., 0], (1, 0))


@torch.no_grad()
def solve_speed(steps_m: Tensor, yaw: Tensor, v0_mps: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.solve_speed`, for [B, T, 2], [B, T + 1] and [B]; [B, T + 1]."""
    gram, right = _speed_system(steps_m, yaw, dt_s)
    smooth = _smoothness(gram, 3, dt_s, smoothing)
    # The known first speed moves to the right-hand side, first from the data, then from the smoothness.
    v0 = v0_mps[:, None]
    right = right[:, 1:] - gram[:, 1:, 0] * v0 - smooth[:, 1:, 0] * v0
    gram += smooth
    return torch.cat([v0, _solve(gram[:, 1:, 1:], right, smoothing)], dim=1)


@torch.no_grad()
def solve_accel(speed_mps: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.solve_accel`, for [B, T + 1]; [B, T]."""
    change = (speed_mps[:, 1:] - speed_mps[:, :-1]) / dt_s
    factor = _constant_factor(change.shape[1], 2, 0, dt_s, smoothing, change.dtype, change.device)
    return torch.cholesky_solve(change[..., None], factor)[..., 0]


@torch.no_grad()
def solve_curvature(yaw: Tensor, speed_mps: Tensor, accel: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.solve_curvature`, for [B, T + 1], [B, T + 1] and [B, T]; [B, T]."""
    way = dt_s * speed_mps[:, :-1] + dt_s**2 / 2.0 * accel
    matrix = _smoothness(way, 2, dt_s, smoothing).repeat(len(way), 1, 1)
    matrix.diagonal(dim1=1, dim2=2).add_(way * way)
    return _solve(matrix, way * (yaw[:, 1:] - yaw[:, :-1]), smoothing)


def _speed_system(steps_m: Tensor, yaw: Tensor, dt_s: float) -> tuple[Tensor, Tensor]:
    """A^T A [B, T + 1, T + 1] and A^T b [B, T + 1] of v[t] u[t] + v[t+1] u[t+1] = 2 steps[t] / dt."""
    count, steps, _ = steps_m.shape
    direction = torch.stack([yaw.cos(), yaw.sin()], dim=1)
    equations = yaw.new_zeros(count, steps, 2, steps + 1)
    equations.diagonal(0, 1, 3).copy_(direction[..., :-1])
    equations.diagonal(1, 1, 3).copy_(direction[..., 1:])
    flat = equations.flatten(1, 2)
    right = (2 / dt_s * steps_m).reshape(count, 2 * steps, 1)
    return flat.mT @ flat, (flat.mT @ right)[..., 0]


def _solve(matrix: Tensor, right: Tensor, smoothing: Smoothing) -> Tensor:
    """Solves matrix [B, N, N], to which it adds the ridge, for right [B, N]."""
    matrix.diagonal(dim1=1, dim2=2).add_(smoothing.ridge)
    return torch.cholesky_solve(right[..., None], torch.linalg.cholesky(matrix))[..., 0]


def _smoothness(like: Tensor, order: int, dt_s: float, smoothing: Smoothing) -> Tensor:
    """The weighted gram matrix of differences, [1, N, N] for the last axis of `like`; shared, not to be written to."""
    return _constant_smoothness(like.shape[-1], order, dt_s, smoothing.smooth, like.dtype, like.device)


@lru_cache(maxsize=64)
def _constant_smoothness(
    size: int, order: int, dt_s: float, smooth: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):  # what is kept must be usable outside as well
        gram = torch.from_numpy(difference_gram(size, order).copy()).to(device, dtype)
        return (gram * (smooth / dt_s ** (2 * order)))[None]


@lru_cache(maxsize=64)
def _constant_factor(
    size: int, order: int, known: int, dt_s: float, smoothing: Smoothing, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The Cholesky factor [1, N, N] of I + smoothness + ridge I, for values after `known` ones that are zero."""
    with torch.inference_mode(False):
        smooth = _constant_smoothness(size + known, order, dt_s, smoothing.smooth, dtype, device)[:, known:, known:]
        identity = torch.eye(size, dtype=dtype, device=device)
        return torch.linalg.cholesky(identity + smooth + smoothing.ridge * identity)


def _unwrapped_yaw(rot: Tensor) -> Tensor:
    """Headings [B, T] without jumps, of rotations [B, T, 3, 3]."""
    yaw = torch.atan2(rot[..., 1, 0], rot[..., 0, 0])  # not `matrix_to_yaw`, whose last digit differs
    turns = yaw[:, 1:] - yaw[:, :-1]
    wrapped = torch.atan2(turns.sin(), turns.cos())
    return torch.cat([yaw[:, :1], yaw[:, :1] + wrapped.cumsum(dim=1)], dim=1)
