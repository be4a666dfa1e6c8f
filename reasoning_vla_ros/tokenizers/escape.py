"""Escapes: tokens behind a code that bound its worst error, whatever was coded.

What the code leaves over is transformed by a DCT over time and rounded to steps small enough for the bound. The
integers are written as they come, by rising frequency: small ones as one token, runs of zeros as one, large ones in
digits. Nothing here is learned, so nothing can be out of distribution.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers.errors import InvalidTokensError

Array = NDArray[np.float64]

# Step sizes, each half of the one before; the last is fine enough for any residual.
LEVELS = 4
LONGEST_RUN = 256
# The smallest vocabulary writes 1e14 in eight.
MOST_DIGITS = 8
SMALLEST_VOCABULARY = 64


class EscapeCode:
    """Residuals [T, D] as ids in 0..vocabulary-1, so that every step's error norm stays within a bound.

    Args:
        horizon: T.
        action_dims: D.
        vocabulary: number of ids, at least 64.
        max_error: the bound, in the residual's unit.
    """

    def __init__(self, horizon: int, action_dims: int, vocabulary: int, max_error: float) -> None:
        if vocabulary < SMALLEST_VOCABULARY:
            raise ValueError(f"an escape needs at least {SMALLEST_VOCABULARY} ids, got {vocabulary}")
        if not (max_error > 0 and math.isfinite(max_error)):
            raise ValueError(f"max_error must be positive, got {max_error}")
        self.shape = (horizon, action_dims)
        self.vocabulary = vocabulary
        self.max_error = max_error
        self.longest_run = min(LONGEST_RUN, vocabulary // 8)
        self.largest = (vocabulary - self.longest_run - 2 * MOST_DIGITS - 1) // 2
        self.first_run = 2 * self.largest + 1
        self.first_large = self.first_run + self.longest_run
        # The worst case: all coefficients half a step off, and their signs such that one waypoint gets it all.
        worst = np.abs(scipy.fft.idct(np.eye(horizon), axis=0, norm="ortho")).sum(1).max() * math.sqrt(action_dims) / 2
        finest = 0.98 * max_error / worst
        self.steps = [finest * 2.0 ** (LEVELS - 1 - level) for level in range(LEVELS)]

    def encode(self, residual: Array) -> list[int]:
        """Ids of a residual [T, D]; the coarsest steps that keep the bound."""
        coefficients = scipy.fft.dct(residual, axis=0, norm="ortho")
        for level, step in enumerate(self.steps):
            values = np.rint(coefficients / step)
            error = residual - scipy.fft.idct(values * step, axis=0, norm="ortho")
            if np.linalg.norm(error, axis=1).max() <= 0.99 * self.max_error or level == LEVELS - 1:
                break
        return [level, *self._write([int(v) for v in values.ravel()])]

    def decode(self, ids: list[int]) -> Array:
        """The residual [T, D].

        Raises:
            InvalidTokensError: ids that are not written as `encode` writes. An escape that was cut off behind a number
                is written so; it is the escape of another residual.
        """
        if not ids or not 0 <= ids[0] < LEVELS:
            raise InvalidTokensError(f"an escape begins with a level in 0..{LEVELS - 1}, got {ids[:1]}")
        values = self._read(ids[1:])
        if ids[0] > 0 and not any(value % 2 for value in values):
            raise InvalidTokensError(f"an escape has the coarsest steps that do, got only even numbers at {ids[0]}")
        coefficients = np.zeros(self.shape)
        coefficients.ravel()[: len(values)] = np.array(values, float)
        return np.asarray(scipy.fft.idct(coefficients * self.steps[ids[0]], axis=0, norm="ortho"))

    def _write(self, values: list[int]) -> list[int]:
        ids: list[int] = []
        zeros = 0
        for value in values:
            if value == 0:
                zeros += 1
                continue
            while zeros:
                run = min(zeros, self.longest_run)
                ids.append(self.first_run + run - 1)
                zeros -= run
            if abs(value) <= self.largest:
                ids.append(value + self.largest)
            else:
                digits = self._digits(abs(value))
                ids += [self.first_large + 2 * (len(digits) - 1) + (value < 0), *digits]
        return ids

    def _digits(self, value: int) -> list[int]:
        digits: list[int] = []
        while value:
            digits.append(value % self.vocabulary)
            value //= self.vocabulary
        if len(digits) > MOST_DIGITS:
            raise ValueError(f"an escape codes numbers of up to {MOST_DIGITS} digits, got {len(digits)}")
        return digits[::-1]

    def _read(self, ids: list[int]) -> list[int]:
        values: list[int] = []
        position, run_before = 0, self.longest_run
        while position < len(ids):
            token = ids[position]
            position += 1
            if not 0 <= token < self.vocabulary:
                raise InvalidTokensError(f"ids of an escape lie in 0..{self.vocabulary - 1}, got {token}")
            if self.first_run <= token < self.first_large:
                if run_before < self.longest_run:
                    raise InvalidTokensError("an escape writes zeros in as few runs as it can, got one after another")
                run_before = token - self.first_run + 1
                values += [0] * run_before
                continue
            run_before = self.longest_run
            if token <= 2 * self.largest:
                if token == self.largest:
                    raise InvalidTokensError("an escape writes zeros as runs, got a single one")
                values.append(token - self.largest)
                continue
            header = token - self.first_large
            digits = ids[position : position + header // 2 + 1]
            position += len(digits)
            values.append(self._large(header, digits))
        if (values and values[-1] == 0) or len(values) > math.prod(self.shape):
            raise InvalidTokensError(
                f"an escape holds at most {math.prod(self.shape)} numbers, the last not zero; got {len(values)}"
            )
        return values

    def _large(self, header: int, digits: list[int]) -> int:
        count = header // 2 + 1
        if header >= 2 * MOST_DIGITS or len(digits) != count or not all(0 <= d < self.vocabulary for d in digits):
            raise InvalidTokensError(f"a large number of an escape needs {count} digits, got {digits}")
        value = 0
        for digit in digits:
            value = value * self.vocabulary + digit
        if digits[0] == 0 or value <= self.largest:
            raise InvalidTokensError(f"an escape writes a number in as few digits as it can, got {digits}")
        return -value if header % 2 else value


@lru_cache(maxsize=32)
def escape_code(horizon: int, action_dims: int, vocabulary: int, max_error: float) -> EscapeCode:
    """The code of these numbers, made once."""
    return EscapeCode(horizon, action_dims, vocabulary, max_error)
