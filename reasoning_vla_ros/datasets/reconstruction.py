"""Trajectories through a tokenizer and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.tokenizers import TrajectoryTokenizer


@dataclass(frozen=True)
class Reconstruction:
    """What came back.

    Attributes:
        tokens: int64 [B, N], padded on the right where rows differ in length.
        counts: int64 [B], ids of each row without the padding.
        xyz: [B, T, 3] or [B, T, D]; NaN in rows that the decoder refused.
        rot: [B, T, 3, 3].
        errors: [B, T, K]: of a vehicle the distance in the plane, metres (K = 1); of an arm each joint's (K = D).
        refused: how many rows the decoder refused, though the encoder gave them.
    """

    tokens: torch.Tensor
    counts: torch.Tensor
    xyz: torch.Tensor
    rot: torch.Tensor
    errors: torch.Tensor
    refused: int

    @property
    def ade(self) -> torch.Tensor:
        """Mean error [B] of each trajectory over its waypoints (and joints)."""
        return self.errors.mean((1, 2))


def reconstruct(tokenizer: TrajectoryTokenizer, data: TrajectorySet, batch_size: int = 1024) -> Reconstruction:
    """Encodes and decodes all trajectories.

    Raises:
        ValueError: trajectories that the tokenizer does not take, or of another step.
    """
    dt_s = tokenizer.action_space.dt_s
    if dt_s is not None and abs(dt_s - data.dt_s) > 1e-3 * data.dt_s:
        raise ValueError(f"the tokenizer works with steps of {dt_s:g} s, {data.name} has {data.dt_s:g} s")
    tokens = encode(tokenizer, data, batch_size)
    parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    for rows, part in zip(tokens.split(batch_size), data.batches(batch_size), strict=True):
        decoded, turned, _, known = tokenizer.decode(*part.history(), rows, strict=False)
        parts.append((decoded, turned, known))
    xyz, rot, valid = (torch.cat(column) for column in zip(*parts, strict=True))
    counts = tokenizer.action_tokenizer.token_counts(tokens)
    return Reconstruction(tokens, counts, xyz, rot, waypoint_errors(data, xyz), int((~valid).sum()))


def encode(tokenizer: TrajectoryTokenizer, data: TrajectorySet, batch_size: int = 1024) -> torch.Tensor:
    """Ids of all trajectories, int64 [B, N], padded to the longest row."""
    parts = [tokenizer.encode(*part.tensors()) for part in data.batches(batch_size)]
    widest = max(part.shape[1] for part in parts)
    pad_id = tokenizer.pad_id
    return torch.cat(
        [part if pad_id is None else F.pad(part, (0, widest - part.shape[1]), value=pad_id) for part in parts]
    )


def waypoint_errors(data: TrajectorySet, xyz: torch.Tensor) -> torch.Tensor:
    """Errors [B, T, K] of decoded positions; see `Reconstruction`."""
    difference = xyz.to(data.fut_xyz.dtype) - data.fut_xyz
    if data.is_driving:
        return torch.linalg.vector_norm(difference[..., :2], dim=-1, keepdim=True)
    return difference.abs()


def error_unit(data: TrajectorySet) -> str:
    """What errors are measured in."""
    return "m" if data.is_driving else "joint units"
