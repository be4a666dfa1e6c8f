"""Integers as characters: the text that byte-pair coding works on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

CODE_POINTS = 0x110000
# Offsets beyond these, the UTF-16 surrogates that no UTF-8 text holds and what follows them, use the escape.
PLAIN_SYMBOLS = 0xD800
FIRST_ESCAPE = 0x10000
# Bytes of a character by its first byte; 0 where none begins so. And the smallest code point of so many bytes.
_LENGTH_BY_LEAD = np.zeros(256, np.int64)
_LENGTH_BY_LEAD[0x00:0x80], _LENGTH_BY_LEAD[0xC2:0xE0] = 1, 2
_LENGTH_BY_LEAD[0xE0:0xF0], _LENGTH_BY_LEAD[0xF0:0xF5] = 3, 4
_SMALLEST = np.array([0, 0, 0x80, 0x800, 0x10000])


def is_surrogate(symbols: IntArray) -> NDArray[np.bool_]:
    """Flags of the code points that no UTF-8 text can hold."""
    return (symbols >= 0xD800) & (symbols <= 0xDFFF)


def to_symbols(offsets: IntArray) -> IntArray:
    """Symbols of offsets, any integers: 0..0xD7FF stand for themselves, the rest alternates from 0x10000 on.

    Offsets 0xD800, 0xD801, ... become 0x10000, 0x10002, ...; offsets -1, -2, ... become 0x10001, 0x10003, .... What
    lies beyond the last code point, more than 524,288 away, becomes the last one of its side.
    """
    inside = (offsets >= 0) & (offsets < PLAIN_SYMBOLS)
    if bool(inside.all()):
        return offsets
    below = offsets < 0
    steps = np.minimum(np.where(below, -1 - offsets, offsets - PLAIN_SYMBOLS), (CODE_POINTS - FIRST_ESCAPE) // 2 - 1)
    return np.where(inside, offsets, FIRST_ESCAPE + 2 * steps + below)


def to_offsets(symbols: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Offsets of symbols, and flags of the symbols that `to_symbols` gives."""
    if not bool((symbols >= PLAIN_SYMBOLS).any()):
        return symbols, np.ones(symbols.shape, bool)
    steps, below = (symbols - FIRST_ESCAPE) // 2, symbols % 2 == 1
    escaped = np.where(below, -1 - steps, PLAIN_SYMBOLS + steps)
    plain = symbols < PLAIN_SYMBOLS
    return np.where(plain, symbols, escaped), plain | (symbols >= FIRST_ESCAPE)


def nearest_symbols(known_bytes: NDArray[np.bool_]) -> IntArray:
    """By code point, the nearest one whose UTF-8 bytes are all known [256]; the lower one of two.

    Raises:
        ValueError: no code point has only known bytes.
    """
    points = np.arange(CODE_POINTS)
    length = 1 + sum((points >= start).astype(np.int64) for start in _SMALLEST[2:])
    known = ~is_surrogate(points)
    for count, lead_bits in ((1, 0x00), (2, 0xC0), (3, 0xE0), (4, 0xF0)):
        of_length = length == count
        known[of_length] &= known_bytes[lead_bits | (points[of_length] >> 6 * (count - 1))]
        for position in range(count - 1):
            known[of_length] &= known_bytes[0x80 | ((points[of_length] >> 6 * position) & 0x3F)]
    allowed = points[known]
    if not len(allowed):
        raise ValueError("the vocabulary has no token for a single character")
    above = np.searchsorted(allowed, points).clip(max=len(allowed) - 1)
    below = (above - 1).clip(min=0)
    nearer_below = np.abs(points - allowed[below]) <= np.abs(allowed[above] - points)
    return np.where(nearer_below, allowed[below], allowed[above])


def to_strings(symbols: IntArray) -> list[str]:
    """Rows of symbols [B, N] as strings of N characters."""
    text = symbols.astype("<u4").tobytes().decode("utf-32-le")
    count = symbols.shape[1]
    return [text[start : start + count] for start in range(0, len(text), count)]


def from_utf8(data: NDArray[np.uint8], row_lengths: IntArray) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Symbols of rows of UTF-8.

    Args:
        data: the bytes of all rows, one row after the other.
        row_lengths: [B], bytes of each row.

    Returns:
        The symbols of all rows one after the other, how many of them each row has [B], and flags [B] of the rows that
        are well-formed UTF-8; in other rows the symbols mean nothing.
    """
    rows = np.repeat(np.arange(len(row_lengths)), row_lengths)
    begins = (data & 0xC0) != 0x80
    row_starts = (np.cumsum(row_lengths) - row_lengths)[row_lengths > 0]
    begins[row_starts] = True  # so that a row's faults stay its own
    starts = np.flatnonzero(begins)
    rows = rows[starts]
    lead = data[starts].astype(np.int64)
    lengths = _LENGTH_BY_LEAD[lead]
    good = lengths == np.diff(starts, append=len(data))
    symbols = lead
    if bool((lead >= 0x80).any()):
        padded = np.concatenate([data, np.zeros(3, np.uint8)]).astype(np.int64)
        symbols = np.where(lengths > 1, lead & (0x7F >> lengths), lead)
        for position in (1, 2, 3):
            symbols = np.where(lengths > position, symbols << 6 | padded[starts + position] & 0x3F, symbols)
        good &= (symbols >= _SMALLEST[lengths]) & (symbols < CODE_POINTS) & ~is_surrogate(symbols)
    counts = np.bincount(rows, minlength=len(row_lengths))
    return symbols, counts, np.bincount(rows[~good], minlength=len(row_lengths)) == 0


def run_indices(starts: IntArray, lengths: IntArray) -> IntArray:
    """The integers start..start + length - 1 of every start and length [N], one run after the other."""
    ends = np.cumsum(lengths)
    indices = np.repeat(starts - (ends - lengths), lengths)
    indices += np.arange(len(indices))
    return indices
