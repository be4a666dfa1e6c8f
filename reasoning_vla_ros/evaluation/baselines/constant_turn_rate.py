"""Constant turn rate and velocity (CTRV): on along the circle of the last history step."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.baselines.base import Trajectory, require_poses
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, yaw_to_matrix


class ConstantTurnRate:
    """Keeps the planar twist (velocity and yaw rate) of the last history step: exact on a circle at constant speed."""

    name = "constant turn rate"

    def predict(self, history_xyz: ArrayLike, history_rot: ArrayLike, dt_s: float, times_s: ArrayLike) -> Trajectory:
        """See :class:`Baseline`; needs two poses."""
        xyz = require_poses(history_xyz, 2, self.name)
        times = np.asarray(times_s, np.float64)
        last_yaw = matrix_to_yaw(np.asarray(history_rot, np.float64)[-2])
        turned_rad = float(np.arctan2(np.sin(-last_yaw), np.cos(-last_yaw)))
        # The last step in the frame of the pose before it; there the twist starts along x for a wheeled vehicle.
        step = xyz[-1] - xyz[-2]
        cos, sin = np.cos(last_yaw), np.sin(last_yaw)
        moved = np.array([cos * step[0] + sin * step[1], cos * step[1] - sin * step[0]])
        twist_mps = np.linalg.solve(_mean_rotation(np.array([turned_rad]))[0], moved) / dt_s
        yaw = turned_rad * times / dt_s
        planar = times[:, None] * (_mean_rotation(yaw) @ twist_mps)
        climb = times * step[2] / dt_s
        return np.concatenate([planar, climb[:, None]], axis=1), yaw_to_matrix(yaw)


def _mean_rotation(yaw_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the planar rotations from 0 to yaw [N], [N, 2, 2]: turns a constant body velocity into a displacement."""
    sine = np.sinc(yaw_rad / np.pi)  # sin(yaw) / yaw, also at 0
    cosine = np.sin(yaw_rad / 2) * np.sinc(yaw_rad / (2 * np.pi))  # (1 - cos(yaw)) / yaw, also at 0
    return np.stack([np.stack([sine, -cosine], -1), np.stack([cosine, sine], -1)], -2)
