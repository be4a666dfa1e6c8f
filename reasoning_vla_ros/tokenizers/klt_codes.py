"""Ordered codes of component vectors: each round codes what the rounds before it left over, in that row's own scale.

Pure numpy: a round is a few small matrix products, and for single rows numpy's calls are several times as quick as
torch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# With fewer, a code follows its samples instead of what they were drawn from: at 8 a code, drives that were not in the
# fit had 2.3 times the error of those that were; at 40, 1.1 times.
SAMPLES_PER_CODE = 40

# Rows whose scores fit the cache.
_ROWS = 512


@dataclass(frozen=True)
class Round:
    """Codebooks that are searched side by side, because they code different components.

    Attributes:
        components: [G, n], which of the C components each of the G books codes; C stands for none.
        codes: [G, K, n], in units of the row's scale.
        scales: [G, K, C], what a choice tells about the size of what it leaves over, as factors of the row's scale.
    """

    components: Ints
    codes: Floats
    scales: Floats

    @property
    def books(self) -> int:
        return self.codes.shape[0]

    @property
    def book_size(self) -> int:
        return self.codes.shape[1]

    def search(self, residual: Floats, scale: Floats) -> Ints:
        """The code [B, G] of each book that leaves least of residual * scale; both [B, C + 1], the last column zero."""
        weight = scale[:, self.components] ** 2
        rows = np.concatenate([weight * residual[:, self.components], weight], -1).swapaxes(0, 1)
        return (rows @ self._search_matrix()).argmax(-1).T

    def _search_matrix(self) -> Floats:
        """[G, 2 n, K]: with (w r, w) it gives sum w (r c - c^2 / 2), greatest where sum w (r - c)^2 is least."""
        cached: Floats | None = self.__dict__.get("_matrix")
        if cached is None:
            both = np.concatenate([self.codes, -0.5 * self.codes**2], -1)
            cached = np.ascontiguousarray(both.swapaxes(1, 2))
            self.__dict__["_matrix"] = cached
        return cached

    def chosen(self, indices: Ints) -> tuple[Floats, Floats]:
        """The codes [B, G, n] and the product of the scales [B, C] of indices [B, G]."""
        books = np.arange(self.books)
        scales = self.scales[books, indices]
        return self.codes[books, indices], scales[:, 0] if self.books == 1 else scales.prod(1)


def encode(rounds: Sequence[Round], spread: Floats, components: Floats) -> Ints:
    """Indices [B, sum of G] of component vectors [B, C]; `spread` [C] is the first scale."""
    chunks = [_encode(rounds, spread, components[start : start + _ROWS]) for start in range(0, len(components), _ROWS)]
    return np.concatenate(chunks) if chunks else np.zeros((0, sum(r.books for r in rounds)), np.int64)


def _encode(rounds: Sequence[Round], spread: Floats, components: Floats) -> Ints:
    scale = _with_zero(np.broadcast_to(spread, components.shape))
    residual = _with_zero(components / spread)
    found = []
    for position, one in enumerate(rounds):
        indices = one.search(residual, scale)
        found.append(indices)
        if position + 1 < len(rounds):
            codes, factors = one.chosen(indices)
            leave(one, residual, scale, codes, factors)
    return np.concatenate(found, 1)


def leave(one: Round, residual: Floats, scale: Floats, codes: Floats, factors: Floats) -> None:
    """Turns residual and scale [B, C + 1] into what a round leaves over, in place."""
    residual[:, one.components] -= codes
    residual[:, :-1] /= factors
    residual[:, -1] = 0
    scale[:, :-1] *= factors


def decode(rounds: Sequence[Round], spread: Floats, indices: Ints, counts: Ints | None = None) -> Floats:
    """Component vectors [B, C] of indices [B, sum of G]; of the first `counts` [B] indices only, where given."""
    scale = np.broadcast_to(spread, (len(indices), len(spread)))
    total = np.zeros((len(indices), len(spread) + 1), np.float32)
    start = 0
    for one in rounds:
        part = indices[:, start : start + one.books]
        codes, factors = one.chosen(part)
        padded = _with_zero(scale)
        values = codes * padded[:, one.components]
        if counts is not None:
            values = np.where((np.arange(start, start + one.books) < counts[:, None])[..., None], values, 0)
        total[:, one.components] += values
        scale = scale * factors
        start += one.books
    return total[:, :-1]


def _with_zero(values: Floats) -> Floats:
    padded = np.zeros((values.shape[0], values.shape[1] + 1), np.float32)
    padded[:, :-1] = values
    return padded


def book_sizes(ids: int, samples: int, fewest: int = 1) -> list[int]:
    """Sizes of the books whose indices make one token: one book of all ids where there are samples enough to fill it,
    else the fewest equal ones whose product still fits, at least `fewest`."""
    for books in range(fewest, 6):
        size = math.floor(ids ** (1 / books) + 1e-9)
        if size * SAMPLES_PER_CODE <= samples:
            break
    return [size] * books


def to_tokens(indices: Ints, sizes: Sequence[Sequence[int]]) -> Ints:
    """Tokens [B, N] of indices [B, sum of books]; `sizes` has the sizes of each token's books, the first leading."""
    tokens, start = [], 0
    for token_sizes in sizes:
        token = np.zeros(len(indices), np.int64)
        for offset, size in enumerate(token_sizes):
            token = token * size + indices[:, start + offset]
        tokens.append(token)
        start += len(token_sizes)
    return np.stack(tokens, 1)


def from_tokens(tokens: Ints, sizes: Sequence[Sequence[int]]) -> Ints:
    """Indices [B, sum of books] of tokens [B, N] that `to_tokens` gave."""
    columns: list[Ints] = []
    for column, token_sizes in zip(tokens.T, sizes, strict=True):
        rest, found = column, []
        for size in reversed(token_sizes):
            found.append(rest % size)
            rest = rest // size
        columns += reversed(found)
    return np.stack(columns, 1)
