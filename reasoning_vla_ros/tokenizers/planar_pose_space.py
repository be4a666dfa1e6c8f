"""Poses in the plane as actions."""

from __future__ import annotations

import math
from typing import Any

import torch

from reasoning_vla_ros.geometry.arrays import (
    as_tensor,
    at_least_float32,
    namespace,
    numpy_if_few,
    require_finite,
    require_shape,
)
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, unwrap_from_zero, yaw_to_matrix
from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.checks import check_action_shape, check_poses
from reasoning_vla_ros.tokenizers.registry import register_action_space


@register_action_space("planar_pose")
class PlanarPoseActionSpace(ActionSpace):
    """Actions (x, y, yaw): metres and radians in the ego frame at t0; for tokenizers that think in motions (`kdisks`).

    Planar: z is not coded and comes back as 0. The yaw is unwrapped along the path, beginning from zero at t0. The
    history's values are not used, so that any trajectory can be encoded.

    Args:
        horizon: T, or None for any.
        dt_s: seconds between waypoints, for whoever asks; it does not enter here.
    """

    action_dim = 3

    def __init__(self, horizon: int | None = 64, dt_s: float | None = 0.1) -> None:
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        self.horizon = horizon
        self.dt_s = dt_s

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        """Ranges that driving at up to 41 m/s over 6.4 s stays in."""
        ranges = [[-265.0, 265.0], [-265.0, 265.0], [-2 * math.pi, 2 * math.pi]]
        return {**super().tokenizer_defaults, "action_range": ranges}

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, 3]; see `ActionSpace.encode`."""
        check_poses(future_xyz, future_rot, "future", self.horizon)
        xyz = at_least_float32(future_xyz)
        xyz, rot = numpy_if_few(xyz, future_rot.to(xyz.dtype))
        yaw = unwrap_from_zero(matrix_to_yaw(rot))
        return as_tensor(namespace(xyz).concatenate([xyz[..., :2], yaw[..., None]], -1))

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, 3]; see `ActionSpace.decode`."""
        check_action_shape(actions, self.action_dim, self.horizon)
        require_shape(history_xyz, (None, 3), "history xyz")
        require_finite(history_xyz, "history xyz")
        (steps,) = numpy_if_few(at_least_float32(actions))
        xp = namespace(steps)
        xyz = xp.concatenate([steps[..., :2], xp.zeros_like(steps[..., :1])], -1)
        return as_tensor(xyz), as_tensor(yaw_to_matrix(steps[..., 2]))
