"""Trajectory tokens in the place of the prompt's placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reasoning_vla_ros.geometry.rotations import quaternion_to_matrix


class TrajectoryFusionMixin:
    """Gives a model `fuse_traj_tokens`.

    The model has `config.traj_token_ids` (ids of the placeholders "history" and "future"), the TrajectoryTokenizers
    `hist_traj_tokenizer` and `traj_tokenizer`, and the ids of their token 0, `hist_token_start_idx` and
    `future_token_start_idx`.
    """

    config: Any
    traj_tokenizer: Any
    hist_traj_tokenizer: Any
    future_token_start_idx: int
    hist_token_start_idx: int

    def fuse_traj_tokens(self, input_ids: Tensor, traj_data: Mapping[str, Any] | None = None) -> Tensor:
        """Replaces the history placeholders, and future placeholders when a future is given, by trajectory tokens.

        The history is encoded as a trajectory of its own, with its first pose for a history. Several trajectories a
        row (n_traj) follow each other. The input is never modified; without trajectories it is returned as it is.

        Args:
            input_ids: int64 [B, n_token].
            traj_data: ego_history_xyz [B, n_traj, T, 3] in metres and ego_history_rot [B, n_traj, T, 3, 3], or
                quaternions [B, n_traj, T, 4] (x, y, z, w); optionally ego_future_xyz and ego_future_rot likewise. All
                in the ego frame at t0.

        Returns:
            int64 [B, n_token].

        Raises:
            AttributeError: the model lacks the tokenizer that is needed.
            ValueError: wrong shapes, or a row whose placeholders are not as many as its trajectory tokens. (The public
                original shifts all later rows silently when there are fewer.)
        """
        history = _trajectories(traj_data, "history", len(input_ids))
        if history is None:
            return input_ids
        if input_ids.ndim != 2:
            raise ValueError(f"input_ids must be [B, n_token], got {list(input_ids.shape)}")
        self._require("hist_traj_tokenizer")
        xyz, rot = history
        tokens = _encode(self.hist_traj_tokenizer, xyz[:, :, :1], rot[:, :, :1], xyz, rot)
        placeholders = self.config.traj_token_ids
        fused = _replace(input_ids, tokens + self.hist_token_start_idx, placeholders["history"], "history")
        future = _trajectories(traj_data, "future", len(input_ids))
        if future is None or not bool((input_ids == placeholders["future"]).any()):
            return fused
        self._require("traj_tokenizer")
        slots = int((input_ids[0] == placeholders["future"]).sum()) // future[0].shape[1]
        tokens = _encode(self.traj_tokenizer, xyz, rot, *future, slots=slots)
        return _replace(fused, tokens + self.future_token_start_idx, placeholders["future"], "future")

    def _require(self, name: str) -> None:
        if getattr(self, name, None) is None:
            raise AttributeError(f"fuse_traj_tokens needs the model's {name!r}, which its config does not give")


def _trajectories(traj_data: Mapping[str, Any] | None, which: str, rows: int) -> tuple[Tensor, Tensor] | None:
    """xyz [B, n_traj, T, 3] and rotation matrices [B, n_traj, T, 3, 3]; None where either is missing."""
    xyz = traj_data.get(f"ego_{which}_xyz") if traj_data is not None else None
    rot = traj_data.get(f"ego_{which}_rot") if traj_data is not None else None
    if xyz is None or rot is None:
        return None
    for name, value in ((f"ego_{which}_xyz", xyz), (f"ego_{which}_rot", rot)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} must be finite, it holds NaN or infinity")
    if xyz.ndim != 4 or xyz.shape[-1] != 3 or xyz.shape[0] != rows:
        raise ValueError(f"ego_{which}_xyz must be [{rows}, n_traj, T, 3], got {list(xyz.shape)}")
    lead = tuple(xyz.shape[:-1])
    if tuple(rot.shape) == (*lead, 4):
        rot = quaternion_to_matrix(rot)
    if tuple(rot.shape) != (*lead, 3, 3):
        raise ValueError(f"ego_{which}_rot must be {[*lead, 3, 3]} or quaternions {[*lead, 4]}, got {list(rot.shape)}")
    return xyz, rot


def _encode(
    tokenizer: Any, hist_xyz: Tensor, hist_rot: Tensor, fut_xyz: Tensor, fut_rot: Tensor, slots: int | None = None
) -> Tensor:
    """Tokens [B, n_traj * N]; a single history serves all futures of its row.

    Escapes behind a fixed number of tokens have no place in a prompt and are left out; what is left decodes without
    them. Tokens of varying number are padded to `slots` a trajectory.
    """
    rows, count = fut_xyz.shape[:2]
    if hist_xyz.shape[1] == 1 and count > 1:
        hist_xyz = hist_xyz.expand(-1, count, -1, -1)
        hist_rot = hist_rot.expand(-1, count, -1, -1, -1)
    if hist_xyz.shape[1] != count:
        raise ValueError(f"{hist_xyz.shape[1]} histories a row do not fit {count} futures; give one or {count}")
    # In mixed-precision training the tokens are labels; in half precision they would be other ones.
    with torch.autocast(fut_xyz.device.type, enabled=False):
        tokens = tokenizer.encode(
            hist_xyz=hist_xyz.flatten(0, 1),
            hist_rot=hist_rot.flatten(0, 1),
            fut_xyz=fut_xyz.flatten(0, 1),
            fut_rot=fut_rot.flatten(0, 1),
        )
    if getattr(tokenizer, "pad_id", None) is not None:
        if tokenizer.num_tokens is not None:
            tokens = tokens[:, : tokenizer.num_tokens]
        elif slots is not None and tokens.shape[1] < slots:
            tokens = torch.nn.functional.pad(tokens, (0, slots - tokens.shape[1]), value=tokenizer.pad_id)
    return tokens.reshape(rows, -1)


def _replace(input_ids: Tensor, tokens: Tensor, placeholder_id: int, which: str) -> Tensor:
    mask = input_ids == placeholder_id
    for row, found in enumerate(mask.sum(dim=1).tolist()):
        if found != tokens.shape[1]:
            raise ValueError(
                f"row {row} has {found} {which} placeholders for {tokens.shape[1]} trajectory tokens; "
                "they must be as many"
            )
    return input_ids.masked_scatter(mask, tokens.to(input_ids))
