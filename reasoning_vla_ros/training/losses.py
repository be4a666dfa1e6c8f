"""Losses of tokens. That of flow matching is `AlpamayoR1.flow_matching_loss`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX


@dataclass(frozen=True)
class TokenLoss:
    """Cross-entropy of the next token, nats.

    Attributes:
        loss: the weighted sum of the two means.
        trajectory: mean over the trajectory's tokens, its start and end tokens among them.
        text: mean over the other labelled tokens.
    """

    loss: Tensor
    trajectory: Tensor
    text: Tensor


def token_loss(
    logits: Tensor,
    labels: Tensor,
    is_trajectory: Tensor,
    trajectory_weight: float = 1.0,
    text_weight: float = 1.0,
) -> TokenLoss:
    """Alpamayo-R1's: one mean over trajectory tokens and one over all other labelled tokens.

    So a few words weigh as much as a trajectory's 130 tokens. A mean over no token is zero.

    Args:
        logits: float [B, L, V]; position i predicts label i + 1.
        labels: int64 [B, L], IGNORE_INDEX where no loss is due.
        is_trajectory: bool [B, L], see `trajectory_labels`.

    Raises:
        ValueError: shapes that do not fit.
    """
    trajectory_sum, text_sum = token_loss_sums(logits[:, :-1], labels[:, 1:], is_trajectory[:, 1:])
    trajectory_count, text_count = label_counts(labels, is_trajectory)
    trajectory = trajectory_sum / trajectory_count.clamp(min=1)
    text = text_sum / text_count.clamp(min=1)
    return TokenLoss(trajectory_weight * trajectory + text_weight * text, trajectory, text)


def token_loss_sums(logits: Tensor, targets: Tensor, is_trajectory: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy, float32, over the trajectory tokens and over the others.

    Args:
        logits: float [B, N, V].
        targets: int64 [B, N], the token that each position predicts, or IGNORE_INDEX.
        is_trajectory: bool [B, N].
    """
    if not logits.shape[:2] == targets.shape == is_trajectory.shape:
        raise ValueError(
            f"logits [B, N, V] must fit targets and is_trajectory [B, N], got {list(logits.shape)}, "
            f"{list(targets.shape)} and {list(is_trajectory.shape)}"
        )
    losses = cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE_INDEX, reduction="none"
    ).view_as(targets)
    labelled = targets != IGNORE_INDEX
    return losses[labelled & is_trajectory].sum(), losses[labelled & ~is_trajectory].sum()


def label_counts(labels: Tensor, is_trajectory: Tensor) -> tuple[Tensor, Tensor]:
    """How many labels of [B, L] are trajectory tokens, and how many others; the first of a row predicts nothing."""
    labelled = labels[:, 1:] != IGNORE_INDEX
    trajectory = is_trajectory[:, 1:]
    return (labelled & trajectory).sum(), (labelled & ~trajectory).sum()


def trajectory_labels(labels: Tensor, config: Any) -> Tensor:
    """bool like `labels`: trajectory tokens and placeholders, `<|traj_future_start|>` and `<|traj_future_end|>`.

    `config` is a ReasoningVLAConfig.
    """
    ids = config.traj_token_ids
    first = config.traj_token_start_idx
    inside = (labels >= first) & (labels < first + config.traj_vocab_size)
    markers = torch.tensor([ids["future_start"], ids["future"], ids["future_end"]], device=labels.device)
    return inside | torch.isin(labels, markers)
