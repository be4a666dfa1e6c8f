"""How the ego has been moving, in three or five numbers: for histories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from reasoning_vla_ros.geometry.arrays import at_least_float32
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, unwrap, yaw_to_matrix
from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.checks import check_action_shape, check_poses
from reasoning_vla_ros.tokenizers.registry import register_action_space

# Speed m/s, acceleration m/s^2, jerk m/s^3, yaw rate rad/s, yaw acceleration rad/s^2: what is small is told in steps of
# its size here, and what is large in steps that grow with it. Speed is told in even steps.
SCALES = (1.0, 1.0, 1.0, 0.1, 0.2)
SPEED_RANGE_MPS = (-5.0, 40.0)
LARGEST = (8.0, 10.0, 1.0, 2.0)


@register_action_space("ego_motion")
class EgoMotionActionSpace(ActionSpace):
    """One action for a whole history: speed, acceleration and jerk, yaw rate and yaw acceleration at its end.

    The way along the heading is fitted by a cubic in time and the heading by a parabola, so that five tokens say what
    dozens of positions say: whether and how hard the ego brakes or turns. All but the speed go through asinh(value /
    scale), so that even bins are fine near zero. Planar. It is for the tokens of a history, which ends at the origin:
    the trajectory that it encodes ends where it ends, and comes back with its end at the origin.

    Without `changes` there are three numbers: speed and yaw rate of the last step, and the acceleration over the last
    second. They tell less of how the ego came to move as it does, which a driver that learns from demonstrations had
    better not go by ("Causal Confusion in Imitation Learning", arXiv 1905.11979).

    Args:
        num_poses: of the history.
        dt_s: seconds between poses.
        changes: whether jerk and yaw acceleration are among the numbers.
    """

    horizon: int | None = 1
    dt_s: float

    def __init__(self, num_poses: int = 16, dt_s: float = 0.1, changes: bool = True) -> None:
        if num_poses < 5:
            raise ValueError(f"num_poses must be at least 5, which a cubic can be fitted to, got {num_poses}")
        if not dt_s > 0:
            raise ValueError(f"dt_s must be positive, got {dt_s}")
        self.num_poses = num_poses
        self.dt_s = dt_s
        self.changes = changes
        self.action_dim = 5 if changes else 3
        self._forward = 3 if changes else 2  # numbers that tell of the way, the others of the heading

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        """255 even bins: 0.18 m/s, and near zero 0.02 m/s^2 and 0.002 rad/s."""
        ends = [float(np.arcsinh(value / scale)) for value, scale in zip(LARGEST, SCALES[1:], strict=True)]
        ranges = [list(SPEED_RANGE_MPS), *([-end, end] for end in self._kept(ends))]
        return {**super().tokenizer_defaults, "action_range": ranges, "bins_per_dim": 255}

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """The action [..., 1, D] of poses [..., num_poses, 3]; `history_xyz` and `history_rot` are not looked at."""
        check_poses(future_xyz, future_rot, "future", self.num_poses)
        xyz, rot = at_least_float32(future_xyz), at_least_float32(future_rot)
        yaw = unwrap(matrix_to_yaw(rot))
        middle = (yaw[..., 1:] + yaw[..., :-1]) / 2
        step = xyz[..., 1:, :2] - xyz[..., :-1, :2]
        forward = step[..., 0] * torch.cos(middle) + step[..., 1] * torch.sin(middle)
        way = torch.cat([torch.zeros_like(forward[..., :1]), forward.cumsum(-1)], dim=-1)
        fits = _fits if self.changes else _latest
        fit_way, fit_yaw = (matrix.to(way) for matrix in fits(self.num_poses, self.dt_s))
        motion = torch.cat([(way - way[..., -1:]) @ fit_way, (yaw - yaw[..., -1:]) @ fit_yaw], dim=-1)
        return torch.cat([motion[..., :1], torch.asinh(motion[..., 1:] / self._scales(motion))], dim=-1)[..., None, :]

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Poses [..., num_poses, 3] and [..., num_poses, 3, 3] of actions [..., 1, D], the last one at the origin."""
        check_action_shape(actions, self.action_dim, self.horizon)
        values = at_least_float32(actions)[..., 0, :]
        motion = torch.cat([values[..., :1], torch.sinh(values[..., 1:]) * self._scales(values)], dim=-1)
        powers = torch.from_numpy(_powers(self.num_poses, self.dt_s)).to(motion)
        forward = self._forward
        way = motion[..., :forward] @ powers[:forward]
        yaw = motion[..., forward:] @ powers[: self.action_dim - forward]
        middle, step = (yaw[..., 1:] + yaw[..., :-1]) / 2, way[..., 1:] - way[..., :-1]
        moved = torch.stack([step * torch.cos(middle), step * torch.sin(middle), torch.zeros_like(step)], dim=-1)
        xyz = torch.cat([torch.zeros_like(moved[..., :1, :]), moved.cumsum(-2)], dim=-2)
        return xyz - xyz[..., -1:, :], yaw_to_matrix(yaw)

    def _kept(self, values: Sequence[float]) -> list[float]:
        """Of values for acceleration, jerk, yaw rate and yaw acceleration those for the numbers that there are."""
        return list(values) if self.changes else list(values)[::2]

    def _scales(self, like: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self._kept(SCALES[1:]), dtype=like.dtype, device=like.device)


def _powers(count: int, dt_s: float) -> np.ndarray:
    """t, t^2 / 2 and t^3 / 6 at the poses' times, which end at zero: [3, count]."""
    times_s = np.arange(1 - count, 1) * dt_s
    return np.stack([times_s, times_s**2 / 2, times_s**3 / 6])


@lru_cache(maxsize=16)
def _fits(count: int, dt_s: float) -> tuple[torch.Tensor, torch.Tensor]:
    """From the way [count] to speed, acceleration, jerk: [count, 3]; from the heading to its two rates: [count, 2]."""
    powers = _powers(count, dt_s)
    with torch.inference_mode(False):  # what is kept must be usable outside as well
        return torch.from_numpy(np.linalg.pinv(powers)), torch.from_numpy(np.linalg.pinv(powers[:2]))


@lru_cache(maxsize=16)
def _latest(count: int, dt_s: float) -> tuple[torch.Tensor, torch.Tensor]:
    """From the way [count] to the last step's speed and the last second's acceleration [count, 2]; from the heading to
    the last step's yaw rate [count, 1]."""
    half = max(1, min(round(0.5 / dt_s), (count - 1) // 2))  # poses in half a second
    way, yaw = np.zeros((count, 2)), np.zeros((count, 1))
    way[[-1, -2], 0] = yaw[[-1, -2], 0] = 1 / dt_s, -1 / dt_s
    way[[-1, -1 - half, -1 - 2 * half], 1] = np.array([1, -2, 1]) / (half * dt_s) ** 2
    with torch.inference_mode(False):
        return torch.from_numpy(way), torch.from_numpy(yaw)
