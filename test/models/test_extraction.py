"""Texts and trajectory tokens out of generated sequences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from reasoning_vla_ros.models.extraction import extract_between, extract_trajectory_tokens


def extract(sequence: list[int], num_tokens: int = 3) -> tuple[list[int], bool]:
    tokens, valid = extract_trajectory_tokens(torch.tensor([sequence]), num_tokens, 10, 100, 90, 91)
    return tokens[0].tolist(), bool(valid[0])


def test_well_formed_tokens() -> None:
    assert extract([7, 90, 101, 102, 109, 91]) == ([1, 2, 9], True)
    assert extract([90, 5, 90, 101, 102, 109]) == ([1, 2, 9], True)


def test_rows_that_are_no_trajectory_are_marked() -> None:
    assert extract([90, 101, 102, 91]) == ([1, 2, 0], False)
    assert extract([90, 101, 102, 103, 104, 91]) == ([1, 2, 3], False)
    assert extract([90, 101, 50, 103, 91]) == ([1, 0, 3], False)
    assert extract([101, 102, 103]) == ([1, 2, 3], False)
    assert extract([91, 90, 101, 102, 103])[1] is False


def test_parity_of_tokens(parity_data: Path) -> None:
    arrays = np.load(parity_data / "alpamayo_r1" / "extract_traj_tokens.npz")
    tokens, valid = extract_trajectory_tokens(
        torch.from_numpy(arrays["sequences"]),
        int(arrays["tokens_per_future_traj"]),
        int(arrays["traj_vocab"]),
        int(arrays["future_token_start_idx"]),
        future_start_id=466,
        future_end_id=468,
    )
    assert np.array_equal(tokens, arrays["tokens"])
    assert valid.tolist() == [True, False, False, False, False]


def test_parity_of_text(parity_data: Path) -> None:
    cases = json.loads((parity_data / "alpamayo_r1" / "extract_between_special_tokens.json").read_text())
    for name in ("cot", "meta_action"):
        assert [extract_between(text, name) for text in cases["inputs"]] == cases[name]
