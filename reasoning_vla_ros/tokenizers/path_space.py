"""What constant velocity leaves over, and how the heading differs from the path's own."""

from __future__ import annotations

from typing import Any

import torch

from reasoning_vla_ros.geometry.arrays import namespace
from reasoning_vla_ros.geometry.heading import travel_heading
from reasoning_vla_ros.tokenizers.checks import check_action_shape
from reasoning_vla_ros.tokenizers.pose_space import PoseActionSpace
from reasoning_vla_ros.tokenizers.registry import register_action_space


@register_action_space("path")
class PathActionSpace(PoseActionSpace):
    """Actions (x - v0 * t, y, yaw_weight_m * (yaw - heading of the path)), all in metres.

    As `pose`, but a vehicle points where it goes, so the heading is coded only as its difference from the direction of
    the (x, y) path: nearly nothing for a point on the rear axle, a smooth small angle for one ahead of it. A tokenizer
    then spends its tokens on positions. With a third channel of zero the trajectory still has headings.

    The heading follows the decoded positions, so no bound on the actions' error bounds the heading's as strictly as
    with `pose`. On drives whose poses jitter by up to 5 cm no heading of `driving-klt-8` is off by more than 0.6 rad,
    and by 0.015 rad on average at most; at 10 cm one drive in 2000 points the wrong way round where it stands.

    Args:
        horizon: T, or None for any.
        dt_s: seconds between poses, also of the history.
        yaw_weight_m: metres a radian: the position that an error of heading costs as much as.
        headings: whether the third channel is there. Without it D is 2, and the heading is the path's own.
    """

    def __init__(
        self, horizon: int | None = 64, dt_s: float = 0.1, yaw_weight_m: float = 0.5, headings: bool = True
    ) -> None:
        super().__init__(horizon, dt_s, yaw_weight_m)
        self.headings = headings
        self.action_dim = 3 if headings else 2

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        defaults = super().tokenizer_defaults
        return {**defaults, "action_range": defaults["action_range"][: self.action_dim]}

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, 3], or [..., T, 2] without headings; see `ActionSpace.encode`."""
        return super().encode(history_xyz, history_rot, future_xyz, future_rot)[..., : self.action_dim]

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, D]; see `ActionSpace.decode`."""
        check_action_shape(actions, self.action_dim, self.horizon)
        if not self.headings:
            actions = torch.cat([actions, torch.zeros_like(actions[..., :1])], dim=-1)
        return super().decode(history_xyz, history_rot, actions)

    def _own_heading(self, x: Any, y: Any) -> Any:
        return travel_heading(namespace(x).stack([x, y], -1))
