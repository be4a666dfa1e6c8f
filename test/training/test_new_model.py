"""Small models for samples, and training from nothing on simulated drives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from reasoning_vla_ros.cli import app
from reasoning_vla_ros.models.small_config import SmallModelConfig
from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX
from reasoning_vla_ros.planning import Planner
from reasoning_vla_ros.training import TrainingError, TrainingSample
from reasoning_vla_ros.training.collate import Collator
from reasoning_vla_ros.training.config_files import config_from_dict
from reasoning_vla_ros.training.new_model import make_new_model
from reasoning_vla_ros.training.objective import TrainingObjective

SPLINE = {
    "action_space": {"name": "path", "headings": False},
    "action_tokenizer": {
        "name": "bspline",
        "num_control_points": 4,
        "degree": 3,
        "bins_per_dim": 63,
        "from_zero": True,
    },
}
HISTORY_SPLINE = {
    "action_space": {"name": "path", "horizon": 16, "headings": False},
    "action_tokenizer": {"name": "bspline", "num_control_points": 4, "degree": 3, "bins_per_dim": 63},
}
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_layers": 1,
    "vision_hidden_size": 32,
    "vision_layers": 2,
    "deepstack_layers": [0],
    "temporal_patch_size": 1,
    "text_tokens": "phrases",
    "traj_tokenizer": SPLINE,
    "hist_traj_tokenizer": HISTORY_SPLINE,
}


def test_tokens_are_fitted_to_the_samples(samples: list[TrainingSample], tmp_path: Path) -> None:
    config = SmallModelConfig(**{**SHAPE, "deepstack_layers": (0,)})
    model = make_new_model(config, samples, tmp_path)
    assert model.config.untrained
    ranges = model.config.traj_tokenizer_cfg["action_tokenizer"]["action_range"]
    assert len(ranges) == 8
    assert all(low == -high for low, high in ranges[1::2])
    assert (model.config.tokens_per_history_traj, model.config.tokens_per_future_traj) == (8, 8)
    # What the samples drive comes back from its tokens.
    xyz, rot = (
        torch.stack([torch.from_numpy(getattr(s.observation, n)) for s in samples])
        for n in ("history_xyz", "history_rot")
    )
    future_xyz, future_rot = (
        torch.stack([torch.from_numpy(getattr(s, n)) for s in samples]) for n in ("future_xyz", "future_rot")
    )
    ids = model.traj_tokenizer.encode(xyz, rot, future_xyz, future_rot)
    decoded, _, _ = model.traj_tokenizer.decode(xyz, rot, ids)
    assert (decoded - future_xyz)[..., :2].norm(dim=-1).mean() < 0.5
    plan = Planner.from_pretrained(str(tmp_path)).plan(samples[0].observation, seed=0)
    assert plan.xyz.shape == (1, 64, 3)
    assert plan.num_trajectory_tokens == 8


FAST = {"action_space": {"name": "path", "headings": False}, "action_tokenizer": {"name": "fast"}, "fit": True}


def test_a_fitted_tokenizer_is_saved_with_the_model(samples: list[TrainingSample], tmp_path: Path) -> None:
    """FAST learns its merges, and its rows differ in length."""
    config = SmallModelConfig(**{**SHAPE, "deepstack_layers": (0,), "traj_tokenizer": FAST})
    model = make_new_model(config, samples, tmp_path / "made")
    assert model.traj_tokenizer.num_tokens is None
    model.save_pretrained(tmp_path / "moved")
    shutil.rmtree(tmp_path / "made")
    loaded = Planner.from_pretrained(str(tmp_path / "moved")).model
    arrays = [torch.from_numpy(getattr(samples[1].observation, name))[None] for name in ("history_xyz", "history_rot")]
    arrays += [torch.from_numpy(getattr(samples[1], name))[None] for name in ("future_xyz", "future_rot")]
    ids = model.traj_tokenizer.encode(*arrays)
    assert torch.equal(loaded.traj_tokenizer.encode(*arrays), ids)
    assert loaded.config.tokens_per_future_traj == model.config.tokens_per_future_traj > ids.shape[1]
    stored = json.loads((tmp_path / "moved/config.json").read_text())
    assert stored["traj_tokenizer_cfg"] == {"folder": "traj_tokenizer"}
    stored["traj_tokenizer_cfg"]["folder"] = str(tmp_path)
    (tmp_path / "moved/config.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="needed 'traj_tokenizer'"):
        Planner.from_pretrained(str(tmp_path / "moved"))


def test_a_trajectory_is_learned_to_end_where_its_padding_begins(samples: list[TrainingSample], tmp_path: Path) -> None:
    config = SmallModelConfig(**{**SHAPE, "deepstack_layers": (0,), "traj_tokenizer": FAST})
    model = make_new_model(config, samples, tmp_path)
    batch = Collator(model)(samples)
    fused = model.fuse_traj_tokens(batch.input_ids, batch.traj_data())
    targets = TrainingObjective(model, config_from_dict({"mode": "full"}))._ended_at_padding(fused)
    end, first = model.config.traj_token_ids["future_end"], model.future_token_start_idx
    padding = first + model.traj_tokenizer.pad_id
    for row, target in zip(fused, targets, strict=True):
        learned = target[(target == end) | ((target >= first) & (target < first + model.traj_tokenizer.vocab_size))]
        assert padding not in learned
        assert learned[-1] == end
        assert (learned == end).sum() == 1
        count = int(((row >= first) & (row < padding)).sum())
        assert len(learned) == count + 1
    assert (targets == IGNORE_INDEX).any()


def test_levels_are_smoothed_where_ids_are_levels(samples: list[TrainingSample], tiny_vla: Any, tmp_path: Path) -> None:
    config = config_from_dict({"mode": "full", "loss": {"smoothing_bins": 1.0}})
    with pytest.raises(TrainingError, match="the ids of 'klt' are no ascending levels"):
        TrainingObjective(tiny_vla, config)
    model = make_new_model(SmallModelConfig(**{**SHAPE, "deepstack_layers": (0,)}), samples, tmp_path)
    smoothed = TrainingObjective(model, config).smoothed
    assert smoothed is not None
    assert (smoothed.first, smoothed.count) == (model.future_token_start_idx, 63)


def test_a_model_from_nothing_by_one_command(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    drives = {
        "count": 2,
        "evaluation_count": 1,
        "scenarios": ["curves"],
        "episode_s": 12.0,
        "stride": 3,
        "disturbed_share": 0.0,
    }
    content = {
        "mode": "full",
        "new_model": SHAPE,
        "data": {"drives": drives},
        "steps": 2,
        "batch_size": 4,
        "micro_batch_size": 2,
        "device": "cpu",
        "mixed_precision": "bf16",
        "saved_dtype": "float16",
        "loss": {"smoothing_bins": 1.5},
        "optimizer": {"learning_rate": 1e-3, "muon_learning_rate": 1e-2, "warmup_steps": 1},
        "evaluation": {"samples": 1, "candidates": 1, "max_reasoning_tokens": 2, "temperature": 0},
    }
    path.write_text(yaml.safe_dump(content))
    result = CliRunner().invoke(app, ["train", "--config", str(path), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    weights = load_file(tmp_path / "out/model/model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert not any("lm_head" in name for name in weights)  # tied to the embeddings, which are there
    assert json.loads((tmp_path / "out/model/config.json").read_text())["model_dtype"] == "float16"
    model = Planner.from_pretrained(str(tmp_path / "out/model")).model
    assert model.config.untrained is False
    assert next(model.parameters()).dtype == torch.float32  # what a CPU computes in
    resumed = CliRunner().invoke(app, ["train", "--config", str(path), "--output", str(tmp_path / "out"), "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert "resumed after step 2" in " ".join(resumed.output.split())
    again = load_file(tmp_path / "out/model/model.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
