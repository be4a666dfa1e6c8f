"""Fitting a tokenizer to data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.datasets import hold_out, load_trajectories
from reasoning_vla_ros.datasets.reconstruction import encode, reconstruct
from reasoning_vla_ros.tokenizers import create_tokenizer
from reasoning_vla_ros.training import fit_tokenizer_command


def test_what_is_saved_is_what_was_measured(tmp_path: Path) -> None:
    source = "synthetic:driving:300"
    result = fit_tokenizer_command(
        [source],
        "pose+truncated_dct",
        tmp_path / "fit",
        arguments={"num_frequencies": 6},
        seed=3,
        json_path=tmp_path / "new/figures.json",
    )
    _, test = hold_out(load_trajectories(source), seed=3)
    loaded = create_tokenizer(tmp_path / "fit")
    assert float(reconstruct(loaded, test).ade.mean()) == pytest.approx(result.ade, rel=1e-5)
    figures = json.loads((tmp_path / "new/figures.json").read_text())
    assert figures["ade"] == result.ade
    assert figures["unit"] == "m"
    assert (result.tokens_mean, result.tokens_max, result.refused) == (18, 18, 0)


def test_chunks_of_any_width_and_step(tmp_path: Path) -> None:
    """Limits, steps and their length are those of the data."""
    time = np.linspace(0, 1, 30)[None, :, None]
    goals = np.random.default_rng(0).uniform(-20, 20, (200, 1, 4))
    np.savez(tmp_path / "chunks.npz", actions=goals * time**2, dt_s=1 / 30, history=0 * goals)
    result = fit_tokenizer_command(
        [str(tmp_path / "chunks.npz")], "joint+bspline,relative=true,num_control_points=5", tmp_path / "fit"
    )
    assert result.ade < 0.1
    space = create_tokenizer(tmp_path / "fit").action_space
    assert (space.action_dim, space.horizon, space.dt_s) == (4, 30, 1 / 30)


def test_the_same_seed_gives_the_same_tokenizer(tmp_path: Path) -> None:
    tokens = []
    for name in ("one", "two"):
        arguments = {"num_codes": 2, "num_embeddings": 8, "num_frames": 2}
        fit_tokenizer_command(["synthetic:arms:100"], "joint+rvq", tmp_path / name, arguments=arguments, seed=5)
        tokens.append(encode(create_tokenizer(tmp_path / name), load_trajectories("synthetic:arms:20:1")))
    assert torch.equal(*tokens)


@pytest.mark.parametrize(
    ("tokenizer", "output", "message"),
    [("driving-klt-8", "fit", "named by its two parts"), ("pose+uniform", "taken", "must be a folder")],
)
def test_what_can_not_be_fitted_or_saved(tmp_path: Path, tokenizer: str, output: str, message: str) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match=message):
        fit_tokenizer_command(["synthetic:driving:50"], tokenizer, tmp_path / output)
