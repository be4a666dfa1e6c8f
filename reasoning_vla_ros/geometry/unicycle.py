"""The unicycle: speed and heading driven by acceleration and curvature, forwards and backwards.

The model and the least-squares problems are those of Alpamayo-R1's accel/curvature action space. Here the unknown
trajectories of a whole batch are solved at once: heading and acceleration with an inverse computed once, speed and
curvature as banded systems.

Shapes: T steps of dt_s seconds; leading axes are free. Everything is computed in float64, because curvature at low
speed is a badly conditioned problem; results come in the dtype of the input, at least float32. Not differentiable,
but for `integrate`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.arrays import ArrayT, at_least_float32, namespace
from reasoning_vla_ros.geometry.banded import difference_gram, lower_bands, solve_banded
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, unwrap
from reasoning_vla_ros.geometry.smoothing import Smoothing

# A system this close to singular in float64 would answer with rounding noise; the ridge is raised to this share of
# the largest diagonal entry, row by row, so that it always has an answer.
SMALLEST_RIDGE = 1e-13


def integrate(v0_mps: ArrayT, accel: ArrayT, curvature: ArrayT, dt_s: float) -> tuple[ArrayT, ArrayT, ArrayT]:
    """Drives the unicycle from the origin, heading along x, without clipping anything; numpy or torch.

    v[i+1] = v[i] + a[i] dt; yaw[i+1] = yaw[i] + kappa[i] (v[i] dt + a[i] dt^2 / 2);
    p[i+1] = p[i] + dt/2 (v[i] u(yaw[i]) + v[i+1] u(yaw[i+1])).

    Args:
        v0_mps: speed at t0 [...], m/s.
        accel: [..., T], m/s^2.
        curvature: [..., T], 1/m.
        dt_s: step, seconds.

    Returns:
        xy [..., T, 2], yaw [..., T] and speed [..., T] after each step.
    """
    xp = namespace(accel)
    v0 = v0_mps[..., None]
    v_end = v0 + _sums(accel * dt_s)
    v_begin = xp.concatenate([v0, v_end[..., :-1]], -1)
    # Two sums each, in the order of Alpamayo-R1: in float32 it decides the last digit.
    yaw = _sums(curvature * v_begin * dt_s) + _sums(curvature * accel * (0.5 * dt_s**2))
    half_dt_s = 0.5 * dt_s
    velocity = xp.stack([v_end * xp.cos(yaw), v_end * xp.sin(yaw)])
    first = xp.stack([v0, xp.zeros_like(v0)])
    previous = xp.concatenate([first, velocity[..., :-1]], -1)
    return xp.moveaxis(_sums(previous * half_dt_s) + _sums(velocity * half_dt_s), 0, -1), yaw, v_end


def _sums(values: ArrayT) -> ArrayT:
    """Sums along the last axis, added up in float64, as PyTorch does on the CPU."""
    if isinstance(values, torch.Tensor):
        return torch.cumsum(values, -1)
    return np.cumsum(values, -1, dtype=np.float64).astype(values.dtype, copy=False)


@torch.no_grad()
def estimate_v0(xyz: torch.Tensor, rot: torch.Tensor, dt_s: float, smoothing: Smoothing) -> torch.Tensor:
    """Speed at the last pose of a history, from its positions and headings together.

    Least squares over all speeds of v[t] u[t] + v[t+1] u[t+1] = 2 (p[t+1] - p[t]) / dt, third differences smoothed.
    One pose has no speed: zero.

    Args:
        xyz: [..., T, 3], metres, T >= 1.
        rot: [..., T, 3, 3].

    Returns:
        [...], m/s, negative in reverse.
    """
    lead = xyz.shape[:-2]
    steps = _flat(xyz, 2)[..., :2].diff(dim=1)
    yaw = unwrap(matrix_to_yaw(_flat(rot, 3)))
    bands, right = _speed_system(steps, yaw, dt_s, smoothing)
    return solve_banded(_with_ridge(bands, smoothing.ridge), right)[-1].reshape(lead).to(at_least_float32(xyz).dtype)


@torch.no_grad()
def smooth_yaw(rot: torch.Tensor, dt_s: float, smoothing: Smoothing) -> torch.Tensor:
    """Headings [..., T + 1] of rotations [..., T, 3, 3], unwrapped and smoothed, after a first one fixed at zero."""
    yaw = unwrap(matrix_to_yaw(_flat(rot, 3)))
    steps = yaw.shape[1]
    gram = difference_gram(steps + 1, 3)[1:, 1:] * (smoothing.smooth / dt_s**6)
    solved = yaw @ _inverse(gram, smoothing.ridge).to(yaw.device)
    smoothed = torch.cat([torch.zeros_like(solved[:, :1]), solved], dim=1)
    return smoothed.reshape(*rot.shape[:-3], steps + 1).to(at_least_float32(rot).dtype)


@torch.no_grad()
def solve_speed(
    steps_m: torch.Tensor, yaw: torch.Tensor, v0_mps: torch.Tensor, dt_s: float, smoothing: Smoothing
) -> torch.Tensor:
    """Speeds [..., T + 1] that explain the steps [..., T, 2] under the headings [..., T + 1]; the first is v0 [...]."""
    lead = steps_m.shape[:-2]
    bands, right = _speed_system(_flat(steps_m, 2), _flat(yaw, 1), dt_s, smoothing)
    v0 = v0_mps.reshape(-1).double()
    # The known first speed moves from the unknowns to the right-hand side, with all entries of its column.
    right = right[1:].clone()
    for j in range(1, min(bands.shape[1], bands.shape[0])):
        right[j - 1] -= bands[j, j] * v0
    solved = solve_banded(_with_ridge(bands[1:], smoothing.ridge), right)
    speed = torch.cat([v0[None], solved]).T
    return speed.reshape(*lead, speed.shape[1]).to(at_least_float32(steps_m).dtype)


@torch.no_grad()
def solve_accel(speed_mps: torch.Tensor, dt_s: float, smoothing: Smoothing) -> torch.Tensor:
    """Accelerations [..., T] of speeds [..., T + 1], second differences smoothed."""
    change = speed_mps.double().diff(dim=-1) / dt_s
    gram = difference_gram(change.shape[-1], 2) * (smoothing.smooth / dt_s**4)
    solved = change @ _inverse(gram, smoothing.ridge).to(change.device)
    return solved.to(at_least_float32(speed_mps).dtype)


@torch.no_grad()
def solve_curvature(
    yaw: torch.Tensor, speed_mps: torch.Tensor, accel: torch.Tensor, dt_s: float, smoothing: Smoothing
) -> torch.Tensor:
    """Curvatures [..., T] with kappa s = change of heading, s = v dt + a dt^2 / 2, second differences smoothed.

    At standstill s is zero and only the smoothing speaks: curvature is carried on from where the vehicle moved.

    Args:
        yaw: [..., T + 1], unwrapped.
        speed_mps: [..., T + 1].
        accel: [..., T].
    """
    turn = _flat(yaw, 1).diff(dim=1)
    way = _flat(speed_mps, 1)[:, :-1] * dt_s + _flat(accel, 1) * (dt_s**2 / 2)
    steps = turn.shape[1]
    smooth = lower_bands(difference_gram(steps, 2) * (smoothing.smooth / dt_s**4), 2)
    bands = torch.from_numpy(smooth).to(turn.device)[..., None].repeat(1, 1, len(turn))
    bands[:, 0] += way.T**2
    solved = solve_banded(_with_ridge(bands, smoothing.ridge), (way * turn).T)
    return solved.T.reshape(accel.shape).to(at_least_float32(accel).dtype)


def _speed_system(
    steps_m: torch.Tensor, yaw: torch.Tensor, dt_s: float, smoothing: Smoothing
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lower bands [T + 1, 4, B] without ridge, and right side [T + 1, B], of steps [B, T, 2], yaw [B, T + 1]."""
    count, steps, _ = steps_m.shape
    smooth = lower_bands(difference_gram(steps + 1, 3) * (smoothing.smooth / dt_s**6), 3)
    bands = torch.from_numpy(smooth).to(yaw.device)[..., None].repeat(1, 1, count)
    # u[t] is a unit vector: each equation adds one to the diagonal at both its ends.
    bands[:-1, 0] += 1
    bands[1:, 0] += 1
    bands[1:, 1] += torch.cos(yaw.diff(dim=1)).T
    direction = torch.stack([torch.cos(yaw), torch.sin(yaw)], dim=-1)
    twice = steps_m * (2 / dt_s)
    right = torch.zeros_like(yaw)
    right[:, :-1] += (twice * direction[:, :-1]).sum(-1)
    right[:, 1:] += (twice * direction[:, 1:]).sum(-1)
    return bands, right.T.contiguous()


def _with_ridge(bands: torch.Tensor, ridge: float) -> torch.Tensor:
    bands = bands.clone()
    least = bands[:, 0].amax(dim=0) * SMALLEST_RIDGE
    bands[:, 0] += least.clamp(min=max(ridge, SMALLEST_RIDGE))
    return bands


def _inverse(gram: NDArray[np.float64], ridge: float) -> torch.Tensor:
    """The inverse of I + gram + ridge I, float64."""
    return torch.from_numpy(_cached_inverse(gram.tobytes(), len(gram), ridge).copy())


@lru_cache(maxsize=64)
def _cached_inverse(gram: bytes, size: int, ridge: float) -> NDArray[np.float64]:
    matrix = np.frombuffer(gram).reshape(size, size)
    return np.asarray(np.linalg.inv(matrix + (1 + ridge) * np.eye(size)), np.float64)


def _flat(tensor: torch.Tensor, tail: int) -> torch.Tensor:
    """float64 with all axes before the last `tail` ones as one."""
    return tensor.double().reshape(math.prod(tensor.shape[:-tail]), *tensor.shape[-tail:])
