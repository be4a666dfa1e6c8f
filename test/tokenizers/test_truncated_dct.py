from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import FASTActionTokenizer, InvalidTokensError, create_tokenizer
from reasoning_vla_ros.tokenizers.factory import create_action_tokenizer

T, D, K = 64, 3, 16


def motions(count: int, seed: int) -> torch.Tensor:
    """Motions that begin at zero and end far from it, mostly gentle and sometimes not, float64 [count, T, D]."""
    rng = np.random.default_rng(seed)
    time = np.arange(1, T + 1)[None, :, None] / T
    size = np.exp(rng.normal(0, 1.5, (count, 1, D)))
    wave = np.sin(2 * np.pi * rng.uniform(0, 2, (count, 1, D)) * time)
    return torch.from_numpy(size * (time**2 + 0.2 * wave))


@pytest.fixture(scope="module")
def fitted() -> FASTActionTokenizer:
    return FASTActionTokenizer(T, D, K).fit(motions(2000, seed=0))


def test_the_names_that_were_asked_for() -> None:
    tokenizer = FASTActionTokenizer(sequence_length=64, action_dim=7, num_frequencies=16)
    actions = 0.8 * np.sin(np.linspace(0, 3, 64))[:, None] * np.linspace(-1, 1, 7)
    ids = tokenizer.encode_sequence(actions)
    assert isinstance(ids, np.ndarray)
    assert ids.shape == (tokenizer.tokens_per_sequence,) == (112,)
    assert tokenizer.get_vocab_size() == tokenizer.vocab_size == 256
    assert tokenizer.num_tokens == 112
    back = tokenizer.decode_sequence(ids)
    assert back.dtype == np.float32
    assert back.shape == (64, 7)
    # Without a fit the scale is that of all actions in [-1, 1]: nothing clips.
    assert np.abs(back - actions).max() < 0.1
    corner = np.where(np.random.default_rng(0).random((64, 7)) < 0.5, -1.0, 1.0)
    assert ((tokenizer.encode_sequence(corner) > 0) & (tokenizer.encode_sequence(corner) < 256)).all()


def test_without_ramps_it_is_the_dct_cut_off() -> None:
    actions = motions(20, seed=1).numpy()
    plain = FASTActionTokenizer(T, D, K, bins=2**20, ramps=0).fit(actions)
    frequencies = scipy.fft.dct(actions, axis=1, norm="ortho")
    frequencies[:, K:] = 0
    expected = scipy.fft.idct(frequencies, axis=1, norm="ortho")
    decoded = plain.decode(plain.encode(torch.from_numpy(actions)), dtype=torch.float64).numpy()
    np.testing.assert_allclose(decoded, expected, atol=1e-3)


def test_held_out_error_and_what_ramps_and_fit_are_for(fitted: FASTActionTokenizer) -> None:
    held_out = motions(500, seed=2)

    def error(tokenizer: FASTActionTokenizer) -> float:
        return float((tokenizer.decode(tokenizer.encode(held_out), dtype=torch.float64) - held_out).abs().mean())

    cut_off = FASTActionTokenizer(T, D, K, bins=2**20).fit(held_out)
    cut_off_plain = FASTActionTokenizer(T, D, K, bins=2**20, ramps=0).fit(held_out)
    assert error(cut_off) < error(cut_off_plain) / 10
    assert error(fitted) < 0.03
    assert error(fitted) < error(FASTActionTokenizer(T, D, K)) / 5


def test_zero_is_exact_and_outliers_are_clamped(fitted: FASTActionTokenizer) -> None:
    zero = torch.zeros(1, T, D)
    assert torch.equal(fitted.decode(fitted.encode(zero)), zero)
    far = fitted.encode(torch.full((1, T, D), 1e30))
    assert far.min() >= 0
    assert far.max() == 255
    assert fitted.decode(far).isfinite().all()


@given(st.lists(st.integers(0, 255), min_size=K * D, max_size=K * D))
@settings(max_examples=30)
def test_every_id_round_trips(fitted: FASTActionTokenizer, ids: list[int]) -> None:
    tokens = torch.tensor([ids])
    assert torch.equal(fitted.encode(fitted.decode(tokens, dtype=torch.float64)), tokens)


@given(st.lists(st.integers(-300, 2**40), min_size=0, max_size=2 * K * D))
@settings(max_examples=30)
def test_decoding_is_total(fitted: FASTActionTokenizer, ids: list[int]) -> None:
    tokens = torch.tensor([ids], dtype=torch.long)
    actions, valid = fitted.decode(tokens, strict=False)
    good = len(ids) == K * D and all(0 <= i < 256 for i in ids)
    assert valid.tolist() == [good]
    assert actions.shape == (1, T, D)
    assert bool(actions.isfinite().all() if good else actions.isnan().all())
    if not good:
        with pytest.raises(InvalidTokensError):
            fitted.decode(tokens)


def test_saved_and_loaded(fitted: FASTActionTokenizer, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path)
    ids = fitted.encode(motions(5, seed=3))
    again = create_action_tokenizer(tmp_path)
    assert isinstance(again, FASTActionTokenizer)
    assert torch.equal(again.encode(motions(5, seed=3)), ids)
    assert torch.equal(again.decode(ids), fitted.decode(ids))
    with pytest.raises(ValueError, match="largest"):
        FASTActionTokenizer(T, D, K + 1).load_state_dict(fitted.state_dict())
    with pytest.raises(ValueError, match="needs the tensors"):
        FASTActionTokenizer(T, D, K).load_state_dict({})


def test_behind_an_action_space(driving) -> None:
    tokenizer = create_tokenizer("pose+truncated_dct", num_frequencies=12)
    assert tokenizer.num_tokens == 36
    data = driving(500, dtype=torch.float64)
    tokenizer.action_tokenizer.fit(tokenizer.action_space.encode(*data))
    xyz, rot, _ = tokenizer.decode(*data[:2], tokenizer.encode(*data))
    assert (xyz - data[2]).norm(dim=-1).mean() < 0.05
    assert (rot - data[3]).abs().mean() < 0.01


@pytest.mark.parametrize(
    "arguments",
    [{"num_frequencies": 65}, {"num_frequencies": 0}, {"bins": 3}, {"ramps": 16}, {"ramps": -1}, {"action_dim": 0}],
)
def test_arguments_that_cannot_be(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must"):
        FASTActionTokenizer(**arguments)


def test_bad_actions_are_refused(fitted: FASTActionTokenizer) -> None:
    bad = torch.zeros(1, T, D)
    bad[0, 3, 1] = torch.inf
    with pytest.raises(ValueError, match=r"finite, got inf at index \[0, 3, 1\]"):
        fitted.encode(bad)
    with pytest.raises(ValueError, match="need 64 steps"):
        fitted.encode(torch.zeros(1, T - 1, D))
    with pytest.raises(ValueError, match="at least one sequence"):
        fitted.fit(torch.zeros(0, T, D))
