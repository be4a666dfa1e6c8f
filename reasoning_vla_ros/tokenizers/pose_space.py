"""What constant velocity leaves over as actions."""

from __future__ import annotations

import math
from typing import Any

import torch

from reasoning_vla_ros.geometry.arrays import at_least_float32
from reasoning_vla_ros.geometry.kinematics import speed_at_end
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, unwrap, yaw_to_matrix
from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.checks import check_action_shape, check_poses, check_same_batch
from reasoning_vla_ros.tokenizers.registry import register_action_space


@register_action_space("pose")
class PoseActionSpace(ActionSpace):
    """Actions (x - v0 * t, y, yaw_weight_m * yaw), all in metres; v0 is the speed at t0 that the history tells.

    Every number of an action is a distance, so a tokenizer that keeps the error of actions small keeps the error of
    positions small: nothing is integrated, and no error grows with time. Planar: z is not coded and comes back as 0.
    The yaw is unwrapped along the path, so that a full turn has no jump.

    Args:
        horizon: T, or None for any.
        dt_s: seconds between poses, also of the history.
        yaw_weight_m: metres a radian: the position that an error of heading costs as much as. At 2 m the outline of a
            car moves about as far by the one as by the other.
    """

    action_dim = 3
    dt_s: float

    def __init__(self, horizon: int | None = 64, dt_s: float = 0.1, yaw_weight_m: float = 2.0) -> None:
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        for label, value in (("dt_s", dt_s), ("yaw_weight_m", yaw_weight_m)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{label} must be positive, got {value}")
        self.horizon = horizon
        self.dt_s = dt_s
        self.yaw_weight_m = yaw_weight_m

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        """Ranges that ordinary driving over 6.4 s stays in: +-160 m along, +-80 m across, +-pi."""
        yaw = math.pi * self.yaw_weight_m
        return {**super().tokenizer_defaults, "action_range": [[-160.0, 160.0], [-80.0, 80.0], [-yaw, yaw]]}

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, 3]; see `ActionSpace.encode`."""
        check_poses(history_xyz, history_rot, "history")
        check_poses(future_xyz, future_rot, "future", self.horizon)
        check_same_batch(history_xyz, future_xyz, "future")
        future = at_least_float32(future_xyz)
        yaw = matrix_to_yaw(at_least_float32(future_rot))
        yaw = unwrap(torch.cat([torch.zeros_like(yaw[..., :1]), yaw], -1))[..., 1:]
        x = future[..., 0] - self._constant_velocity(history_xyz, history_rot, future)
        return torch.stack([x, future[..., 1], self.yaw_weight_m * yaw.to(x.dtype)], -1)

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, 3]; see `ActionSpace.decode`."""
        check_action_shape(actions, self.action_dim, self.horizon)
        check_poses(history_xyz, history_rot, "history")
        check_same_batch(history_xyz, actions, "actions")
        actions = at_least_float32(actions)
        x = actions[..., 0] + self._constant_velocity(history_xyz, history_rot, actions)
        xyz = torch.stack([x, actions[..., 1], torch.zeros_like(x)], -1)
        return xyz, yaw_to_matrix(actions[..., 2] / self.yaw_weight_m)

    def _constant_velocity(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, like: torch.Tensor
    ) -> torch.Tensor:
        """v0 * t [..., T], metres, for `like` [..., T, ...]."""
        v0_mps = speed_at_end(at_least_float32(history_xyz), at_least_float32(history_rot), self.dt_s).to(like.dtype)
        time_s = torch.arange(1, like.shape[-2] + 1, dtype=like.dtype, device=like.device) * self.dt_s
        return v0_mps[..., None] * time_s
