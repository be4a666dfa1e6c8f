"""Constant velocity: straight on as over the last history step."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reasoning_vla_ros.evaluation.baselines.base import Trajectory, require_poses


class ConstantVelocity:
    """Keeps the velocity of the last history step and the heading at t0."""

    name = "constant velocity"

    def predict(self, history_xyz: ArrayLike, history_rot: ArrayLike, dt_s: float, times_s: ArrayLike) -> Trajectory:
        """See :class:`Baseline`; needs two poses."""
        xyz = require_poses(history_xyz, 2, self.name)
        times = np.asarray(times_s, np.float64)
        velocity_mps = (xyz[-1] - xyz[-2]) / dt_s
        return times[:, None] * velocity_mps, np.tile(np.eye(3), (len(times), 1, 1))
