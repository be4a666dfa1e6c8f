"""What a baseline is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Trajectory = tuple[NDArray[np.float64], NDArray[np.float64]]


class Baseline(Protocol):
    """Predicts the future from nothing but what a planner's observation holds of the ego history."""

    name: str

    def predict(self, history_xyz: ArrayLike, history_rot: ArrayLike, dt_s: float, times_s: ArrayLike) -> Trajectory:
        """Positions [N, 3] in metres and rotations [N, 3, 3] at `times_s` [N] seconds after t0, ego frame at t0.

        Args:
            history_xyz: [T, 3], metres, ego frame at t0, oldest first; the last pose is at t0.
            history_rot: [T, 3, 3].
            dt_s: step of the history.

        Raises:
            ValueError: the history has fewer poses than the baseline needs.
        """
        ...


def require_poses(history_xyz: ArrayLike, least: int, name: str) -> NDArray[np.float64]:
    """The history as float64 [T, 3]. Raises ValueError when it has fewer than `least` poses."""
    xyz = np.asarray(history_xyz, np.float64)
    if len(xyz) < least:
        raise ValueError(f"the {name} baseline needs {least} history poses, got {len(xyz)}")
    return xyz
