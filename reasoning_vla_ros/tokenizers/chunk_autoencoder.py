"""Networks around a quantiser, and their training."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from reasoning_vla_ros.geometry.arrays import at_least_float32

History = dict[str, list[float]]
_REPORTED = ("vq_loss", "perplexity")
OnEpoch = Callable[[int, dict[str, float]], None]


class ActionAutoencoder(nn.Module, ABC):
    """Actions [B, T, D], normalised, through a network, a quantiser and a network back.

    Subclasses give `forward`: actions to a dict with reconstructed [B, T, D], vq_loss, perplexity and
    encoding_indices [B, N]; `encode` to indices alone, and `decode` back.

    Args:
        action_dim: D.
    """

    action_mean: torch.Tensor
    action_scale: torch.Tensor
    normalised: torch.Tensor

    def __init__(self, action_dim: int) -> None:
        super().__init__()
        if action_dim < 1:
            raise ValueError(f"action_dim must be at least 1, got {action_dim}")
        self.action_dim = action_dim
        self.register_buffer("action_mean", torch.zeros(action_dim))
        self.register_buffer("action_scale", torch.ones(action_dim))
        self.register_buffer("normalised", torch.tensor(False))

    @abstractmethod
    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Indices, int64 [B, N], of actions [B, T, D]."""

    @abstractmethod
    def decode(self, indices: torch.Tensor) -> torch.Tensor:
        """Actions [B, T, D] of indices [B, N]."""

    def fit_normalisation(self, actions: torch.Tensor, per_dimension: bool = True) -> None:
        """Centres actions [B, T, D] and scales them to unit variance: each dimension, or all by one number.

        One number keeps distances: where all dimensions have one unit, none is worth more than another.
        """
        values = at_least_float32(actions).reshape(-1, self.action_dim)
        deviation = values.std(0, correction=0)
        scale = deviation if per_dimension else deviation.square().mean().sqrt().expand(self.action_dim)
        self.action_mean.copy_(values.mean(0))
        # A dimension that never changes must not be divided by zero.
        self.action_scale.copy_(torch.where(scale > 1e-8, scale, torch.ones_like(scale)))
        self.normalised.fill_(True)

    def _normalise(self, actions: torch.Tensor) -> torch.Tensor:
        values = (actions.to(self.action_mean.dtype) - self.action_mean) / self.action_scale
        # No actions lie so far out; without a limit, absurd ones would become infinity less infinity in the network.
        return values.clamp(-1e4, 1e4)

    def _restore(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.action_scale + self.action_mean


class ResidualMLP(nn.Module):
    """A linear map and one hidden layer, added: vectors [..., inputs] to [..., outputs]."""

    def __init__(self, inputs: int, hidden_dim: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.bend = nn.Sequential(nn.Linear(inputs, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear(inputs) + self.bend(inputs)
        return outputs


class ShuffledBatches:
    """Batches of actions [B, T, D] in a new random order each time it is walked through.

    Args:
        actions: [B, T, D].
        batch_size: rows a batch; the last may have fewer.
        generator: of the order.
    """

    def __init__(self, actions: torch.Tensor, batch_size: int, generator: torch.Generator) -> None:
        self.actions = actions
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        return -(-len(self.actions) // self.batch_size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        order = torch.randperm(len(self.actions), generator=self.generator).to(self.actions.device)
        for rows in order.split(self.batch_size):
            yield self.actions[rows]


def train_autoencoder(
    model: ActionAutoencoder,
    dataloader: Iterable[Any],
    num_epochs: int,
    *,
    learning_rate: float = 3e-3,
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Trains with Adam and a learning rate that falls along a cosine, and leaves the model in evaluation mode.

    The loss is the mean distance of the actions (the norm over D, normalised) plus the quantiser's. A model whose
    normalisation nobody fitted is normalised by the data first. The seed holds for what the training draws; the
    caller's own random state is left as it was, and the order of the batches is the loader's.

    Args:
        model: on the device to train on.
        dataloader: batches of actions [B, T, D], or tuples or lists that begin with them, or mappings that have them
            as "actions"; walked through once an epoch.
        num_epochs: how often.
        learning_rate: at the start.
        seed: of everything random in the training.
        on_epoch: called after each epoch with its number, from 1, and its means.

    Returns:
        "loss", "reconstruction_loss", "vq_loss" and "perplexity", a mean an epoch.

    Raises:
        ValueError: a loader without batches, or num_epochs < 1.
    """
    if num_epochs < 1:
        raise ValueError(f"num_epochs must be at least 1, got {num_epochs}")
    device = model.action_mean.device
    if not bool(model.normalised):
        batches = [actions_of(batch) for batch in dataloader]
        if not batches:
            raise ValueError("the dataloader gave no batch, at least 1 is needed")
        model.fit_normalisation(torch.cat([b.reshape(-1, 1, model.action_dim) for b in batches]).to(device))
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    history: History = {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model.train()
        for epoch in range(num_epochs):
            rate = learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * epoch / num_epochs)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            steps = [_step(model, optimiser, actions_of(batch).to(device)) for batch in dataloader]
            if not steps:
                raise ValueError(f"the dataloader gave no batch in epoch {epoch + 1}, at least 1 is needed")
            means = {key: sum(step[key] for step in steps) / len(steps) for key in steps[0]}
            for key, value in means.items():
                history.setdefault(key, []).append(value)
            if on_epoch is not None:
                on_epoch(epoch + 1, means)
    model.eval()
    return history


def actions_of(batch: Any) -> torch.Tensor:
    """The actions [B, T, D] of a loader's batch: itself, its first part, or its "actions".

    Raises:
        TypeError: it has none.
    """
    found = batch.get("actions") if isinstance(batch, Mapping) else batch
    found = found[0] if isinstance(found, (tuple, list)) and found else found
    if not isinstance(found, torch.Tensor):
        raise TypeError(f"a batch needs a tensor of actions, got {type(batch).__name__}")
    return at_least_float32(found)


def _step(model: ActionAutoencoder, optimiser: torch.optim.Optimizer, actions: torch.Tensor) -> dict[str, float]:
    outputs = model(actions)
    error = (outputs["reconstructed"] - actions) / model.action_scale
    # The norm, not its square: a few wild trajectories must not set the codes. The little keeps its gradient finite.
    reconstruction = (error.square().sum(-1) + 1e-8).sqrt().mean()
    loss = reconstruction + outputs["vq_loss"]
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    means = {"loss": loss, "reconstruction_loss": reconstruction, **{key: outputs[key] for key in _REPORTED}}
    return {key: float(value.detach()) for key, value in means.items()}
