"""Checkpoints of a training run: trained weights and the optimizer's state, as safetensors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from reasoning_vla_ros.training.config import TrainConfig
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.optimization import state_of

FOLDER = "checkpoints"
TENSORS_FILE = "state.safetensors"
STATE_FILE = "state.json"
# What a resumed run may change: where things lie and how they are computed, but not what is computed.
FREE_TO_CHANGE = {
    "output", "device", "workers", "checkpoint_every", "keep_checkpoints", "evaluation", "micro_batch_size",
    "gradient_checkpointing",
}  # fmt: skip


def save_checkpoint(
    output: Path,
    step: int,
    parameters: Mapping[str, nn.Parameter],
    optimizers: Sequence[Optimizer],
    config: TrainConfig,
    keep: int,
) -> Path:
    """Writes the state after `step` steps, whole or not at all, and deletes all but the newest `keep`.

    Args:
        parameters: the trained ones by name; frozen ones are not saved.
        optimizers: over these parameters.
    """
    tensors = {f"weight.{name}": parameter.detach() for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        for key, value in state_of(optimizers, parameter).items():
            tensors[f"optimizer.{key}.{name}"] = value.detach()
    folder = output / FOLDER / f"step-{step:08d}"
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, unfinished / TENSORS_FILE)
    state = {"step": step, "config": asdict(config)}
    (unfinished / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)
    for old in _folders(output)[:-keep]:
        shutil.rmtree(old)
    return folder


def latest_checkpoint(output: Path) -> Path | None:
    """The newest checkpoint of a run, None without any."""
    return next(iter(reversed(_folders(output))), None)


def load_checkpoint(
    folder: Path, parameters: Mapping[str, nn.Parameter], optimizers: Sequence[Optimizer], config: TrainConfig
) -> int:
    """Puts a checkpoint's state into parameters and optimizers, and returns the number of steps it was saved after.

    Raises:
        TrainingError: it was saved by a run with another config or another model, or is damaged.
    """
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / TENSORS_FILE)
    except (OSError, json.JSONDecodeError, SafetensorError) as error:
        raise TrainingError(f"checkpoint {folder} can't be read: {error}") from error
    _require_same(folder, state["config"], json.loads(json.dumps(asdict(config))))
    weights = {name.removeprefix("weight."): value for name, value in tensors.items() if name.startswith("weight.")}
    if weights.keys() != parameters.keys():
        different = sorted(weights.keys() ^ parameters.keys())
        raise TrainingError(
            f"checkpoint {folder} holds {len(weights)} trained tensors, the model trains {len(parameters)}; they "
            f"differ in {', '.join(different[:4])}{' …' if len(different) > 4 else ''}"
        )
    optimizer_state: dict[str, dict[str, Tensor]] = {name: {} for name in parameters}
    for full_name, value in tensors.items():
        if full_name.startswith("optimizer."):
            key, _, name = full_name.removeprefix("optimizer.").partition(".")
            optimizer_state[name][key] = value
    with torch.no_grad():
        for name, parameter in parameters.items():
            if weights[name].shape != parameter.shape:
                raise TrainingError(
                    f"checkpoint {folder}: {name} has the shape {list(weights[name].shape)}, the model's has "
                    f"{list(parameter.shape)}"
                )
            parameter.copy_(weights[name])
            # AdamW counts its steps on the CPU.
            state_of(optimizers, parameter).update(
                {k: v if k == "step" else v.to(parameter.device) for k, v in optimizer_state[name].items()}
            )
    return int(state["step"])


def _folders(output: Path) -> list[Path]:
    return sorted(path for path in (output / FOLDER).glob("step-*") if path.suffix != ".unfinished")


def _require_same(folder: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    changed = [
        f"{name} was {saved.get(name)!r} and is {wanted.get(name)!r}"
        for name in sorted(saved.keys() | wanted.keys())
        if name not in FREE_TO_CHANGE and saved.get(name) != wanted.get(name)
    ]
    if changed:
        raise TrainingError(
            f"checkpoint {folder} was saved by another run: {'; '.join(changed)}. A resumed run needs the same config"
        )
