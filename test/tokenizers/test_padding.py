from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import ActionTokenizer, InvalidTokensError, TrajectoryTokenizer, valid_tokens
from reasoning_vla_ros.tokenizers.joint_space import JointActionSpace
from reasoning_vla_ros.tokenizers.padding import count_before_padding, pad_rows, unpad_rows

PAD = 9


@given(st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=6), max_size=5))
def test_rows_come_back(rows: list[list[int]]) -> None:
    tokens = pad_rows(rows, PAD)
    assert tokens.dtype == torch.int64
    assert tokens.shape == (len(rows), max(map(len, rows), default=0))
    assert unpad_rows(tokens, PAD) == rows
    assert count_before_padding(tokens, PAD).tolist() == list(map(len, rows))
    assert valid_tokens(tokens, 10, pad_id=PAD).all()


@pytest.mark.parametrize("row", [[1, PAD, 2], [PAD, PAD, PAD], [PAD, 1, 2]])
def test_padding_stands_at_the_end_of_some_ids(row: list[int]) -> None:
    tokens = torch.tensor([[1, 2, 3], row])
    for read in (unpad_rows, lambda tokens, pad_id: valid_tokens(tokens, 10, pad_id=pad_id)):
        with pytest.raises(InvalidTokensError, match=r"only padding \(9\), got \[.*\] at row 1"):
            read(tokens, PAD)
    assert valid_tokens(tokens, 10, pad_id=PAD, strict=False).tolist() == [True, False]


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32])
def test_narrow_integers_are_compared_as_they_are(dtype: torch.dtype) -> None:
    assert valid_tokens(torch.tensor([[100, 5]], dtype=dtype), 3000).tolist() == [True]
    assert valid_tokens(torch.tensor([[100, 5]], dtype=dtype), 3000, pad_id=2148).tolist() == [True]


@pytest.mark.parametrize("pad_id", [256 + 233, 2025])
def test_ids_of_a_narrow_dtype_are_not_taken_for_padding(pad_id: int) -> None:
    """The pad id wraps around to 233 in eight bits."""
    tokens = torch.tensor([[5, pad_id % 256, 6]])
    for dtype in (torch.uint8, torch.int16, torch.int64):
        assert count_before_padding(tokens.to(dtype), pad_id).tolist() == [3]
        assert unpad_rows(tokens.to(dtype), pad_id) == tokens.tolist()


class Counting(ActionTokenizer):
    """As many zeros as the first action says, for rows of different lengths."""

    vocab_size = 2
    pad_id = 1

    def encode(self, actions):
        return pad_rows([[0] * int(row[0, 0]) for row in actions], self.pad_id)

    def decode(self, tokens, strict=True, dtype=torch.float32):
        valid = valid_tokens(tokens, self.vocab_size, pad_id=self.pad_id, strict=strict)
        actions = self.token_counts(tokens).to(dtype)[:, None, None]
        return actions if strict else (torch.where(valid[:, None, None], actions, torch.nan), valid)


def test_a_tokenizer_with_rows_of_different_lengths() -> None:
    tokenizer = TrajectoryTokenizer(JointActionSpace([-1], [1]), Counting())
    joints = torch.tensor([[[3.0]], [[1.0]], [[2.0]]])
    tokens = tokenizer.encode(joints, None, joints, None)
    assert tokens.tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert tokenizer.num_tokens is None
    assert tokenizer.pad_id == 1
    assert tokenizer.action_tokenizer.token_counts(tokens).tolist() == [3, 1, 2]
    assert torch.equal(tokenizer.decode(joints, None, tokens)[0], joints)
    tokens[1] = torch.tensor([1, 0, 0])
    with pytest.raises(InvalidTokensError, match="at row 1"):
        tokenizer.decode(joints, None, tokens)
    xyz, _, _, valid = tokenizer.decode(joints, None, tokens, strict=False)
    assert valid.tolist() == [True, False, True]
    assert xyz[1].isnan().all()


def test_without_padding_every_id_counts() -> None:
    tokenizer = Counting()
    tokenizer.pad_id = None
    assert tokenizer.token_counts(torch.ones(2, 5, dtype=torch.long)).tolist() == [5, 5]
