"""What constant velocity leaves over, and how the heading differs from the path's own."""

from __future__ import annotations

import torch

from reasoning_vla_ros.geometry.arrays import at_least_float32
from reasoning_vla_ros.geometry.heading import travel_heading
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.tokenizers.pose_space import PoseActionSpace
from reasoning_vla_ros.tokenizers.registry import register_action_space


@register_action_space("path")
class PathActionSpace(PoseActionSpace):
    """Actions (x - v0 * t, y, yaw_weight_m * (yaw - heading of the path)), all in metres.

    As `pose`, but a vehicle points where it goes, so the heading is coded only as its difference from the direction of
    the (x, y) path: nearly nothing for a point on the rear axle, a smooth small angle for one ahead of it. A tokenizer
    then spends its tokens on positions. With a third channel of zero the trajectory still has headings.

    Args:
        horizon: T, or None for any.
        dt_s: seconds between poses, also of the history.
        yaw_weight_m: metres a radian: the position that an error of heading costs as much as.
    """

    def __init__(self, horizon: int | None = 64, dt_s: float = 0.1, yaw_weight_m: float = 0.5) -> None:
        super().__init__(horizon, dt_s, yaw_weight_m)

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, 3]; see `ActionSpace.encode`."""
        actions = super().encode(history_xyz, history_rot, future_xyz, future_rot)
        # The path that decoding will see: where it turns sharply, rounding tips the heading by half a turn.
        x = actions[..., 0] + self._constant_velocity(history_xyz, history_rot, actions)
        yaw = actions[..., 2] / self.yaw_weight_m - travel_heading(torch.stack([x, actions[..., 1]], -1))
        return torch.cat([actions[..., :2], self.yaw_weight_m * yaw[..., None]], -1)

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, 3]; see `ActionSpace.decode`."""
        xyz, _ = super().decode(history_xyz, history_rot, actions)
        yaw = at_least_float32(actions)[..., 2] / self.yaw_weight_m + travel_heading(xyz[..., :2])
        return xyz, yaw_to_matrix(yaw)
