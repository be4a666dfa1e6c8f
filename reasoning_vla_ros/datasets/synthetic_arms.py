"""Joint trajectories of a 7-DoF arm without a recording.

An arm goes from pose to pose: minimum-jerk moves (Flash and Hogan 1985) between random joint positions within the
limits of a Franka Emika Panda, some joints earlier than others, with pauses and a small tremor. A chunk is one second
cut out at a random time.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet

DT_S = 0.02
HISTORY_STEPS = 16
CHUNK_STEPS = 50
# The maker's published limits, radians.
PANDA_LOWER = (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973)
PANDA_UPPER = (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973)
MAX_SPEED_RADPS = 2.0
MOVES = 4
MAX_LAG_S = 0.15

Array = NDArray[np.floating]


def synthetic_arms(count: int, seed: int = 0) -> TrajectorySet:
    """Histories of 16 and chunks of 50 joint positions, radians, [B, T, 7], at 50 Hz, float32.

    Raises:
        ValueError: no row.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    rng = np.random.default_rng(seed)
    lower, upper = np.array(PANDA_LOWER), np.array(PANDA_UPPER)
    joints = len(lower)
    middle, reach = (upper + lower) / 2, (upper - lower) / 2
    poses = [middle + rng.uniform(-0.8, 0.8, (count, joints)) * reach]
    for _ in range(MOVES):
        # Most moves are short and move some joints only.
        size = rng.uniform(0.05, 1.0, (count, 1)) ** 2 * (rng.random((count, joints)) < 0.8)
        target = poses[-1] + rng.normal(0, 0.7, (count, joints)) * size * reach
        poses.append(np.clip(target, lower + 0.02 * reach, upper - 0.02 * reach))
    durations_s = rng.uniform(0.5, 2.5, (count, MOVES))
    peak = 1.875 * np.max([np.abs(b - a).max(1) for a, b in pairwise(poses)], 0)[:, None]
    durations_s = np.maximum(durations_s, peak / MAX_SPEED_RADPS + MAX_LAG_S)
    pauses_s = rng.exponential(0.15, (count, MOVES)) * (rng.random((count, MOVES)) < 0.4)
    starts_s = np.cumsum(durations_s + pauses_s, 1) - durations_s - pauses_s
    whole_s = starts_s[:, -1] + durations_s[:, -1]
    t0_s = rng.uniform(HISTORY_STEPS * DT_S, whole_s - 0.2)
    time_s = t0_s[:, None] + (np.arange(HISTORY_STEPS + CHUNK_STEPS) - HISTORY_STEPS + 1) * DT_S
    lag_s = rng.uniform(0, MAX_LAG_S, (count, 1, joints))
    position = poses[0][:, None] + np.zeros((1, time_s.shape[1], 1))
    for index in range(MOVES):
        length_s = durations_s[:, index, None, None] - lag_s
        phase = np.clip((time_s[..., None] - starts_s[:, index, None, None] - lag_s) / length_s, 0, 1)
        share = phase**3 * (10 - 15 * phase + 6 * phase**2)
        position = position + (poses[index + 1] - poses[index])[:, None] * share
    position = position + _tremor(rng, position.shape)
    chunks = torch.from_numpy(position).float()
    return TrajectorySet(chunks[:, :HISTORY_STEPS], None, chunks[:, HISTORY_STEPS:], None, DT_S, "synthetic arms")


def _tremor(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Sines of 2 to 8 Hz, up to 2 mrad."""
    count, steps, joints = shape
    phase = rng.uniform(0, 2 * np.pi, (count, 1, joints))
    rate = rng.uniform(2, 8, (count, 1, joints))
    size = rng.uniform(0, 0.002, (count, 1, joints)) * (rng.random((count, 1, joints)) < 0.5)
    return np.asarray(size * np.sin(2 * np.pi * rate * np.arange(steps)[None, :, None] * DT_S + phase))
