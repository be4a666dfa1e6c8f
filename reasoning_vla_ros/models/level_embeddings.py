"""Embeddings of tokens that stand for ascending levels: what is near in value is near in the embedding."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# Of the waves, in periods over all levels: from the whole range down to a few levels of 255.
FEWEST_PERIODS, MOST_PERIODS = 0.5, 60.0


def level_features(count: int, width: int, deviation: float, seed: int) -> Tensor:
    """Random Fourier features (Rahimi and Recht, 2007) of levels 0 to count - 1: float32 [count, width].

    Each column is a cosine over the levels, of a random phase and a frequency that is drawn evenly on a logarithmic
    scale, so that some columns tell near levels apart and others far ones.

    Args:
        count: of levels.
        width: of the embedding.
        deviation: standard deviation of the values.
        seed: of frequencies and phases.
    """
    draws = torch.Generator().manual_seed(seed)
    low, high = math.log(FEWEST_PERIODS), math.log(MOST_PERIODS)
    periods = torch.exp(low + (high - low) * torch.rand(width, generator=draws))
    phases = torch.rand(width, generator=draws)
    levels = torch.arange(count)[:, None] / max(count - 1, 1)
    return deviation * math.sqrt(2) * torch.cos(2 * math.pi * (levels * periods + phases))


@torch.no_grad()
def embed_levels(model: Any, seed: int) -> None:
    """Sets the embeddings of a new ReasoningVLA's trajectory tokens, where their ids are levels, to features of them.

    Independent random rows would have to learn of each level alone what it means; these generalise to its neighbours
    from the first step on (docs/benchmarks.md). Rows of an output layer of its own stay as they are.
    """
    embeddings = model.vlm.get_input_embeddings().weight
    deviation = float(embeddings.std())
    for number, (tokenizer, first) in enumerate(
        (
            (model.traj_tokenizer, model.future_token_start_idx),
            (model.hist_traj_tokenizer, model.hist_token_start_idx),
        )
    ):
        if tokenizer is None or not tokenizer.action_tokenizer.ids_are_levels:
            continue
        rows = level_features(tokenizer.vocab_size, embeddings.shape[1], deviation, seed * 2 + number)
        embeddings[first : first + len(rows)] = rows.to(embeddings)
