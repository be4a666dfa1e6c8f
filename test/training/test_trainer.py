"""Training runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reasoning_vla_ros.planning import Planner
from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.training import TrainConfig, Trainer, TrainingError, TrainingSample
from reasoning_vla_ros.training.checkpoints import latest_checkpoint

MakeConfig = Callable[..., TrainConfig]
SameWeights = Callable[[Any, Any], bool]


class Interrupted(Exception):
    pass


def interrupt_at(step: int) -> Callable[[int, dict[str, float]], None]:
    def on_step(done: int, figures: dict[str, float]) -> None:
        if done == step:
            raise Interrupted

    return on_step


def test_tokens_are_learned(tiny_vla: Any, make_config: MakeConfig, samples: list[TrainingSample]) -> None:
    """A few samples are learned by heart, and the plans come near what was driven."""
    config = make_config(
        steps=100, optimizer={"learning_rate": 5e-3, "warmup_steps": 5}, evaluation={"samples": 4, "candidates": 1}
    )
    result = Trainer(config, tiny_vla, samples, samples).train()
    assert result.after["loss_trajectory"] < 0.3 * result.before["loss_trajectory"]
    assert result.after["loss_text"] < 0.1 * result.before["loss_text"]
    assert result.after["min_ade_m"] < 0.5 * result.before["min_ade_m"]
    planner = Planner.from_pretrained(result.model_path, device="cpu")
    plan = planner.plan(samples[0].observation, seed=0)
    assert plan.reasoning == ("Keep the lane.",)
    assert plan.reasoning_complete == (True,)
    assert planner.model.config.untrained is False


def test_flow_matching_is_learned(tiny_alpamayo: Any, make_config: MakeConfig, samples: list[TrainingSample]) -> None:
    config = make_config(
        mode="expert",
        steps=100,
        optimizer={"learning_rate": 5e-3, "warmup_steps": 5},
        evaluation={"samples": 4, "candidates": 2, "max_reasoning_tokens": 0},
    )
    result = Trainer(config, tiny_alpamayo, samples, samples).train()
    assert result.after["loss_flow"] < 0.5 * result.before["loss_flow"]
    assert result.after["min_ade_m"] < 0.7 * result.before["min_ade_m"]
    assert result.trainable_parameters < result.parameters / 2
    loaded = load_model(str(result.model_path), device="cpu")
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, tiny_alpamayo.state_dict()[name]), name


@pytest.mark.parametrize(
    ("mode", "more"), [("expert", {}), ("lora", {"lora": {"dropout": 0.3, "train_expert": True}, "batch_size": 8})]
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    mode: str,
    more: dict[str, Any],
    tiny_alpamayo_dir: Path,
    make_config: MakeConfig,
    samples: list[TrainingSample],
    same_weights: SameWeights,
    tmp_path: Path,
) -> None:
    """Bit for bit: weights, order of samples, noise, dropout, learning rate and the optimizer's state."""
    fields = {"mode": mode, "steps": 5, "checkpoint_every": 2, "micro_batch_size": 2, **more}

    def trainer(output: str, **kwargs: Any) -> Trainer:
        model = load_model(str(tiny_alpamayo_dir), device="cpu")
        return Trainer(make_config(output=str(tmp_path / output), **fields), model, samples, **kwargs)

    whole = trainer("whole")
    whole.train()
    with pytest.raises(Interrupted):
        trainer("parts", on_step=interrupt_at(3)).train()
    torch.manual_seed(99)
    resumed = trainer("parts")
    result = resumed.train(resume=True)
    assert same_weights(whole.objective.model, resumed.objective.model)
    assert result.steps == 5
    one, other = (
        load_file(tmp_path / name / "checkpoints/step-00000005/state.safetensors") for name in ("whole", "parts")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    logged = [json.loads(line) for line in (tmp_path / "parts/log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [1, 2, 3, 4, 5]


def test_smaller_micro_batches_train_the_same(
    tiny_vla_dir: Path, make_config: MakeConfig, make_sample: Callable[..., TrainingSample], tmp_path: Path
) -> None:
    """Means are over the whole step, also where texts differ in length."""
    samples = [make_sample(index, reasoning="word " * (1 + 5 * index)) for index in range(4)]
    losses = []
    for micro in (4, 1):
        config = make_config(micro_batch_size=micro, output=str(tmp_path / str(micro)))
        losses.append(Trainer(config, load_model(str(tiny_vla_dir), device="cpu"), samples).train().last)
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], rel=1e-4)
    assert losses[0]["gradient_norm"] == pytest.approx(losses[1]["gradient_norm"], rel=1e-3)


def test_checkpoints_are_few_and_whole(
    tiny_vla: Any, make_config: MakeConfig, samples: list[TrainingSample], tmp_path: Path
) -> None:
    config = make_config(mode="lora", steps=5, checkpoint_every=1, keep_checkpoints=2)
    Trainer(config, tiny_vla, samples).train()
    folder = tmp_path / "run/checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000004", "step-00000005"]
    # Frozen weights are not in it.
    assert all("lora_" in name for name in load_file(folder / "step-00000005/state.safetensors"))
    (folder / "step-00000009.unfinished").mkdir()
    assert latest_checkpoint(tmp_path / "run") == folder / "step-00000005"


