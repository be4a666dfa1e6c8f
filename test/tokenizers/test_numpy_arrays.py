"""Numpy in, numpy out, for every tokenizer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from reasoning_vla_ros.tokenizers import InvalidTokensError, UniformActionTokenizer, create_tokenizer

Driving = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]


class Shifted(UniformActionTokenizer):
    """A subclass that knows nothing of numpy."""

    def encode(self, actions):
        assert isinstance(actions, torch.Tensor)
        return super().encode(actions - 1)

    def decode(self, tokens, strict=True, dtype=torch.float32):
        assert isinstance(tokens, torch.Tensor)
        decoded = super().decode(tokens, strict=strict, dtype=dtype)
        return decoded + 1 if strict else (decoded[0] + 1, decoded[1])


@pytest.mark.parametrize("cls", [UniformActionTokenizer, Shifted])
def test_the_same_as_with_tensors(cls: type[UniformActionTokenizer]) -> None:
    actions = np.random.default_rng(0).uniform(-2, 3, (3, 4, 2)).astype(np.float32)
    tokenizer = cls(2).fit(actions)
    assert tokenizer.action_range == cls(2).fit(torch.tensor(actions)).action_range
    tokens = tokenizer.encode(actions)
    assert isinstance(tokens, np.ndarray)
    assert tokens.dtype == np.int64
    np.testing.assert_array_equal(tokens, tokenizer.encode(torch.tensor(actions)).numpy())
    decoded = tokenizer.decode(tokens)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, tokenizer.decode(torch.tensor(tokens)).numpy())
    assert tokenizer.decode(tokens, dtype=torch.float64).dtype == np.float64
    tokens[1, 0] = 256
    lenient, valid = tokenizer.decode(tokens=tokens, strict=False)
    assert valid.tolist() == [True, False, True]
    assert np.isnan(lenient[1]).all()
    assert isinstance(tokenizer.token_counts(tokens), np.ndarray)
    with pytest.raises(InvalidTokensError, match="got 256 at row 1"):
        tokenizer.decode(tokens)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "u8", "<i4", ">i8"])
def test_any_integers(dtype: str) -> None:
    tokenizer = UniformActionTokenizer(2, 3000)
    tokens = np.array([[100, 5]], dtype)
    tokens.flags.writeable = False
    np.testing.assert_array_equal(tokenizer.decode(tokens), tokenizer.decode(tokens.astype(np.int64)))
    np.testing.assert_array_equal(tokenizer.decode(tokens[:, ::-1])[..., ::-1], tokenizer.decode(tokens))


def test_too_large_for_any_id() -> None:
    with pytest.raises(InvalidTokensError, match="got -1 "):
        UniformActionTokenizer(1).decode(np.array([[2**64 - 1]], np.uint64))


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
def test_whole_tokenizers(spec: str, driving: Driving) -> None:
    tokenizer, data = create_tokenizer(spec), driving(3)
    arrays = tuple(tensor.numpy() for tensor in data)
    tokens = tokenizer.encode(*arrays)
    np.testing.assert_array_equal(tokens, tokenizer.encode(*data).numpy())
    xyz, rot, nothing = tokenizer.decode(*arrays[:2], tokens)
    assert nothing is None
    for array, tensor in zip((xyz, rot), tokenizer.decode(*data[:2], torch.tensor(tokens)), strict=False):
        np.testing.assert_array_equal(array, tensor.numpy())
    assert isinstance(tokenizer.decode(*arrays[:2], tokens, strict=False)[3], np.ndarray)
