"""Acceleration and curvature, one trajectory at a time with dense matrices, as the method is written down."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

DT_S = 0.1


def plain_encode(data: tuple[torch.Tensor, ...], bins: int) -> NDArray[Any]:
    """Ids [B, 128] of history positions and rotations, future positions and rotations."""
    ids = []
    for hist_xyz, hist_rot, fut_xyz, fut_rot in zip(*(tensor.double().numpy() for tensor in data), strict=True):
        hist_yaw = np.unwrap(np.arctan2(hist_rot[:, 1, 0], hist_rot[:, 0, 0]))
        v0 = _speeds(np.diff(hist_xyz[:, :2], axis=0), hist_yaw, None)[-1]
        target = np.unwrap(np.arctan2(fut_rot[:, 1, 0], fut_rot[:, 0, 0]))
        count = len(target)
        smooth = _differences(count + 1, 3, 1e-6 / DT_S**6)[1:, 1:]
        yaw = np.concatenate([[0.0], np.linalg.solve(smooth + (1 + 1e-8) * np.eye(count), target)])
        path = np.concatenate([hist_xyz[-1:, :2], fut_xyz[:, :2]])
        speed = _speeds(np.diff(path, axis=0), yaw, v0)
        second = _differences(count, 2, 1e-4 / DT_S**4)
        accel = np.linalg.solve(second + (1 + 1e-4) * np.eye(count), np.diff(speed) / DT_S)
        way = speed[:-1] * DT_S + accel * DT_S**2 / 2
        curvature = np.linalg.solve(np.diag(way**2 + 1e-4) + second, way * np.diff(yaw))
        actions = np.stack([accel, curvature], -1)
        ids.append(np.clip(np.rint((actions + 10) / 20 * (bins - 1)), 0, bins - 1).astype(np.int64).ravel())
    return np.stack(ids)


def _differences(size: int, order: int, scale: float) -> NDArray[Any]:
    rows = np.diff(np.eye(size), n=order, axis=0)
    return scale * rows.T @ rows


def _speeds(steps: NDArray[Any], yaw: NDArray[Any], v0: float | None) -> NDArray[Any]:
    """Speeds from steps and headings; with the first one given, or found."""
    count = len(yaw)
    design = np.zeros((2 * count - 2, count))
    for t in range(count - 1):
        for end in (t, t + 1):
            design[2 * t : 2 * t + 2, end] = np.cos(yaw[end]), np.sin(yaw[end])
    normal = design.T @ design + _differences(count, 3, 1e-6 / DT_S**6)
    right = design.T @ (2 / DT_S * steps).ravel()
    if v0 is None:
        return np.linalg.solve(normal + 1e-4 * np.eye(count), right)
    right = right[1:] - normal[1:, 0] * v0
    return np.concatenate([[v0], np.linalg.solve(normal[1:, 1:] + 1e-4 * np.eye(count - 1), right)])
