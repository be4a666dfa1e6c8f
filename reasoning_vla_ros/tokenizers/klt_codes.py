"""Ordered codes of component vectors: each round codes what the rounds before it left over, in that row's own scale.

In numpy: a round is a few small products and table look-ups, and for single rows numpy's calls are several times as
quick as torch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# With fewer, a code follows its samples instead of what they were drawn from: 16,000 drives are 8 for each of 2047
# codes, and then 8 tokens err by 4.8 cm on other drives; with pairs of 45 codes, by 1.7 cm.
SAMPLES_PER_CODE = 40

# As long as a round makes one token, so that eight tokens get the best of their starts: 14 % off the error at 8 tokens,
# 10 % at 32, where following them to the end takes off 16 %, and takes twice as long.
TRIAL_ROUNDS = 8

# Rows whose look-ups fit the cache.
_ROWS = 1024
# Rows whose scores for all ids do.
_WIDE_ROWS = 64
# Rows for which the number of calls counts, not what they do.
_FEW = 16


def product(left: Floats, right: Floats) -> Floats:
    """left @ right, with as many threads as the application allows PyTorch: numpy would take all cores, and wait for
    them where they are busy."""
    return np.asarray((torch.from_numpy(left) @ torch.from_numpy(right)).numpy())


@dataclass(frozen=True)
class Round:
    """Codebooks that are searched side by side, because they code different components.

    Attributes:
        components: [G, n], which of the C components each of the G books codes; C stands for none.
        codes: [G, K, n], in units of the row's scale; zero where the component is none.
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


class Step:
    """A round as tables, over some of the components.

    A row is a residual and a scale [U] each: the residual in units of the scale, whose square is what an error there
    costs.

    Args:
        one: the round.
        used: [U] rising; the components that rows hold, the round's own among them.
    """

    def __init__(self, one: Round, used: Ints) -> None:
        place = np.zeros(one.scales.shape[2] + 1, np.int64)
        place[used] = np.arange(len(used))
        # Where there is no component any one does: its codes are zero.
        own = place[one.components]
        self.books, self.book_size = one.books, one.book_size
        self.first = np.arange(one.books) * one.book_size
        self._take = own.ravel()
        self._shape = own.shape
        codes = np.zeros((one.books, one.book_size, len(used)), np.float32)
        for book, column in np.argwhere(one.components < len(place) - 1):
            codes[book, :, own[book, column]] = one.codes[book, :, column]
        scales = one.scales[:, :, used]
        self._codes = codes.reshape(-1, len(used))
        self._scales = np.ascontiguousarray(scales.reshape(-1, len(used)))
        # With (w r, w) it gives sum w (r c - c^2 / 2), greatest where sum w (r - c)^2 is least.
        both = np.concatenate([one.codes, -0.5 * one.codes**2], -1)
        self._matrix = torch.from_numpy(np.ascontiguousarray(both.swapaxes(1, 2)))

    def search(self, residual: Floats, scale: Floats) -> Ints:
        """The code of each book [B, G] that leaves least of rows [B, U]; codes are counted through all books."""
        if self.books == 1:
            return self._search_wide(residual, scale, 1)
        best: Ints = self._scores(self._features(residual, scale)).argmax(-1)
        return best.T + self.first

    def search_several(self, residual: Floats, scale: Floats, count: int) -> Ints:
        """As `search`, but `count` times [B * count, G]: with each of the best codes of the first book."""
        if self.books == 1:
            return self._search_wide(residual, scale, count).reshape(-1, 1)
        scores = self._scores(self._features(residual, scale))
        codes = np.repeat(scores.argmax(-1).T + self.first, count, 0)
        codes[:, 0] = _greatest(scores[0], count).ravel()
        return codes

    def _search_wide(self, residual: Floats, scale: Floats, count: int) -> Ints:
        """The best codes [B, count] of the only book."""
        rows, matrix = torch.from_numpy(self._features(residual, scale)[:, 0]), self._matrix[0]
        parts = rows.split(_WIDE_ROWS) if len(rows) > _WIDE_ROWS else (rows,)
        found = [_greatest(torch.mm(part, matrix).numpy(), count) for part in parts]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _features(self, residual: Floats, scale: Floats) -> Floats:
        """Rows [B, G, 2 n]: w r and w of each book's components, with w = scale^2."""
        weight = scale.take(self._take, 1)
        weight *= weight
        books, width = self._shape
        rows = np.empty((len(scale), books, 2 * width), np.float32)
        rows[..., width:] = weight.reshape(-1, books, width)
        weight *= residual.take(self._take, 1)
        rows[..., :width] = weight.reshape(-1, books, width)
        return rows

    def _scores(self, rows: Floats) -> Floats:
        """[G, B, K], greatest for the best code."""
        return np.asarray(torch.bmm(torch.from_numpy(rows).transpose(0, 1), self._matrix).numpy())

    def leave(self, residual: Floats, scale: Floats, codes: Ints) -> tuple[Floats, Floats]:
        """Residual and scale of what codes [B, G] leave over."""
        taken, factors = self._chosen(codes)
        left = np.subtract(residual, taken, out=taken)
        left /= factors
        factors *= scale
        return left, factors

    def add(self, total: Floats, scale: Floats, codes: Ints, present: NDArray[np.bool_] | None) -> Floats:
        """Adds what codes [B, G] stand for to totals [B, U], in place; gives the scale [B, U] for the next round.

        Args:
            total: [B, U].
            scale: [B, U].
            codes: [B, G].
            present: [B, G], which of the codes count; all, where None.
        """
        values, factors = self._chosen(codes, present)
        values *= scale
        total += values
        factors *= scale
        return factors

    def _chosen(self, codes: Ints, present: NDArray[np.bool_] | None = None) -> tuple[Floats, Floats]:
        """The sum of codes [B, G], which have no component in common, and the product of their scales, both [B, U]."""
        if present is not None or (len(codes) < _FEW and self.books > 2):
            values = self._codes.take(codes, 0)
            if present is not None:
                values *= present[..., None]
            return np.add.reduce(values, 1), np.multiply.reduce(self._scales.take(codes, 0), 1)
        # The same, without what lies between; several times as quick.
        values, scales = self._codes.take(codes[:, 0], 0), self._scales.take(codes[:, 0], 0)
        for book in range(1, self.books):
            values += self._codes.take(codes[:, book], 0)
            scales *= self._scales.take(codes[:, book], 0)
        return values, scales


