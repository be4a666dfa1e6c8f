"""Multimodal rotary positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models.backends.mrope import mrope_position_ids

IMAGE = 9


def test_text_counts_up_and_an_image_spreads() -> None:
    # Two words, an image of 2 x 3 tokens, one word.
    ids = torch.tensor([[1, 2, *[IMAGE] * 6, 3]])
    positions, following = mrope_position_ids(ids, torch.ones_like(ids), IMAGE, torch.tensor([[1, 4, 6]]), 2)
    assert positions[:, 0].tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5],
        [0, 1, 2, 2, 2, 3, 3, 3, 5],
        [0, 1, 2, 3, 4, 2, 3, 4, 5],
    ]
    assert following.tolist() == [6]


def test_padding_counts_for_nothing() -> None:
    ids = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 4]])
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    positions, following = mrope_position_ids(ids, mask, IMAGE, None, 2)
    assert positions[0].tolist() == [[1, 1, 0, 1], [0, 1, 2, 3]]
    assert following.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("ids", "grids", "message"),
    [
        ([1, IMAGE], [[1, 4, 4]], "needs 4 image tokens"),
        ([1, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE], [[1, 4, 4]], "beyond the 1 images"),
        ([1, 2], [[1, 4, 4]], "1 images were given, the ids have room for 0"),
    ],
)
def test_images_that_do_not_fit_are_refused(ids: list[int], grids: list[list[int]], message: str) -> None:
    row = torch.tensor([ids])
    with pytest.raises(ValueError, match=message):
        mrope_position_ids(row, torch.ones_like(row), IMAGE, torch.tensor(grids), 2)


def test_parity_of_the_rope_delta(parity_data: Path) -> None:
    arrays = np.load(parity_data / "alpamayo_r1" / "rollout_all.npz")
    ids, mask, grids = (torch.from_numpy(arrays[name]) for name in ("input_ids", "attention_mask", "image_grid_thw"))
    _, following = mrope_position_ids(ids, mask, 312, grids, 2)
    assert (following - ids.shape[1]).tolist() == arrays["rope_deltas"][0].tolist()
