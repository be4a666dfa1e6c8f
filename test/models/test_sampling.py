"""Drawing tokens."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.models.sampling import median_tokens, sample_tokens

INF = float("inf")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_zero_temperature_takes_the_best() -> None:
    tokens, log_probabilities = sample_tokens(torch.tensor([[0.0, 2.0, 1.0]]), 0.0, 0.9, None)
    assert tokens.tolist() == [1]
    assert math.isclose(log_probabilities.item(), 2 - math.log(1 + math.e**2 + math.e), abs_tol=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    logits=st.lists(st.floats(-5, 5), min_size=4, max_size=12),
    temperature=st.floats(0.1, 3),
    top_p=st.floats(0.05, 1),
    seed=st.integers(0, 2**32),
)
def test_only_the_nucleus_is_drawn(logits: list[float], temperature: float, top_p: float, seed: int) -> None:
    row = torch.tensor(logits)
    probabilities = (row / temperature).softmax(-1)
    tokens, _ = sample_tokens(row.expand(64, -1), temperature, top_p, generator(seed))
    for token in set(tokens.tolist()):
        more_likely = probabilities[probabilities > probabilities[token] + 1e-6].sum()
        assert more_likely < top_p + 1e-5


def test_barred_tokens_are_never_drawn() -> None:
    logits = torch.zeros(1000, 4)
    logits[:, 2] = -INF
    tokens, _ = sample_tokens(logits, 1.0, 1.0, generator())
    assert set(tokens.tolist()) == {0, 1, 3}


def test_frequencies_follow_the_temperature() -> None:
    logits = torch.tensor([0.0, 1.0]).expand(20000, -1)
    for temperature in (0.5, 1.0, 2.0):
        tokens, _ = sample_tokens(logits, temperature, 1.0, generator(1))
        expected = 1 / (1 + math.exp(-1 / temperature))
        # Four standard deviations of a binomial of 20000.
        assert abs(tokens.float().mean().item() - expected) < 4 * math.sqrt(0.25 / 20000)


def test_the_median_has_half_of_the_probability_to_either_side() -> None:
    probabilities = torch.tensor([[0.3, 0.0, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0], [0.6, 0.1, 0.1, 0.2]])
    tokens, log_probabilities = median_tokens(probabilities.log())
    assert tokens.tolist() == [2, 1, 0]
    assert torch.allclose(log_probabilities.exp(), torch.tensor([0.3, 1.0, 0.6]))
    # Rounding may leave the sum below a half before the last one.
    assert int(median_tokens(torch.tensor([[-INF, -INF, 0.0]]))[0]) == 2
