"""Embeddings of levels: near levels have near embeddings, and only tokens that are levels get them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reasoning_vla_ros.models.level_embeddings import level_features
from reasoning_vla_ros.models.small import build_small_model


def likeness(rows: torch.Tensor, apart: int) -> float:
    """Mean cosine similarity of rows that lie `apart`."""
    return float(torch.cosine_similarity(rows[apart:], rows[: len(rows) - apart]).mean())


def test_features_of_near_levels_are_alike_and_those_of_far_ones_are_not() -> None:
    rows = level_features(255, 192, 0.02, seed=0)
    assert rows.shape == (255, 192)
    assert rows.dtype == torch.float32
    assert float(rows.std()) == pytest.approx(0.02, rel=0.05)
    assert likeness(rows, 1) > 0.8 > likeness(rows, 3) > 0.4 > abs(likeness(rows, 100))


def test_features_are_told_by_the_seed() -> None:
    assert torch.equal(level_features(255, 64, 0.02, seed=1), level_features(255, 64, 0.02, seed=1))
    assert not torch.equal(level_features(255, 64, 0.02, seed=1), level_features(255, 64, 0.02, seed=2))
    assert level_features(1, 8, 0.02, seed=0).shape == (1, 8)


def test_a_new_model_embeds_levels_as_levels(tmp_path: Path) -> None:
    model = build_small_model(tmp_path)
    rows = model.vlm.get_input_embeddings().weight.detach()
    for first in (model.future_token_start_idx, model.hist_token_start_idx):
        assert likeness(rows[first : first + 255], 1) > 0.8
    assert abs(likeness(rows[:200], 1)) < 0.2  # bytes


def test_a_new_model_does_not_take_codes_for_levels(tmp_path: Path) -> None:
    model = build_small_model(tmp_path, traj_tokenizer="driving-klt-8")
    assert not model.traj_tokenizer.action_tokenizer.ids_are_levels
    first, count = model.future_token_start_idx, model.traj_tokenizer.vocab_size
    rows = model.vlm.get_input_embeddings().weight.detach()
    assert abs(likeness(rows[first : first + count], 1)) < 0.2
    first = model.hist_token_start_idx
    assert likeness(rows[first : first + 255], 1) > 0.8
