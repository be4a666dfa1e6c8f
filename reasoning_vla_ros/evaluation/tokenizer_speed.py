"""Speed of the tokenizers against a plain implementation of the published methods, in one process.

The baseline solves one trajectory at a time with dense matrices, and fits one polynomial a point, as the methods are
written down. Both sides get the same trajectories and the same number of threads; the ratio is what counts. The command
`reasoning-vla bench` prints it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.tokenizers import create_tokenizer

DT_S = 0.1
Trajectories = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def driving(count: int, history: int = 16, future: int = 64) -> Trajectories:
    """History and future of gentle drives at 4..26 m/s, float32, in the ego frame at t0."""
    rng = np.random.default_rng(0)
    time_s = np.arange(-history + 1, future + 1) * DT_S
    speed = rng.uniform(4, 26, (count, 1)) + rng.uniform(-1, 1, (count, 1)) * np.sin(0.5 * time_s)
    yaw = (
        np.cumsum(rng.uniform(-0.15, 0.15, (count, 1)) * np.sin(0.3 * time_s + rng.uniform(0, 6, (count, 1))), 1) * DT_S
    )
    yaw -= yaw[:, history - 1 : history]
    xyz = np.cumsum(np.stack([speed * np.cos(yaw), speed * np.sin(yaw), 0 * yaw], -1), axis=1) * DT_S
    xyz -= xyz[:, history - 1 : history]
    poses, rot = torch.tensor(xyz, dtype=torch.float32), yaw_to_matrix(torch.tensor(yaw, dtype=torch.float32))
    return poses[:, :history], rot[:, :history], poses[:, history:], rot[:, history:]


def differences(size: int, order: int, scale: float) -> NDArray[Any]:
    rows = np.diff(np.eye(size), n=order, axis=0)
    return scale * rows.T @ rows


def plain_speeds(steps: NDArray[Any], yaw: NDArray[Any], v0: float | None) -> NDArray[Any]:
    """Speeds from steps and headings; the last of them when v0 is to be found."""
    count = len(yaw)
    design = np.zeros((2 * count - 2, count))
    for t in range(count - 1):
        for end in (t, t + 1):
            design[2 * t : 2 * t + 2, end] = np.cos(yaw[end]), np.sin(yaw[end])
    normal = design.T @ design + differences(count, 3, 1e-6 / DT_S**6)
    right = design.T @ (2 / DT_S * steps).ravel()
    if v0 is None:
        return np.linalg.solve(normal + 1e-4 * np.eye(count), right)
    right = right[1:] - normal[1:, 0] * v0
    return np.concatenate([[v0], np.linalg.solve(normal[1:, 1:] + 1e-4 * np.eye(count - 1), right)])


def plain_unicycle_encode(data: Trajectories, bins: int) -> NDArray[Any]:
    ids = []
    for hist_xyz, hist_rot, fut_xyz, fut_rot in zip(*(tensor.double().numpy() for tensor in data), strict=True):
        hist_yaw = np.unwrap(np.arctan2(hist_rot[:, 1, 0], hist_rot[:, 0, 0]))
        v0 = plain_speeds(np.diff(hist_xyz[:, :2], axis=0), hist_yaw, None)[-1]
        target = np.unwrap(np.arctan2(fut_rot[:, 1, 0], fut_rot[:, 0, 0]))
        count = len(target)
        smooth = differences(count + 1, 3, 1e-6 / DT_S**6)[1:, 1:]
        yaw = np.concatenate([[0.0], np.linalg.solve(smooth + (1 + 1e-8) * np.eye(count), target)])
        path = np.concatenate([hist_xyz[-1:, :2], fut_xyz[:, :2]])
        speed = plain_speeds(np.diff(path, axis=0), yaw, v0)
        second = differences(count, 2, 1e-4 / DT_S**4)
        accel = np.linalg.solve(second + (1 + 1e-4) * np.eye(count), np.diff(speed) / DT_S)
        way = speed[:-1] * DT_S + accel * DT_S**2 / 2
        curvature = np.linalg.solve(np.diag(way**2 + 1e-4) + second, way * np.diff(yaw))
        actions = np.stack([accel, curvature], -1)
        ids.append(np.clip(np.rint((actions + 10) / 20 * (bins - 1)), 0, bins - 1).astype(np.int64).ravel())
    return np.stack(ids)


def plain_delta_decode(ids: torch.Tensor) -> NDArray[Any]:
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


def rate(run: Callable[[], object], count: int, repeats: int) -> float:
    """Trajectories a second, the best of several runs after one to warm up."""
    run()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return count / min(seconds)


@dataclass(frozen=True)
class Speed:
    """Trajectories a second of one operation, and of the baseline where there is one."""

    name: str
    per_s: float
    baseline_per_s: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.baseline_per_s is None else self.per_s / self.baseline_per_s


def measure(batch: int = 4096, baseline_batch: int = 64) -> list[Speed]:
    """Times encoding and decoding of `batch` trajectories, and the baseline on `baseline_batch` of them.

    Raises:
        RuntimeError: baseline and tokenizer give different answers, so that comparing them means nothing.
    """
    data = driving(batch)
    few: Trajectories = tuple(tensor[:baseline_batch] for tensor in data)  # type: ignore[assignment]
    unicycle, delta = create_tokenizer("unicycle+uniform", num_bins=3000), create_tokenizer("delta_xyz+uniform")
    ids, delta_ids = unicycle.encode(*data), delta.encode(*data)

    agreement = float((torch.tensor(plain_unicycle_encode(few, 3000)) == ids[:baseline_batch]).double().mean())
    _, rot, _ = delta.decode(*few[:2], delta_ids[:baseline_batch])
    turn = np.abs(np.cos(plain_delta_decode(delta_ids[:baseline_batch])) - rot[..., 0, 0].numpy()).max()
    if agreement < 0.99 or turn > 1e-4:
        raise RuntimeError(
            f"baseline and tokenizer disagree: {agreement:.4f} of the ids equal, cosines {turn:.1e} apart"
        )

    def speed(name: str, ours: Callable[[], object], baseline: Callable[[], object] | None = None) -> Speed:
        baseline_per_s = None if baseline is None else rate(baseline, baseline_batch, 2)
        return Speed(name, rate(ours, batch, 5), baseline_per_s)

    return [
        speed("unicycle+uniform encode", lambda: unicycle.encode(*data), lambda: plain_unicycle_encode(few, 3000)),
        speed("unicycle+uniform decode", lambda: unicycle.decode(*data[:2], ids)),
        speed("delta_xyz+uniform encode", lambda: delta.encode(*data)),
        speed(
            "delta_xyz+uniform decode",
            lambda: delta.decode(*data[:2], delta_ids),
            lambda: plain_delta_decode(delta_ids[:baseline_batch]),
        ),
    ]
