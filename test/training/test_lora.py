"""Adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.training import TrainConfig, Trainer, TrainingError, TrainingSample
from reasoning_vla_ros.training.collate import Collator
from reasoning_vla_ros.training.config import LoraSettings
from reasoning_vla_ros.training.lora import add_lora, load_lora, merge_lora


def logits(model: Any, sample: TrainingSample) -> torch.Tensor:
    batch = Collator(model)([sample])
    with torch.no_grad():
        return model.eval()(**batch.model_inputs(), traj_data=batch.traj_data()).logits


def test_new_adapters_change_nothing(tiny_vla: Any, samples: list[TrainingSample]) -> None:
    before = logits(tiny_vla, samples[0])
    add_lora(tiny_vla, LoraSettings(rank=4))
    assert torch.equal(logits(tiny_vla, samples[0]), before)


def test_adapter_and_merged_model_are_the_trained_one(
    tiny_vla_dir: Path, make_config: Callable[..., TrainConfig], samples: list[TrainingSample]
) -> None:
    base = load_model(str(tiny_vla_dir), device="cpu")
    untrained = logits(base, samples[0])
    config = make_config(mode="lora", lora={"rank": 4, "alpha": 8.0}, steps=6)
    trainer = Trainer(config, load_model(str(tiny_vla_dir), device="cpu"), samples)
    kept: list[torch.Tensor] = []
    trainer.on_step = lambda done, _: kept.append(logits(trainer.objective.model, samples[0])) if done == 6 else None
    result = trainer.train()
    assert not torch.allclose(kept[0], untrained, atol=1e-2)
    merged = load_model(str(result.model_path), device="cpu")
    assert merged.state_dict().keys() == base.state_dict().keys()
    torch.testing.assert_close(logits(merged, samples[0]), kept[0], atol=1e-4, rtol=1e-4)
    peft_vlm = load_lora(base, str(result.adapter_path))
    assert torch.equal(logits(base, samples[0]), kept[0])
    merge_lora(peft_vlm)
    torch.testing.assert_close(logits(base, samples[0]), logits(merged, samples[0]), atol=1e-5, rtol=1e-5)


def test_an_adapter_alone_is_saved_where_no_merged_model_is_wanted(
    tiny_vla: Any, make_config: Callable[..., TrainConfig], samples: list[TrainingSample], tmp_path: Path
) -> None:
    result = Trainer(make_config(mode="lora", lora={"merge": False}, steps=1), tiny_vla, samples).train()
    assert result.model_path is None
    assert {path.name for path in Path(str(result.adapter_path)).iterdir()} >= {
        "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip
    assert not (tmp_path / "run/model").exists()


def test_a_folder_without_an_adapter(tiny_vla: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no adapter_config\.json"):
        load_lora(tiny_vla, tmp_path)
