from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasoning_vla_ros.tokenizers import InvalidTokensError, UniformActionTokenizer, create_tokenizer

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
        ({"binning": "log"}, r"binning must be one of \['range', .*'equal_mass'\], got 'log'"),
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


@pytest.mark.parametrize(
    ("binning", "low", "high"), [("range", 0.0, 100.0), ("quantile", 1.0, 99.0), ("meanstd", 50 - 87.46, 50 + 87.46)]
)
def test_where_the_range_comes_from(binning: str, low: float, high: float) -> None:
    tokenizer = UniformActionTokenizer(1, binning=binning).fit(torch.arange(101.0)[:, None, None])
    assert tokenizer.action_range[0] == pytest.approx((low, high), abs=0.01)
    assert tokenizer.state_dict() == {}


def test_bins_of_equal_mass_are_as_likely_and_fine_where_the_data_is(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    actions = torch.randn(4000, 5, 2, generator=generator) ** 3 * torch.tensor([1.0, 10.0])
    even = UniformActionTokenizer(2, 64).fit(actions)
    fitted = UniformActionTokenizer(2, 64, binning="equal_mass").fit(actions)
    ids = fitted.encode(actions)
    masses = torch.bincount(ids[:, 0::2].flatten(), minlength=64) / (4000 * 5)
    assert masses[1:-1].max() < 2 / 64
    assert masses[1:-1].min() > 0.5 / 64
    error = (fitted.decode(ids) - actions).abs()
    assert error.median() < 0.1 * (even.decode(even.encode(actions)) - actions).abs().median()
    levels = fitted.state_dict()["levels"]
    half_gaps = levels.diff(dim=1).amax(1) / 2
    assert (error.amax((0, 1)) <= half_gaps + 1e-4).all()
    every = torch.arange(64).repeat_interleave(2)[None]
    assert torch.equal(fitted.encode(fitted.decode(every, dtype=torch.float64)), every)
    fitted.save_pretrained(tmp_path)
    loaded = UniformActionTokenizer.from_pretrained(tmp_path)
    assert torch.equal(loaded.encode(actions), ids)
    assert torch.equal(loaded.decode(ids), fitted.decode(ids))
    assert loaded.get_config() == fitted.get_config()
    with pytest.raises(ValueError, match=r"levels need the shape \[2, 64\], got \{'levels': \[2, 3\]\}"):
        loaded.load_state_dict({"levels": torch.zeros(2, 3)})


def test_values_that_repeat_keep_their_level() -> None:
    actions = torch.cat([torch.zeros(90), torch.arange(1.0, 11)])[:, None, None]
    tokenizer = UniformActionTokenizer(1, 21, binning="equal_mass").fit(actions)
    assert tokenizer.decode(tokenizer.encode(torch.zeros(1, 1, 1))).tolist() == [[[0.0]]]


@given(
    arrays(np.float64, (2, 20, 2), elements=st.floats(-1.5, 1.5)), st.integers(2, 300), st.sampled_from([True, False])
)
def test_in_a_closed_loop_errors_do_not_add_up(steps: np.ndarray, bins: int, outside: bool) -> None:
    actions = torch.from_numpy(steps if outside else steps / 1.5)
    tokenizer = UniformActionTokenizer(2, bins, [(-1, 1), (-2, 1)], closed_loop=True)
    ids = tokenizer.encode(actions)
    decoded = tokenizer.decode(ids, dtype=torch.float64)
    width = torch.tensor([2.0, 3.0], dtype=torch.float64) / (bins - 1)
    error = torch.zeros(2, 2, dtype=torch.float64)
    for t in range(20):
        wanted = actions[:, t] + error
        reachable = torch.stack([wanted[:, 0].clamp(-1, 1), wanted[:, 1].clamp(-2, 1)], -1)
        assert ((decoded[:, t] - reachable).abs() <= width / 2 + 1e-9).all()
        error = wanted - decoded[:, t]
    if not outside:
        assert (error.abs() <= width / 2 + 1e-9).all()


@pytest.mark.parametrize("huge", [1e30, 1e308])
def test_a_closed_loop_survives_the_far_out(huge: float) -> None:
    actions = torch.full((1, 3, 1), huge, dtype=torch.float64)
    assert UniformActionTokenizer(1, 5, closed_loop=True).encode(actions).tolist() == [[4, 4, 4]]
    assert UniformActionTokenizer(1, 5, closed_loop=True).encode(-actions).tolist() == [[0, 0, 0]]


def test_in_a_closed_loop_bins_of_equal_mass_follow_too() -> None:
    steps = torch.rand(50, 30, 1, generator=torch.Generator().manual_seed(0)) ** 2
    tokenizer = UniformActionTokenizer(1, 9, binning="equal_mass", closed_loop=True).fit(steps)
    drift = (tokenizer.decode(tokenizer.encode(steps)) - steps).cumsum(1).abs()
    gap = tokenizer.state_dict()["levels"].diff().max()
    assert drift.max() <= gap / 2 + 1e-5


def test_delta_tokens_in_a_closed_loop_are_alpamayos_and_stay_on_the_path(driving: Callable) -> None:
    data = driving(200)
    plain, closed = create_tokenizer("delta_xyz+uniform"), create_tokenizer("delta_xyz+uniform", closed_loop=True)
    ids = closed.encode(*data)
    xyz, rot, _ = plain.decode(*data[:2], ids)
    across = (xyz - data[2])[..., :2].norm(dim=-1)
    assert across.max() <= math.hypot(4 / 999, 4 / 999) + 1e-4
    assert across.mean() <= 0.0035
    assert (plain.decode(*data[:2], plain.encode(*data))[0] - data[2])[..., :2].norm(dim=-1).mean() > 0.01
    turned = torch.einsum("...ji,...jk->...ik", rot, data[3])
    assert torch.atan2(turned[..., 1, 0], turned[..., 0, 0]).abs().mean() <= 0.002


def test_a_parked_car_ends_where_it_stands(driving: Callable) -> None:
    history = driving(1)[:2]
    parked = torch.zeros(1, 64, 3), torch.eye(3).expand(1, 64, 3, 3)
    tokenizer = create_tokenizer("delta_xyz+uniform", closed_loop=True)
    xyz = tokenizer.decode(*history, tokenizer.encode(*history, *parked))[0]
    assert xyz[0, -1].abs().max() < 1e-5
    assert xyz[..., :2].abs().max() < 4.01e-3
