"""The optimizers and their learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from reasoning_vla_ros.training.config import OptimizerConfig
from reasoning_vla_ros.training.errors import TrainingError


def make_optimizers(parameters: Mapping[str, nn.Parameter], config: OptimizerConfig) -> list[Optimizer]:
    """AdamW over the parameters; with `muon_learning_rate`, Muon over the layers' matrices and AdamW over the rest.

    Vectors, which are norms and biases, do not decay.

    Raises:
        TrainingError: PyTorch is too old to have Muon.
    """
    by_muon = {
        name: value for name, value in parameters.items() if config.muon_learning_rate and _is_in_a_layer(name, value)
    }
    rest = [value for name, value in parameters.items() if name not in by_muon]
    groups = [
        {"params": [value for value in rest if value.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [value for value in rest if value.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
    )
    if not by_muon:
        return [adamw]
    if not hasattr(torch.optim, "Muon"):
        raise TrainingError(
            f"optimizer.muon_learning_rate is {config.muon_learning_rate}, which needs PyTorch 2.9 or newer, this is "
            f"{torch.__version__}; 0 trains by AdamW alone"
        )
    muon = torch.optim.Muon(
        by_muon.values(),
        lr=config.muon_learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, adamw]


def set_learning_rate(optimizers: Sequence[Optimizer], step: int, steps: int, config: OptimizerConfig) -> float:
    """Sets the rates for a step in 0..steps-1 and returns AdamW's."""
    rate = learning_rate(step, steps, config)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            # `defaults` holds the rate at the peak.
            group["lr"] = rate * optimizer.defaults["lr"] / config.learning_rate
    return rate


def state_of(optimizers: Sequence[Optimizer], parameter: nn.Parameter) -> dict[str, Any]:
    """A parameter's state in the optimizer that trains it, to be read or filled."""
    for optimizer in optimizers:
        if any(parameter is each for group in optimizer.param_groups for each in group["params"]):
            state: dict[str, Any] = optimizer.state[parameter]
            return state
    raise KeyError("no optimizer trains the parameter")


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Learning rate of a step in 0..steps-1: a linear rise, then half a cosine down to its final share."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    left = max(steps - config.warmup_steps - 1, 1)
    share = 0.5 * (1 + math.cos(math.pi * min((step - config.warmup_steps) / left, 1.0)))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * share)


def _is_in_a_layer(name: str, parameter: nn.Parameter) -> bool:
    """Whether it is a matrix from features to features: no embedding, and no head over the vocabulary."""
    return parameter.ndim == 2 and not any(part in name for part in ("embed", "lm_head"))