def _greatest(scores: Floats, count: int) -> Ints:
    """Where the `count` greatest of scores [B, K] are, [B, count], the greatest first; spoils the scores.

    Taking the greatest, and the greatest of what is left, is several times as quick as a partial sort.
    """
    if count == 1:
        return scores.argmax(1)[:, None]
    found = np.empty((len(scores), count), np.int64)
    rows = np.arange(len(scores))
    for place in range(count):
        found[:, place] = best = scores.argmax(1)
        if place + 1 < count:
            scores[rows, best] = -np.inf
    return found


class Codec:
    """The code of some first rounds.

    Args:
        rounds: at least one.
        spread: [C], the first scale.

    Attributes:
        used: [U], the components that the rounds code.
    """

    def __init__(self, rounds: Sequence[Round], spread: Floats) -> None:
        every = np.unique(np.concatenate([one.components.ravel() for one in rounds]))
        self.used = every[every < len(spread)]
        self.steps = [Step(one, self.used) for one in rounds]
        self._spread = spread[self.used]
        self._ends = np.cumsum([step.books for step in self.steps]).tolist()
        self._firsts = np.concatenate([step.first for step in self.steps])

    def encode(self, components: Floats, starts: int = 1) -> tuple[Ints, Floats]:
        """Indices [B, sum of G] of used components [B, U], and what they leave over of them [B, U].

        Args:
            components: [B, U].
            starts: how many first codes are followed for some rounds, to keep the one that leaves least; 1 is greedy.
        """
        size = max(_ROWS // starts, 1)
        parts = [self._encode(components[at : at + size], starts) for at in range(0, len(components), size)]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return np.zeros((0, self._ends[-1]), np.int64), components
        return np.concatenate([codes for codes, _ in parts]), np.concatenate([left for _, left in parts])

    @np.errstate(over="ignore", invalid="ignore")
    def _encode(self, components: Floats, starts: int) -> tuple[Ints, Floats]:
        starts = min(starts, self.steps[0].book_size)
        residual = components / self._spread
        scale = np.broadcast_to(self._spread, residual.shape)
        found: list[Ints] = []
        for position, step in enumerate(self.steps):
            if position == 0 and starts > 1:
                codes = step.search_several(residual, scale, starts)
                residual, scale = np.repeat(residual, starts, 0), np.repeat(scale, starts, 0)
            else:
                codes = step.search(residual, scale)
            found.append(codes)
            residual, scale = step.leave(residual, scale, codes)
            if starts > 1 and position + 1 == min(TRIAL_ROUNDS, len(self.steps)):
                error = ((residual * scale) ** 2).sum(1).reshape(-1, starts)
                best = np.arange(len(error)) * starts + error.argmin(1)
                residual, scale = residual[best], scale[best]
                found = [codes[best] for codes in found]
        return np.concatenate(found, 1) - self._firsts, residual * scale

    def decode(self, indices: Ints, counts: Ints | None = None) -> Floats:
        """Used components [B, U] of indices [B, sum of G]; of each row's first `counts` indices only, where given."""
        total = np.zeros((len(indices), len(self.used)), np.float32)
        codes = indices + self._firsts
        for at in range(0, len(indices), _ROWS):
            rows = slice(at, at + _ROWS)
            scale = self._spread
            begin = 0
            for step, end in zip(self.steps, self._ends, strict=True):
                present = None if counts is None else np.arange(begin, end) < counts[rows, None]
                scale = step.add(total[rows], scale, codes[rows, begin:end], present)
                begin = end
        return total


def book_sizes(ids: int, samples: int, fewest: int = 1) -> list[int]:
    """Sizes of the books whose indices make one token: one book of all ids where there are samples enough to fill it,
    else the fewest equal ones whose product still fits, at least `fewest`."""
    for books in range(fewest, 6):
        size = math.floor(ids ** (1 / books) + 1e-9)
        if size * SAMPLES_PER_CODE <= samples:
            break
    return [size] * books


class Packing:
    """Indices of codebooks as tokens: each token is a number whose digits are the indices of its books.

    Args:
        sizes: the sizes of each token's books, the first leading.
    """

    def __init__(self, sizes: Sequence[Sequence[int]]) -> None:
        self.ids = np.array([math.prod(token) for token in sizes])
        # The number of books of the first n tokens, for n = 0..N.
        self.books = np.cumsum([0, *(len(token) for token in sizes)])
        self._sizes = np.array([size for token in sizes for size in token])
        self._place = np.array([math.prod(token[at + 1 :]) for token in sizes for at in range(len(token))])
        self._owner = np.repeat(np.arange(len(sizes)), [len(token) for token in sizes])

    def pack(self, indices: Ints) -> Ints:
        """Tokens [B, N] of indices [B, sum of books]."""
        return np.add.reduceat(indices * self._place, self.books[:-1], axis=1)

    def unpack(self, tokens: Ints) -> Ints:
        """Indices [B, sum of books] of tokens [B, N] that `pack` gave."""
        return tokens[:, self._owner] // self._place % self._sizes
