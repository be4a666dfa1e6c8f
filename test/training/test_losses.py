"""Losses of tokens."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX
from reasoning_vla_ros.training.losses import (
    SmoothedLevels,
    label_counts,
    token_loss,
    token_loss_sums,
    trajectory_labels,
)


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    """float [1, L, V] whose softmax is the given table."""
    return torch.tensor([probabilities]).log()


def test_each_kind_of_token_has_a_mean_of_its_own() -> None:
    logits = logits_of([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5], [0.2, 0.2, 0.6], [1 / 3] * 3])
    labels = torch.tensor([[2, 0, 1, 0, IGNORE_INDEX]])
    is_trajectory = torch.tensor([[True, False, True, True, False]])
    found = token_loss(logits, labels, is_trajectory, trajectory_weight=2.0, text_weight=3.0)
    # The first label has nothing before it that could predict it; the last is not to be learned.
    trajectory = -(math.log(0.8) + math.log(0.25)) / 2
    text = -math.log(0.5)
    assert float(found.trajectory) == pytest.approx(trajectory)
    assert float(found.text) == pytest.approx(text)
    assert float(found.loss) == pytest.approx(2 * trajectory + 3 * text)
    assert [int(count) for count in label_counts(labels, is_trajectory)] == [2, 1]


def test_without_text_its_mean_is_zero_and_no_nan() -> None:
    logits = torch.zeros(1, 3, 4, requires_grad=True)
    found = token_loss(logits, torch.tensor([[IGNORE_INDEX, 1, 2]]), torch.ones(1, 3, dtype=torch.bool))
    found.loss.backward()
    assert float(found.text.detach()) == 0
    assert float(found.loss.detach()) == pytest.approx(math.log(4))
    assert bool(torch.isfinite(logits.grad).all())


def test_half_precision_logits_are_summed_in_single() -> None:
    trajectory, text = token_loss_sums(
        torch.zeros(1, 1000, 8, dtype=torch.bfloat16),
        torch.zeros(1, 1000, dtype=torch.long),
        torch.ones(1, 1000).bool(),
    )
    assert trajectory.dtype == torch.float32
    assert float(trajectory) == pytest.approx(1000 * math.log(8), rel=1e-5)
    assert float(text) == 0


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"got \[1, 2, 5\], \[1, 3\]"):
        token_loss_sums(torch.zeros(1, 2, 5), torch.zeros(1, 3).long(), torch.zeros(1, 3).bool())


def test_which_labels_are_a_trajectory_s(tiny_vla: Any) -> None:
    ids, start = tiny_vla.config.traj_token_ids, tiny_vla.config.traj_token_start_idx
    labels = [65, IGNORE_INDEX, ids["future_start"], ids["future"], start, start + 3, ids["future_end"], ids["history"]]
    found = trajectory_labels(torch.tensor([labels]), tiny_vla.config)
    assert found.tolist() == [[False, False, True, True, True, True, True, False]]


def test_near_misses_of_smoothed_levels_cost_less_and_other_tokens_the_same() -> None:
    smoothed = SmoothedLevels(first=2, count=9, deviation=1.0)
    targets = torch.tensor([[6, 1]])
    is_trajectory = torch.tensor([[True, True]])

    def cost(guess: int) -> float:
        logits = torch.zeros(1, 2, 12)
        logits[0, 0, guess] = 5.0
        return float(token_loss_sums(logits, targets, is_trajectory, smoothed)[0])

    assert cost(7) == pytest.approx(cost(5))
    assert cost(6) < cost(7) < cost(8) < cost(10)
    flat = torch.zeros(1, 2, 12)
    assert float(token_loss_sums(flat, targets, is_trajectory, smoothed)[0]) == pytest.approx(2 * math.log(12))
    logits = torch.randn(1, 2, 12, generator=torch.Generator().manual_seed(0))
    sharp = token_loss_sums(logits, targets, is_trajectory, SmoothedLevels(2, 9, 1e-3))
    assert float(sharp[0]) == pytest.approx(float(token_loss_sums(logits, targets, is_trajectory)[0]))
