"""The same layers, faster: the same numbers, and only while they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from reasoning_vla_ros.training import TrainingSample
from reasoning_vla_ros.training.collate import Collator
from reasoning_vla_ros.training.config_files import config_from_dict
from reasoning_vla_ros.training.fast_layers import FastLayers
from reasoning_vla_ros.training.objective import Counts, TrainingObjective


def gradients(
    model: Any, samples: list[TrainingSample], fast: FastLayers | None, half: bool
) -> dict[str, torch.Tensor]:
    objective = TrainingObjective(model, config_from_dict({"mode": "full"}))
    batch = Collator(model, multiple=32)(samples)
    assert batch.input_ids.shape[1] % 32 == 0
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        if fast is None:
            loss = objective(batch, Counts.of([batch]))["loss"]
        else:
            with fast.active():
                loss = objective(batch, Counts.of([batch]))["loss"]
    loss.backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("half", [False, True])
def test_gradients_are_the_same_but_for_rounding(tiny_vla: Any, samples: list[TrainingSample], half: bool) -> None:
    fast = FastLayers(tiny_vla, compiled=False, is_half_on_cpu=half)
    plain, quick = (gradients(tiny_vla, samples, each, half) for each in (None, fast))
    assert plain.keys() == quick.keys()
    apart = sum(float((quick[name] - plain[name]).square().sum()) for name in plain)
    size = sum(float(value.square().sum()) for value in plain.values())
    assert apart**0.5 < (0.05 if half else 1e-4) * size**0.5
    assert "forward" not in vars(tiny_vla.backend.visual(tiny_vla.vlm).patch_embed)
    assert tiny_vla.vlm.config.get_text_config()._attn_implementation == "sdpa"


def test_padding_changes_no_loss(tiny_vla: Any, samples: list[TrainingSample]) -> None:
    objective = TrainingObjective(tiny_vla, config_from_dict({"mode": "full"})).eval()
    losses = []
    for multiple in (1, 64):
        batch = Collator(tiny_vla, multiple)(samples)
        losses.append(float(objective(batch, Counts.of([batch]))["loss"].detach()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.timeout(300)
def test_compiled_layers_compute_the_same(tiny_vla: Any, samples: list[TrainingSample]) -> None:
    plain = gradients(tiny_vla, samples, None, half=False)
    fast = FastLayers(tiny_vla, compiled=True, is_half_on_cpu=False)
    compiled = gradients(tiny_vla, samples, fast, half=False)
    for name, value in plain.items():
        assert torch.allclose(compiled[name], value, rtol=1e-3, atol=1e-4 * float(value.abs().max())), name
    assert all(layer._compiled_call_impl is None for layer in tiny_vla.vlm.model.language_model.layers)
