from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasoning_vla_ros.tokenizers import InvalidTokensError, UniformActionTokenizer

RANGES = [(-4.0, 4.0), (0.0, 1.0), (-10.0, 30.0)]


@given(arrays(np.float64, (2, 5, 3), elements=st.floats(0, 1)), st.integers(2, 4000))
def test_half_a_bin_bounds_the_error(shares: np.ndarray, bins: int) -> None:
    low, high = (torch.tensor(end, dtype=torch.float64) for end in zip(*RANGES, strict=True))
    actions = low + torch.tensor(shares) * (high - low)
    tokenizer = UniformActionTokenizer(3, bins, RANGES)
    ids = tokenizer.encode(actions)
    assert ids.dtype == torch.int64
    assert ids.shape == (2, 15)
    decoded = tokenizer.decode(ids, dtype=torch.float64)
    half = (high - low) / (bins - 1) / 2
    assert ((decoded - actions).abs() <= half * (1 + 1e-9)).all()
    assert torch.equal(tokenizer.encode(decoded), ids)


@given(st.lists(st.integers(0, 255), min_size=7, max_size=7))
def test_every_id_round_trips(ids: list[int]) -> None:
    tokenizer = UniformActionTokenizer()
    tokens = torch.tensor([ids])
    assert torch.equal(tokenizer.encode(tokenizer.decode(tokens)), tokens)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_the_names_that_were_asked_for(kind: type) -> None:
    tokenizer = UniformActionTokenizer(action_dims=7, bins_per_dim=256, action_range=(-1, 1))
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 7)).astype(np.float32)
    ids = tokenizer.tokenize(kind(actions))
    back = tokenizer.detokenize(ids)
    assert type(ids) is type(back) is type(kind(actions))
    assert tuple(ids.shape) == (35,)
    assert tuple(back.shape) == (5, 7)
    np.testing.assert_allclose(np.asarray(back), actions, atol=1 / 255 + 1e-6)
    assert tokenizer.get_vocab_size() == tokenizer.vocab_size == 256
    assert tokenizer.num_tokens is None
    assert tokenizer.num_tokens_for(5) == 35


def test_ties_go_to_even_and_the_far_out_is_clamped() -> None:
    tokenizer = UniformActionTokenizer(1, 9, (-4, 4))
    actions = torch.tensor([[[0.5], [1.5], [2.5], [-3.5], [9.0], [-9.0], [1e30], [-1e30]]])
    assert tokenizer.encode(actions).tolist() == [[4, 6, 6, 0, 8, 0, 8, 0]]


def test_zero_is_exact_with_an_odd_number_of_bins_only() -> None:
    zero = torch.zeros(1, 1, 1)
    odd, even = UniformActionTokenizer(1, 255), UniformActionTokenizer(1, 256)
    assert float(odd.decode(odd.encode(zero))) == 0
    assert float(even.decode(even.encode(zero))) != 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    actions = torch.zeros(2, 3, 7)
    actions[1, 2, 3] = bad
    with pytest.raises(ValueError, match=rf"actions must be finite, got {bad} at index \[1, 2, 3\]"):
        UniformActionTokenizer().encode(actions)
    with pytest.raises(ValueError, match="finite"):
        UniformActionTokenizer().fit(actions)


@pytest.mark.parametrize("shape", [(2, 7), (2, 3, 6), (2, 0, 7), (1, 2, 3, 7)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"actions need the shape \[B, T >= 1, 7\]"):
        UniformActionTokenizer().encode(torch.zeros(shape))


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.tensor([[0, 256]]), r"lie in 0\.\.255, got 256 at row 0, column 1"),
        (torch.tensor([[0, 1], [-1, 2]]), "got -1 at row 1, column 0"),
        (torch.tensor([[0, 1, 2]]), "positive multiple of 2 token ids, got 3"),
        (torch.zeros(1, 0, dtype=torch.long), "got 0"),
        (torch.zeros(1, 2), r"integers \[B, N\], got torch\.float32"),
        (torch.zeros(1, 2, dtype=torch.bool), "got torch.bool"),
        (torch.zeros(2, dtype=torch.long), r"got torch\.int64 \[2\]"),
    ],
)
def test_ids_that_no_encoder_produces(tokens: torch.Tensor, message: str) -> None:
    with pytest.raises(InvalidTokensError, match=message):
        UniformActionTokenizer(2).decode(tokens)


def test_leniently_bad_rows_hold_nan_and_good_rows_their_values() -> None:
    tokenizer = UniformActionTokenizer(2)
    actions, valid = tokenizer.decode(torch.tensor([[0, 255], [0, 999]]), strict=False)
    assert valid.tolist() == [True, False]
    assert actions[0].tolist() == [[-1, 1]]
    assert actions[1].isnan().all()
    for count in (1, 3):
        actions, valid = tokenizer.decode(torch.zeros(4, count, dtype=torch.long), strict=False)
        assert actions.shape == (4, 1, 2)
        assert actions.isnan().all()
        assert not valid.any()


def test_fit_takes_the_range_of_each_dimension_and_keeps_constants_exact() -> None:
    actions = torch.rand(50, 4, 3) * torch.tensor([2.0, 20.0, 0.0]) + torch.tensor([0.0, 5.0, 7.0])
    tokenizer = UniformActionTokenizer(3).fit(actions)
    decoded = tokenizer.decode(tokenizer.encode(actions))
    assert (decoded - actions).abs().amax((0, 1)).tolist() <= [2 / 255, 20 / 255, 0.0]
    middle = UniformActionTokenizer(3).fit(actions, lower_quantile=0.25, upper_quantile=0.75)
    assert middle.action_range[0][0] > tokenizer.action_range[0][0]
    with pytest.raises(ValueError, match="at least one action"):
        tokenizer.fit(torch.zeros(0, 4, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action_dims": 0}, "action_dims must be at least 1, got 0"),
        ({"bins_per_dim": 1}, "bins_per_dim must be at least 2, got 1"),
        ({"action_range": (1, 1)}, r"low < high, got \(1\.0, 1\.0\)"),
        ({"action_range": (0, math.inf)}, "finite"),
        ({"action_range": [(0, 1)]}, "needs 7 .* pairs, got 1"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UniformActionTokenizer(**arguments)


def test_no_rows_give_no_rows() -> None:
    tokenizer = UniformActionTokenizer()
    ids = tokenizer.encode(torch.zeros(0, 4, 7))
    assert ids.shape == (0, 28)
    assert tokenizer.decode(ids).shape == (0, 4, 7)
