"""Steps of the position as actions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from reasoning_vla_ros.geometry.arrays import as_tensor, at_least_float32, numpy_if_few, require_finite, require_shape
from reasoning_vla_ros.geometry.heading import path_direction
from reasoning_vla_ros.geometry.rotations import direction_to_matrix, matrix_to_yaw
from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.checks import check_action_shape, check_poses
from reasoning_vla_ros.tokenizers.registry import register_action_space


@register_action_space("delta_xyz")
class DeltaXyzActionSpace(ActionSpace):
    """Actions d[t] = p[t] - p[t-1] in metres, p[-1] = 0, not normalised; Alpamayo-R1's delta tokenizer without bins.

    The heading comes from local cubic fits to the decoded path (window 10), or, with `predict_yaw`, from a fourth
    action. Arguments have the names and defaults of the public original. The history's values are not used, so that
    any trajectory, the history itself included, can be encoded as a future.

    The fourth action is the step of the heading counted clockwise (minus the change of yaw), as in the original,
    whose encoder reads the yaw with the opposite sign; token ids are the same. The original then decodes that number
    as counter-clockwise, so its decoded headings are mirrored. Decoding here gives the heading that was encoded.

    Args:
        ego_xyz_min, ego_xyz_max: metres a step; suggested as the tokenizer's range, nothing is clipped here.
        ego_yaw_min, ego_yaw_max: radians a step, likewise.
        predict_yaw: encode the heading too: D = 4 instead of 3.
    """

    def __init__(
        self,
        ego_xyz_min: Sequence[float] = (-4.0, -4.0, -10.0),
        ego_xyz_max: Sequence[float] = (4.0, 4.0, 10.0),
        ego_yaw_min: float = -math.pi,
        ego_yaw_max: float = math.pi,
        predict_yaw: bool = False,
    ) -> None:
        if len(ego_xyz_min) != 3 or len(ego_xyz_max) != 3:
            raise ValueError(f"ego_xyz_min and ego_xyz_max need 3 numbers, got {ego_xyz_min} and {ego_xyz_max}")
        self.ego_xyz_min = tuple(ego_xyz_min)
        self.ego_xyz_max = tuple(ego_xyz_max)
        self.ego_yaw_min = ego_yaw_min
        self.ego_yaw_max = ego_yaw_max
        self.predict_yaw = predict_yaw
        self.action_dim = 4 if predict_yaw else 3

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        """The public original's bins: 1000 a dimension over the steps' ranges."""
        ranges = [list(pair) for pair in zip(self.ego_xyz_min, self.ego_xyz_max, strict=True)]
        if self.predict_yaw:
            ranges.append([self.ego_yaw_min, self.ego_yaw_max])
        return {**super().tokenizer_defaults, "action_range": ranges, "bins_per_dim": 1000}

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, 3] or, with `predict_yaw`, [..., T, 4]; see `ActionSpace.encode`. Any T >= 1."""
        check_poses(future_xyz, future_rot, "future")
        steps = _steps(at_least_float32(future_xyz), axis=-2)
        if not self.predict_yaw:
            return steps
        turn = _steps(-matrix_to_yaw(at_least_float32(future_rot)), axis=-1)
        wrapped = torch.atan2(torch.sin(turn), torch.cos(turn))
        return torch.cat([steps, wrapped[..., None].to(steps.dtype)], dim=-1)

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, 3] or [..., T, 4]; see `ActionSpace.decode`.

        A path that stands still, and one of a single waypoint, has heading zero (without `predict_yaw`).
        """
        check_action_shape(actions, self.action_dim)
        require_shape(history_xyz, (None, 3), "history xyz")
        require_finite(history_xyz, "history xyz")
        actions = at_least_float32(actions)
        xyz = torch.cumsum(actions[..., :3], dim=-2)
        if self.predict_yaw:
            yaw = -torch.cumsum(actions[..., 3], dim=-1)
            return xyz, direction_to_matrix(torch.cos(yaw), torch.sin(yaw))
        (path,) = numpy_if_few(xyz[..., :2])
        return xyz, as_tensor(direction_to_matrix(*path_direction(path)))


def _steps(values: torch.Tensor, axis: int) -> torch.Tensor:
    """Differences along an axis, the first one from zero."""
    first = torch.zeros_like(values.narrow(axis, 0, 1))
    return torch.cat([first, values], dim=axis).diff(dim=axis)
