"""Rows of small integers as text such as "128 91 241 5", and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers.errors import InvalidTokensError

Ids = NDArray[np.int64]
CHUNK = 1024  # rows at a time, so that what lies between stays in the cache


class NumberTexts:
    """Writes and reads rows of integers 0..size-1: decimal digits without leading zeros, one space between two.

    Reading is strict: a text is well-formed when writing its numbers gives that very text again.

    Args:
        size: number of integers.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._index = {str(i): i for i in range(size)}
        self._width = len(str(size - 1))
        # Fixed-width bytes, filled with NUL: a row is gathered from them, and the NULs are dropped.
        self._inner = np.array([f"{i} " for i in range(size)], dtype=bytes)
        self._last = np.array([f"{i}\n" for i in range(size)], dtype=bytes)

    def write(self, ids: Ids) -> list[str]:
        """The texts of ids [B, N], N >= 1."""
        chunks = (self._lines(ids[i : i + CHUNK]) for i in range(0, len(ids), CHUNK))
        return [text for lines in chunks for text in lines.decode("ascii").split("\n")[:-1]]

    def read(self, texts: Sequence[str], count: int | None, multiple_of: int, strict: bool) -> tuple[Ids, NDArray]:
        """Ids [B, N] of texts and flags [B] that they are well-formed; ids of others are zeros.

        Args:
            texts: B of them.
            count: N; where it is None, the first well-formed text decides.
            multiple_of: N must be a positive multiple of it.
            strict: raise for a text that is not well-formed.

        Raises:
            InvalidTokensError: with `strict`, with the text's index and the piece that is wrong.
        """
        if count is None:
            count = self._first_count(texts, multiple_of, strict)
        ids, valid = np.zeros((len(texts), count), np.int64), np.ones(len(texts), bool)
        for begin in range(0, len(texts), CHUNK):
            rows = slice(begin, begin + CHUNK)
            found = self._read_canonical(texts[rows], count)
            if found is None:
                ids[rows], valid[rows] = self._read_one_by_one(texts[rows], begin, count, multiple_of, strict)
            else:
                ids[rows] = found
        return ids, valid

    def _first_count(self, texts: Sequence[str], multiple_of: int, strict: bool) -> int:
        for row, text in enumerate(texts):
            fault = self._fault(text, None, multiple_of)
            if not fault:
                return text.count(" ") + 1
            if strict:
                raise InvalidTokensError(f"text {row} {fault}")
        return multiple_of

    def _lines(self, ids: Ids) -> bytes:
        words = self._inner[ids]
        words[:, -1] = self._last[ids[:, -1]]
        return words.tobytes().translate(None, b"\0")

    def _read_canonical(self, texts: Sequence[str], count: int) -> Ids | None:
        """Ids [B, N] when all texts are well-formed, else None."""
        lines = ("\n".join(texts) + "\n").encode("utf-8", "surrogatepass")
        padded = np.frombuffer(b" " * self._width + lines, np.uint8)
        digits = padded - np.uint8(ord("0"))  # what lies below "0" wraps around to beyond 9
        ends = np.flatnonzero(digits[self._width :] > 9) + self._width
        if len(ends) != len(texts) * count:
            return None
        values = digits[ends - 1].astype(np.int64)
        inside = np.ones(len(ends), bool)
        for place in range(1, self._width):
            digit = digits[ends - 1 - place]
            inside &= digit <= 9
            values += np.where(inside, digit, 0) * np.int64(10**place)
        ids = values.reshape(len(texts), count)
        return ids if ids.max() < self.size and self._lines(ids) == lines else None

    def _read_one_by_one(
        self, texts: Sequence[str], first: int, count: int, multiple_of: int, strict: bool
    ) -> tuple[Ids, NDArray]:
        ids, valid = np.zeros((len(texts), count), np.int64), np.zeros(len(texts), bool)
        for row, text in enumerate(texts):
            fault = self._fault(text, count, multiple_of)
            if not fault:
                ids[row], valid[row] = [self._index[word] for word in text.split(" ")], True
            elif strict:
                raise InvalidTokensError(f"text {first + row} {fault}")
        return ids, valid

    def _fault(self, text: str, count: int | None, multiple_of: int) -> str:
        """What is wrong with a text; empty when nothing is."""
        words = text.split(" ")
        for place, word in enumerate(words):
            if word not in self._index:
                return f"must hold integers 0..{self.size - 1} with single spaces between, got {word!r} at {place}"
        if len(words) % multiple_of or count not in (None, len(words)):
            return f"must hold {count or f'a positive multiple of {multiple_of}'} integers, got {len(words)}"
        return ""