def test_a_run_neither_overwrites_nor_continues_another(
    tiny_vla_dir: Path, make_config: MakeConfig, samples: list[TrainingSample], tmp_path: Path
) -> None:
    def trainer(**fields: Any) -> Trainer:
        return Trainer(make_config(**fields), load_model(str(tiny_vla_dir), device="cpu"), samples)

    with pytest.raises(TrainingError, match="holds no checkpoint to resume from"):
        trainer().train(resume=True)
    trainer(steps=1).train()
    with pytest.raises(TrainingError, match=r"earlier run \(step-00000001\); --resume goes on with it"):
        trainer(steps=1).train()
    with pytest.raises(TrainingError, match=r"another run: seed was 0 and is 1; steps was 1 and is 4\. A resumed run"):
        trainer(seed=1).train(resume=True)
    with pytest.raises(TrainingError, match="mode was 'full' and is 'lora'"):
        trainer(steps=1, mode="lora").train(resume=True)
    (tmp_path / "run/checkpoints/step-00000001/state.safetensors").write_bytes(b"cut off")
    with pytest.raises(TrainingError, match=r"step-00000001 can't be read"):
        trainer(steps=1).train(resume=True)


def test_a_loss_that_is_no_number_ends_the_run(
    tiny_alpamayo: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    with torch.no_grad():
        tiny_alpamayo.action_out_proj.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"step 1: the loss is nan .* a lower optimizer.learning_rate"):
        Trainer(make_config(mode="expert"), tiny_alpamayo, samples).train()


@pytest.mark.parametrize("mode", ["expert", "lora", "full"])
def test_mixed_precision(
    mode: str, tiny_alpamayo_dir: Path, make_config: MakeConfig, samples: list[TrainingSample], tmp_path: Path
) -> None:
    """Trained weights are float32 while they are trained and bfloat16 when saved; the loss is near float32's."""
    losses = []
    for precision, dtype in (("no", "float32"), ("bf16", "bfloat16")):
        model = load_model(str(tiny_alpamayo_dir), device="cpu", dtype=dtype)
        config = make_config(mode=mode, mixed_precision=precision, steps=2, output=str(tmp_path / precision))
        trainer = Trainer(config, model, samples, samples)
        assert {parameter.dtype for parameter in trainer.parameters.values()} == {torch.float32}
        result = trainer.train()
        losses.append(result.before | {f"last_{name}": value for name, value in result.last.items()})
        trainer.accelerator.free_memory()
        type(trainer.accelerator.state)._reset_state(reset_partial_state=True)
    names = [name for name in losses[0] if "loss" in name]
    assert len(names) >= 2
    for name in names:
        assert losses[1][name] == pytest.approx(losses[0][name], rel=0.02), name
    saved = load_file(tmp_path / "bf16/model/model.safetensors")
    assert {value.dtype for name, value in saved.items() if "layers" in name} == {torch.bfloat16}


def test_samples_are_read_by_workers_too(
    tiny_vla_dir: Path,
    make_config: MakeConfig,
    samples: list[TrainingSample],
    same_weights: SameWeights,
    tmp_path: Path,
) -> None:
    models = []
    for workers in (0, 2):
        model = load_model(str(tiny_vla_dir), device="cpu")
        Trainer(make_config(workers=workers, steps=2, output=str(tmp_path / str(workers))), model, samples).train()
        models.append(model)
    assert same_weights(*models)


def test_a_source_may_make_samples_on_the_fly(
    tiny_vla: Any, make_config: MakeConfig, make_sample: Callable[..., TrainingSample]
) -> None:
    class Simulated:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> TrainingSample:
            self.asked.append(index)
            return make_sample(index % 7)

    source = Simulated()
    Trainer(make_config(steps=2), tiny_vla, source).train()
    assert len(set(source.asked)) == 8


def test_the_same_plans_are_evaluated_again(
    tiny_vla: Any, make_config: MakeConfig, samples: list[TrainingSample]
) -> None:
    trainer = Trainer(make_config(), tiny_vla, samples, samples)
    trainer._begin(resume=False)
    once = trainer._evaluate(0)
    torch.manual_seed(5)
    np.random.default_rng(5)
    assert trainer._evaluate(0) == once
    assert once["samples"] == 2
