"""Drawing tokens from logits."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_tokens(
    logits: Tensor,
    temperature: float,
    top_p: float,
    generator: torch.Generator | None,
    top_k: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Draws one token a row: temperature, the top k, then nucleus sampling (arXiv 1904.09751), in Alpamayo's order.

    With the same logits and random state the tokens are those of transformers' sampling.

    Args:
        logits: float [B, V]; tokens at -inf are never drawn.
        temperature: 0 takes the most likely token.
        top_p: the smallest set of tokens whose probability reaches it is kept.
        generator: of the random numbers, on the logits' device; None for PyTorch's own.
        top_k: only so many of the most likely tokens are kept; None or 0 for all.

    Returns:
        int64 [B] tokens, and float32 [B] their log-probability at temperature 1 without the nucleus.
    """
    log_probabilities = logits.float().log_softmax(dim=-1)
    if temperature == 0:
        best = log_probabilities.max(dim=-1)
        return best.indices, best.values
    scores = logits.float() / temperature
    if top_k:
        least = scores.topk(min(top_k, scores.shape[-1]), dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < least, float("-inf"))
    probabilities = scores.softmax(dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        # A token stays while those before it have not reached top_p, so that the first always stays.
        ordered = ordered.masked_fill(ordered.cumsum(dim=-1) - ordered >= top_p, 0.0)
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    tokens = torch.multinomial(probabilities, 1, generator=generator)
    return tokens[:, 0], log_probabilities.gather(-1, tokens)[:, 0]


def median_tokens(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The median of each row's distribution over tokens that stand for ascending levels.

    Of all answers it has the least expected distance to the right level, and it moves smoothly with the logits, where
    the most likely level jumps between neighbours.

    Args:
        logits: float [B, V], in the order of the levels.

    Returns:
        int64 [B] tokens, and float32 [B] their log-probability.
    """
    log_probabilities = logits.float().log_softmax(dim=-1)
    below = log_probabilities.exp().cumsum(dim=-1) < 0.5
    tokens = below.sum(dim=-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
    return tokens[:, 0], log_probabilities.gather(-1, tokens)[:, 0]
