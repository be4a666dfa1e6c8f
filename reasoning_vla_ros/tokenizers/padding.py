"""Rows of ids of different lengths as one tensor, padded on the right."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch

from reasoning_vla_ros.tokenizers.errors import InvalidTokensError


def pad_rows(rows: Sequence[Sequence[int]], pad_id: int) -> torch.Tensor:
    """Rows of ids as int64 [B, N_max]: each row's ids, then `pad_id`. No rows give [0, 0]."""
    counts = torch.tensor([len(row) for row in rows], dtype=torch.long)
    tokens = torch.full((len(rows), int(counts.max()) if len(rows) else 0), pad_id)
    tokens[torch.arange(tokens.shape[1]) < counts[:, None]] = torch.tensor(
        list(chain.from_iterable(rows)), dtype=torch.long
    )
    return tokens


def count_before_padding(tokens: torch.Tensor, pad_id: int | None) -> torch.Tensor:
    """How many ids stand before the first `pad_id` of each row, int64 [B], of ids [B, N]; N where it is None."""
    if pad_id is None:
        return tokens.new_full((len(tokens),), tokens.shape[1], dtype=torch.long)
    # In a narrow dtype the comparison would wrap the pad id around, onto another id.
    return ((tokens.long() == pad_id).cumsum(1) == 0).sum(1)


def padded_at_end(tokens: torch.Tensor, pad_id: int, strict: bool = False) -> torch.Tensor:
    """Flags [B]: at least one id, and nothing but `pad_id` after the first `pad_id`, of ids [B, N].

    Raises:
        InvalidTokensError: with `strict`, a row that is not so.
    """
    tokens = tokens.long()
    counts = count_before_padding(tokens, pad_id)
    good = (counts > 0) & ((tokens == pad_id).sum(1) == tokens.shape[1] - counts)
    if strict and not bool(good.all()):
        row = int((~good).nonzero()[0])
        raise InvalidTokensError(
            f"a row needs ids, then only padding ({pad_id}), got {tokens[row].tolist()} at row {row}"
        )
    return good


def unpad_rows(tokens: torch.Tensor, pad_id: int) -> list[list[int]]:
    """The rows of ids that `pad_rows` padded to [B, N_max].

    Raises:
        InvalidTokensError: a row without an id, or with ids after its padding.
    """
    padded_at_end(tokens, pad_id, strict=True)
    counts = count_before_padding(tokens, pad_id).tolist()
    return [row[:count] for row, count in zip(tokens.tolist(), counts, strict=True)]
