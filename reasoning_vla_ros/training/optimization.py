"""The optimizer and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from reasoning_vla_ros.training.config import OptimizerConfig


def adamw(parameters: Mapping[str, nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW over the parameters; vectors, which are norms and biases, do not decay."""
    matrices = [parameter for parameter in parameters.values() if parameter.ndim > 1]
    vectors = [parameter for parameter in parameters.values() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
    )


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Learning rate of a step in 0..steps-1: a linear rise, then half a cosine down to its final share."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    left = max(steps - config.warmup_steps - 1, 1)
    share = 0.5 * (1 + math.cos(math.pi * min((step - config.warmup_steps) / left, 1.0)))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * share)
