"""What constant velocity leaves over as actions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from reasoning_vla_ros.geometry.arrays import as_tensor, at_least_float32, constant, namespace, numpy_if_few
from reasoning_vla_ros.geometry.kinematics import speed_at_end
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, unwrap_from_zero, yaw_to_matrix
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

    action_dim: int = 3
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
        """Ranges that ordinary driving over 6.4 s stays in: +-160 m along, +-80 m across, +-pi; no error over 0.5 m."""
        yaw = math.pi * self.yaw_weight_m
        ranges = [[-160.0, 160.0], [-80.0, 80.0], [-yaw, yaw]]
        return {**super().tokenizer_defaults, "action_range": ranges, "max_error": 0.5}

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
        dtype = at_least_float32(future_xyz).dtype
        history_xyz, history_rot, future_xyz, future_rot = (
            tensor.to(dtype) for tensor in (history_xyz, history_rot, future_xyz, future_rot)
        )
        xyz, rot, future, turned = numpy_if_few(history_xyz, history_rot, future_xyz, future_rot)
        way = self._constant_velocity(xyz, rot, future.shape[-2])
        x, y, yaw = future[..., 0] - way, future[..., 1], unwrap_from_zero(matrix_to_yaw(turned))
        # Of the path that decoding will see: where it turns sharply, rounding tips the heading by half a turn.
        yaw = yaw - self._own_heading(x + way, y)
        return as_tensor(namespace(x).stack([x, y, self.yaw_weight_m * yaw], -1))

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, 3]; see `ActionSpace.decode`."""
        check_action_shape(actions, 3, self.horizon)
        check_poses(history_xyz, history_rot, "history")
        check_same_batch(history_xyz, actions, "actions")
        actions = at_least_float32(actions)
        xyz, rot, steps = numpy_if_few(history_xyz.to(actions.dtype), history_rot.to(actions.dtype), actions)
        xp = namespace(steps)
        x, y = steps[..., 0] + self._constant_velocity(xyz, rot, steps.shape[-2]), steps[..., 1]
        yaw = steps[..., 2] / self.yaw_weight_m + self._own_heading(x, y)
        return as_tensor(xp.stack([x, y, xp.zeros_like(x)], -1)), as_tensor(yaw_to_matrix(yaw))

    def _own_heading(self, x: Any, y: Any) -> Any:
        """What of the heading [..., T] the positions [..., T] tell, so that it is not coded; numpy or torch."""
        return 0.0

    def _constant_velocity(self, history_xyz: Any, history_rot: Any, steps: int) -> Any:
        """v0 * t [..., T], metres; numpy or torch."""
        v0_mps = speed_at_end(history_xyz, history_rot, self.dt_s)
        return v0_mps[..., None] * constant(np.arange(1, steps + 1) * self.dt_s, history_xyz)
