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


@dataclass(frozen=True)
class SmoothedLevels:
    """Tokens that stand for ascending levels, of which those near the right one are nearly right.

    Attributes:
        first, count: ids of the tokens, `first` to `first + count - 1`.
        deviation: in levels, of the normal distribution around the right one that is learnt (HL-Gauss,
            arXiv 2403.03950).
    """

    first: int
    count: int
    deviation: float

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy with the distributions around targets int64 [N], of logits float [N, V]: float32 [N]."""
        levels = torch.arange(self.count, device=logits.device)
        nearness = -0.5 * ((levels - (targets[:, None] - self.first)) / self.deviation) ** 2
        log_probabilities = torch.log_softmax(logits.float(), dim=1)[:, self.first : self.first + self.count]
        return -(torch.softmax(nearness, dim=1) * log_probabilities).sum(dim=1)


def token_loss_sums(
    logits: Tensor, targets: Tensor, is_trajectory: Tensor, smoothed: SmoothedLevels | None = None
) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy, float32, over the trajectory tokens and over the others.

    Args:
        logits: float [B, N, V].
        targets: int64 [B, N], the token that each position predicts, or IGNORE_INDEX.
        is_trajectory: bool [B, N].
        smoothed: of these tokens, a distribution around the target is learnt.
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
    if smoothed is not None:
        is_level = (targets >= smoothed.first) & (targets < smoothed.first + smoothed.count)
        losses = losses.masked_scatter(is_level, smoothed.losses(logits[is_level], targets[is_level]))
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
