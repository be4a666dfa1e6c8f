"""The inverse problems of the unicycle for few trajectories: dense systems in the dtype of the input.

The same problems as in `unicycle`, which solves them as banded systems in float64. For a handful of trajectories a
dense LAPACK factorisation is quicker than a Python loop over time. It is also how Alpamayo-R1 solves them, with the
same rounding: in float32 the discrete tokens agree with the public original's to the last id, where float64 moves
about one id in 600 by one bin.

Every function raises `torch.linalg.LinAlgError` when a system is singular in this dtype.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reasoning_vla_ros.geometry.banded import difference_gram
from reasoning_vla_ros.geometry.smoothing import Smoothing


@torch.no_grad()
def estimate_v0(xyz: Tensor, rot: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.estimate_v0`, for [B, T, 3] and [B, T, 3, 3]; [B]."""
    gram, right = _speed_system(xyz[..., :2].diff(dim=1), _unwrapped_yaw(rot), dt_s)
    return _solve(gram + _smoothness(gram, 3, dt_s, smoothing), right, smoothing)[:, -1]


@torch.no_grad()
def smooth_yaw(rot: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.smooth_yaw`, for [B, T, 3, 3]; [B, T + 1]."""
    yaw = _unwrapped_yaw(rot)
    padded = torch.nn.functional.pad(yaw, (1, 0))
    smooth = _smoothness(torch.diag_embed(padded), 3, dt_s, smoothing)[:, 1:, 1:]
    identity = torch.eye(yaw.shape[1], dtype=yaw.dtype, device=yaw.device)
    return torch.nn.functional.pad(_solve(identity + smooth, yaw, smoothing), (1, 0))


@torch.no_grad()
def solve_speed(steps_m: Tensor, yaw: Tensor, v0_mps: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.solve_speed`, for [B, T, 2], [B, T + 1] and [B]; [B, T + 1]."""
    gram, right = _speed_system(steps_m, yaw, dt_s)
    smooth = _smoothness(gram, 3, dt_s, smoothing)
    # The known first speed moves to the right-hand side, first from the data, then from the smoothness.
    right = right[:, 1:] - gram[:, 1:, 0] * v0_mps[:, None] - smooth[:, 1:, 0] * v0_mps[:, None]
    solved = _solve(gram[:, 1:, 1:] + smooth[:, 1:, 1:], right, smoothing)
    return torch.cat([v0_mps[:, None], solved], dim=1)


@torch.no_grad()
def solve_accel(speed_mps: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.solve_accel`, for [B, T + 1]; [B, T]."""
    change = speed_mps.diff(dim=1) / dt_s
    gram = torch.diag_embed(torch.ones_like(change))
    return _solve(gram + _smoothness(gram, 2, dt_s, smoothing), change, smoothing)


@torch.no_grad()
def solve_curvature(yaw: Tensor, speed_mps: Tensor, accel: Tensor, dt_s: float, smoothing: Smoothing) -> Tensor:
    """As `unicycle.solve_curvature`, for [B, T + 1], [B, T + 1] and [B, T]; [B, T]."""
    way = dt_s * speed_mps[:, :-1] + dt_s**2 / 2.0 * accel
    gram = torch.diag_embed(way * way)
    return _solve(gram + _smoothness(gram, 2, dt_s, smoothing), way * yaw.diff(dim=1), smoothing)


def _speed_system(steps_m: Tensor, yaw: Tensor, dt_s: float) -> tuple[Tensor, Tensor]:
    """A^T A [B, T + 1, T + 1] and A^T b [B, T + 1] of v[t] u[t] + v[t+1] u[t+1] = 2 steps[t] / dt."""
    count, steps, _ = steps_m.shape
    direction = torch.stack([yaw.cos(), yaw.sin()], dim=-1)
    equations = yaw.new_zeros(count, steps, 2, steps + 1)
    index = torch.arange(steps, device=yaw.device)
    equations[:, index, :, index] = direction[:, :-1].transpose(0, 1)
    equations[:, index, :, index + 1] = direction[:, 1:].transpose(0, 1)
    flat = equations.flatten(1, 2)
    gram = torch.einsum("bij,bik->bjk", flat, flat)
    return gram, torch.einsum("bij,bi->bj", flat, (2 / dt_s * steps_m).flatten(1))


def _smoothness(like: Tensor, order: int, dt_s: float, smoothing: Smoothing) -> Tensor:
    """The weighted gram matrix of differences, [1, N, N] for the last axis of `like`."""
    gram = torch.from_numpy(difference_gram(like.shape[-1], order)).to(like)
    return (gram * (smoothing.smooth / dt_s ** (2 * order)))[None]


def _solve(matrix: Tensor, right: Tensor, smoothing: Smoothing) -> Tensor:
    ridge = smoothing.ridge * torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    regular = (matrix + ridge).expand(len(right), -1, -1)
    return torch.cholesky_solve(right[..., None], torch.linalg.cholesky(regular))[..., 0]


def _unwrapped_yaw(rot: Tensor) -> Tensor:
    """Headings [B, T] without jumps, of rotations [B, T, 3, 3]."""
    yaw = torch.atan2(rot[..., 1, 0], rot[..., 0, 0])  # not `matrix_to_yaw`, whose last digit differs
    turns = yaw.diff(dim=1)
    wrapped = torch.atan2(turns.sin(), turns.cos())
    return torch.cat([yaw[:, :1], yaw[:, :1] + wrapped.cumsum(dim=1)], dim=1)
