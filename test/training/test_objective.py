"""Which weights are trained, and by which loss."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX
from reasoning_vla_ros.training import TrainConfig, Trainer, TrainingError, TrainingSample
from reasoning_vla_ros.training.collate import Collator
from reasoning_vla_ros.training.losses import token_loss
from reasoning_vla_ros.training.objective import Counts, TrainingObjective
from reasoning_vla_ros.training.schedule import FlowDraws

MakeConfig = Callable[..., TrainConfig]


def trained_after_a_step(model: Any, config: TrainConfig, samples: Sequence[TrainingSample]) -> set[str]:
    """Names of the weights that a step changed."""
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer = Trainer(config, model, samples)
    trainer.wrapped.train()
    trainer._begin(resume=False)
    trainer._step(0, trainer._batches(0))
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
    in_optimizer = {id(parameter) for optimizer in trainer.optimizers for parameter in optimizer.state}
    assert in_optimizer == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    after = {name.replace(".base_layer", ""): parameter for name, parameter in model.named_parameters()}
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_expert_mode_leaves_the_vlm_as_it_is(
    tiny_alpamayo: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    changed = trained_after_a_step(tiny_alpamayo, make_config(mode="expert"), samples)
    assert {name.partition(".")[0] for name in changed} == {"expert", "action_in_proj", "action_out_proj"}
    assert len(changed) == sum(not name.startswith("vlm.") for name, _ in tiny_alpamayo.named_parameters())


def test_lora_mode_trains_adapters_of_the_language_model_alone(
    tiny_alpamayo: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    assert trained_after_a_step(tiny_alpamayo, make_config(mode="lora"), samples) == set()
    trained = [name for name, parameter in tiny_alpamayo.named_parameters() if parameter.requires_grad]
    assert len(trained) == 2 * 7 * 2  # A and B of seven linear layers in two blocks
    assert all(".language_model." in name and ".lora_" in name for name in trained)


def test_lora_may_take_the_expert_along(
    tiny_alpamayo: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    config = make_config(mode="lora", lora={"train_expert": True, "targets": ["q_proj"]})
    changed = trained_after_a_step(tiny_alpamayo, config, samples)
    assert {name.partition(".")[0] for name in changed} == {"expert", "action_in_proj", "action_out_proj"}


def test_full_mode_trains_everything(
    tiny_alpamayo: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    changed = trained_after_a_step(tiny_alpamayo, make_config(), samples)
    # A weight that no pixel or position of these samples reaches gets no gradient to move by.
    assert len(changed) >= 0.9 * sum(1 for _ in tiny_alpamayo.parameters())


def test_frozen_parts_stay_in_evaluation_mode(tiny_alpamayo: Any, make_config: MakeConfig) -> None:
    objective = TrainingObjective(tiny_alpamayo, make_config(mode="expert")).train()
    assert objective.training
    assert tiny_alpamayo.expert.training
    assert not any(module.training for module in tiny_alpamayo.vlm.modules())
    assert not any(module.training for module in objective.eval().modules())


def test_the_loss_is_that_of_the_whole_logits(
    tiny_vla: Any, make_config: MakeConfig, samples: list[TrainingSample], make_sample: Callable[..., TrainingSample]
) -> None:
    """Making logits for the learned tokens alone, and splitting the batch, changes nothing."""
    rows = [*samples[:2], make_sample(3, reasoning="A longer text, so that rows are padded.")]
    collate = Collator(tiny_vla)
    batch = collate(rows)
    objective = TrainingObjective(tiny_vla, make_config(loss={"trajectory": 2.0, "text": 0.5}))
    traj_data = batch.traj_data()
    labels = torch.where(
        batch.labels != IGNORE_INDEX, tiny_vla.fuse_traj_tokens(batch.input_ids, traj_data), IGNORE_INDEX
    )
    with torch.no_grad():
        logits = tiny_vla(**batch.model_inputs(), traj_data=traj_data).logits
        wanted = token_loss(logits, labels, batch.is_trajectory, trajectory_weight=2.0, text_weight=0.5)
        at_once = objective(batch, Counts.of([batch]))
        parts = [collate([row]) for row in rows]
        shares = [objective(part, Counts.of(parts)) for part in parts]
    assert float(at_once["loss"]) == pytest.approx(float(wanted.loss), rel=1e-5)
    assert float(at_once["trajectory"]) == pytest.approx(float(wanted.trajectory), rel=1e-5)
    assert float(at_once["text"]) == pytest.approx(float(wanted.text), rel=1e-5)
    assert sum(float(share["loss"]) for share in shares) == pytest.approx(float(wanted.loss), rel=1e-4)


def test_shares_of_the_flow_loss_add_up(
    tiny_alpamayo: Any,
    make_config: MakeConfig,
    samples: list[TrainingSample],
    make_sample: Callable[..., TrainingSample],
) -> None:
    """Also when rows are padded, and the text behind the start of the trajectory is nothing to the expert."""
    rows = [*samples[:2], make_sample(3, reasoning="A longer text, so that rows are padded.")]
    objective = TrainingObjective(tiny_alpamayo, make_config(mode="expert"))
    draws = FlowDraws(tuple(tiny_alpamayo.diffusion.x_dims), seed=1)
    noise, times = draws(range(3))
    batch = Collator(tiny_alpamayo)(rows)
    parts = [Collator(tiny_alpamayo)([row]) for row in rows]
    with torch.no_grad():
        whole = objective(batch, Counts.of([batch]), noise, times)
        shares = [objective(part, Counts.of(parts), noise[i : i + 1], times[i : i + 1]) for i, part in enumerate(parts)]
    assert set(whole) == {"loss", "flow"}
    assert sum(float(share["flow"]) for share in shares) == pytest.approx(float(whole["flow"]), rel=1e-4)


def test_modes_that_do_not_fit_the_model(tiny_vla: Any, tiny_alpamayo: Any, make_config: MakeConfig) -> None:
    with pytest.raises(TrainingError, match=r"mode expert needs a model with an action expert .* got a ReasoningVLA"):
        TrainingObjective(tiny_vla, make_config(mode="expert"))
    with pytest.raises(TrainingError, match=r"lora\.train_expert needs a model with an action expert"):
        TrainingObjective(tiny_vla, make_config(mode="lora", lora={"train_expert": True}))
    with pytest.raises(TrainingError, match="weights are 0"):
        TrainingObjective(tiny_alpamayo, make_config(mode="expert", loss={"flow": 0}))
    with pytest.raises(TrainingError, match=r"lora.targets \['nothing'\] do not fit"):
        TrainingObjective(tiny_vla, make_config(mode="lora", lora={"targets": ["nothing"]}))


def test_peft_is_asked_for_by_name(tiny_vla: Any, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(TrainingError, match=r"pip install 'reasoning_vla_ros\[train\]'"):
        TrainingObjective(tiny_vla, make_config(mode="lora"))


def test_the_language_model_is_differentiated_through_checkpoints(
    tiny_vla: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    """Gradient checkpointing gives the same gradients."""
    batch = Collator(tiny_vla)(samples)
    norms = []
    for checkpointing in (False, True):
        trainer = Trainer(make_config(gradient_checkpointing=checkpointing), tiny_vla, samples)
        trainer.objective.train()
        trainer.objective(batch, Counts.of([batch]))["loss"].backward()
        norms.append(float(nn.utils.clip_grad_norm_(tiny_vla.parameters(), 1e9)))
        tiny_vla.zero_grad()
        assert getattr(tiny_vla.backend.language_model(tiny_vla.vlm), "gradient_checkpointing", checkpointing) == (
            checkpointing
        )
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
