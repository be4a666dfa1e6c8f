"""From trajectory tokens to candidate trajectories, each with the reason why it is none where it is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reasoning_vla_ros.tokenizers import InvalidTokensError


@dataclass(frozen=True)
class Candidates:
    """float32 xyz [K, T, 3] and rot [K, T, 3, 3], NaN where invalid, and K reasons, empty where valid."""

    xyz: NDArray[np.float32]
    rot: NDArray[np.float32]
    invalid_reasons: tuple[str, ...]


def decode_candidates(
    tokenizer: Any, history_xyz: Tensor, history_rot: Tensor, tokens: Tensor, lengths: Tensor
) -> Candidates:
    """Decodes each row of tokens by itself, so that one that means nothing spoils no other.

    Args:
        tokenizer: a TrajectoryTokenizer.
        history_xyz, history_rot: [1, T, 3] and [1, T, 3, 3], shared by all rows.
        tokens: int64 [K, N].
        lengths: int64 [K], how many tokens of each row count.
    """
    decoded: list[tuple[NDArray[np.float32], NDArray[np.float32]] | None] = []
    reasons: list[str] = []
    for row, length in zip(tokens, lengths.tolist(), strict=True):
        try:
            xyz, rot, _ = tokenizer.decode(history_xyz, history_rot, row[None, :length])
        except InvalidTokensError as error:
            decoded.append(None)
            reasons.append(f"tokens decode to no trajectory: {error}")
        else:
            decoded.append((xyz[0].float().cpu().numpy(), rot[0].float().cpu().numpy()))
            reasons.append("")
    steps = max((len(item[0]) for item in decoded if item is not None), default=1)
    xyz_all = np.full((len(decoded), steps, 3), np.nan, np.float32)
    rot_all = np.full((len(decoded), steps, 3, 3), np.nan, np.float32)
    for k, item in enumerate(decoded):
        if item is not None:
            # A shorter candidate leaves NaN behind its end, and so fails the finiteness check: all share one horizon.
            xyz_all[k, : len(item[0])], rot_all[k, : len(item[1])] = item
    return Candidates(xyz_all, rot_all, tuple(reasons))
