"""Refusals that the action spaces share."""

from __future__ import annotations

import torch

from reasoning_vla_ros.geometry.arrays import require_finite, require_shape


def check_poses(xyz: torch.Tensor, rot: torch.Tensor, name: str, length: int | None = None) -> None:
    """Checks poses xyz [..., T, 3] and rot [..., T, 3, 3].

    Raises:
        ValueError: other shapes, no pose, another T than `length`, or values that are not finite.
    """
    require_shape(xyz, (None, 3), f"{name} xyz")
    require_shape(rot, (None, 3, 3), f"{name} rot")
    if xyz.shape[:-1] != rot.shape[:-2]:
        raise ValueError(f"{name} xyz and rot need the same leading axes, got {list(xyz.shape)} and {list(rot.shape)}")
    if length is not None and xyz.shape[-2] != length:
        raise ValueError(f"{name} trajectory must have length {length} but got {xyz.shape[-2]}")
    if xyz.shape[-2] == 0:
        raise ValueError(f"{name} trajectory needs at least 1 pose, got 0")
    require_finite(xyz, f"{name} xyz")
    require_finite(rot, f"{name} rot")


def check_same_batch(history_xyz: torch.Tensor, other: torch.Tensor, name: str) -> None:
    """Checks that the history [..., T, 3] and actions or a future [..., T, D] have the same leading axes.

    Raises:
        ValueError: with both shapes.
    """
    if history_xyz.shape[:-2] != other.shape[:-2]:
        raise ValueError(
            f"history and {name} need the same batch, got {list(history_xyz.shape)} and {list(other.shape)}"
        )


def check_action_shape(actions: torch.Tensor, action_dim: int, horizon: int | None = None) -> None:
    """Checks actions [..., T, D].

    Raises:
        ValueError: another D, no step, or another T than `horizon`.
    """
    require_shape(actions, (horizon, action_dim), "actions")
    if actions.shape[-2] == 0:
        raise ValueError(f"actions need at least 1 step, got {list(actions.shape)}")
