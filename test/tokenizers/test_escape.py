"""Escapes bound the error of any residual, and every id sequence that is not written as they write is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import InvalidTokensError
from reasoning_vla_ros.tokenizers.escape import LEVELS, EscapeCode, escape_code

SHAPES = [(1, 1), (1, 9), (2, 3), (3, 1), (10, 7), (64, 3), (100, 2)]
VOCABULARIES = [64, 65, 100, 257, 2025, 4096]

codes = st.builds(
    lambda shape, vocabulary, bound: escape_code(*shape, vocabulary, bound),
    st.sampled_from(SHAPES),
    st.sampled_from(VOCABULARIES),
    st.sampled_from([1e-3, 0.05, 1.0, 10.0]),
)


def residual(shape: tuple[int, int], kind: str, size: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = {
        "white": lambda: rng.uniform(-1, 1, shape),
        "corners": lambda: rng.choice([-1.0, 1.0], shape),
        "alternating": lambda: (-1.0) ** np.arange(shape[0])[:, None] * np.ones(shape),
        "step": lambda: (
            np.where(np.arange(shape[0])[:, None] < rng.integers(0, shape[0] + 1), -1.0, 1.0) * np.ones(shape)
        ),
        "spike": lambda: np.eye(shape[0])[rng.integers(0, shape[0])][:, None] * rng.uniform(-1, 1, (1, shape[1])),
        "last": lambda: np.eye(shape[0])[-1][:, None] * np.ones(shape),
        "constant": lambda: np.ones(shape),
        "walk": lambda: np.cumsum(rng.normal(size=shape), 0) / shape[0],
        "mixed": lambda: rng.uniform(-1, 1, shape) * 10.0 ** rng.uniform(-12, 0, shape),
    }[kind]()
    return size * values


KINDS = ["white", "corners", "alternating", "step", "spike", "last", "constant", "walk", "mixed"]


@settings(max_examples=250, deadline=None)
@given(codes, st.sampled_from(KINDS), st.floats(-12, 5.3), st.integers(0, 10**6))
def test_no_step_is_further_off_than_the_bound(code: EscapeCode, kind: str, exponent: float, seed: int) -> None:
    values = residual(code.shape, kind, 10**exponent, seed)
    ids = code.encode(values)
    assert all(0 <= i < code.vocabulary for i in ids)
    assert np.linalg.norm(code.decode(ids) - values, axis=1).max() <= code.max_error


@settings(max_examples=150, deadline=None)
@given(codes, st.integers(0, 10**6), st.floats(0, 3))
def test_residuals_made_to_be_rounded_badly_keep_the_bound(code: EscapeCode, seed: int, size: float) -> None:
    """All coefficients half a step off at each level, with signs that add up at one waypoint."""
    import scipy.fft

    rng = np.random.default_rng(seed)
    horizon = code.shape[0]
    signs = np.sign(scipy.fft.idct(np.eye(horizon), axis=0, norm="ortho")[rng.integers(0, horizon)])[:, None]
    for step in code.steps:
        values = (np.rint(size * rng.normal(size=code.shape)) + 0.499999 * signs) * step
        exact = scipy.fft.idct(values, axis=0, norm="ortho")
        assert np.linalg.norm(code.decode(code.encode(exact)) - exact, axis=1).max() <= code.max_error


def test_what_needs_no_escape_is_a_level_alone() -> None:
    code = EscapeCode(8, 2, 128, 0.5)
    assert code.encode(np.zeros((8, 2))) == [0]
    assert not code.decode([0]).any()
    for level in range(1, LEVELS):
        with pytest.raises(InvalidTokensError, match="coarsest steps"):
            code.decode([level])


def draw_ids(code: EscapeCode, seed: int, count: int) -> list[int]:
    """Ids that are read further than ids drawn evenly: more of runs, headers and small numbers."""
    rng = np.random.default_rng(seed)
    interesting = [
        *(code.largest + d for d in range(-2, 3)),
        *range(code.first_run, code.first_run + 3),
        code.first_large - 1,
        *range(code.first_large, code.vocabulary),
        0,
        2 * code.largest,
    ]
    evenly = rng.integers(0, code.vocabulary, count)
    ids = np.where(rng.random(count) < 0.6, rng.choice(interesting, count), evenly)
    return [int(rng.integers(0, LEVELS)), *ids.tolist()]


@settings(max_examples=400, deadline=None)
@given(codes, st.integers(0, 10**9), st.integers(0, 12))
def test_ids_are_the_canonical_ones_or_refused(code: EscapeCode, seed: int, count: int) -> None:
    ids = draw_ids(code, seed, count)
    try:
        values = code._read(ids[1:])
        decoded = code.decode(ids)
    except InvalidTokensError:
        return
    assert np.isfinite(decoded).all()
    assert code._write(values) == ids[1:]
    # What it stands for is within the bound of itself, in whichever steps it is written now.
    assert decoded.shape == code.shape
    if np.abs(decoded).max() < 1e6:
        assert np.linalg.norm(code.decode(code.encode(decoded)) - decoded, axis=1).max() <= code.max_error


@settings(max_examples=100, deadline=None)
@given(codes, st.sampled_from(KINDS), st.floats(-1, 5), st.integers(0, 10**6))
def test_an_escape_cut_short_is_another_escape_or_refused(
    code: EscapeCode, kind: str, exponent: float, seed: int
) -> None:
    """No number says how long an escape is, so what ends behind a whole number reads as the escape of a residual
    whose higher frequencies are zero; an encoder could have written it. Everything else is refused."""
    ids = code.encode(residual(code.shape, kind, code.max_error * 10**exponent, seed))
    values = code._read(ids[1:])
    for length in range(1, len(ids)):
        try:
            cut = code._read(ids[1:length])
            code.decode(ids[:length])
        except InvalidTokensError:
            continue
        assert cut == values[: len(cut)]
        assert code._write(cut) == ids[1:length]


SMALL = EscapeCode(4, 2, 128, 1.0)  # runs of up to 16, numbers of up to 47 in size
ZERO, RUN, LARGE = SMALL.largest, SMALL.first_run, SMALL.first_large


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "begins with a level"),
        ([LEVELS], "begins with a level"),
        ([-1], "begins with a level"),
        ([127, ZERO + 1], "begins with a level"),
        ([0, ZERO], "zeros as runs"),
        ([0, RUN], "the last not zero"),
        ([0, ZERO + 1, RUN + 2], "the last not zero"),
        ([0, RUN, RUN, ZERO + 1], "as few runs"),
        ([0, RUN + 2, RUN, ZERO + 1], "as few runs"),
        ([0, *[ZERO + 1] * 9], "at most 8 numbers"),
        ([0, RUN + 7, ZERO + 1], "at most 8 numbers"),
        ([0, -1], "lie in 0..127"),
        ([0, 128], "lie in 0..127"),
        ([0, LARGE], "needs 1 digits"),
        ([0, LARGE + 2, 1], "needs 2 digits"),
        ([0, LARGE, 128], "needs 1 digits"),
        ([0, LARGE, -1], "needs 1 digits"),
        ([0, LARGE, 0], "as few digits"),
        ([0, LARGE, SMALL.largest], "as few digits"),
        ([0, LARGE + 2, 0, 100], "as few digits"),
        ([1, ZERO + 2, ZERO - 4], "coarsest steps"),
    ],
)
def test_other_writings_are_refused(ids: list[int], message: str) -> None:
    with pytest.raises(InvalidTokensError, match=message):
        SMALL.decode(ids)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_header_that_is_none_is_refused(vocabulary: int) -> None:
    code = EscapeCode(4, 2, vocabulary, 1.0)
    assert code.first_large + 16 <= vocabulary
    for header in range(code.first_large, vocabulary):
        digits = (header - code.first_large) // 2 + 1
        ids = [0, header, *[vocabulary - 1] * digits]
        if header < code.first_large + 16:
            assert code._write(code._read(ids[1:])) == ids[1:]
        else:
            with pytest.raises(InvalidTokensError):
                code.decode(ids)


def test_the_longest_runs_follow_one_another() -> None:
    code = EscapeCode(50, 1, 64, 1.0)
    assert code.longest_run == 8
    values = [0] * 19 + [1]
    ids = code._write(values)
    assert [i - code.first_run + 1 for i in ids[:-1]] == [8, 8, 3]
    assert code._read(ids) == values


def test_bad_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="at least 64 ids, got 63"):
        EscapeCode(4, 2, 63, 1.0)
    for bound in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="max_error must be positive"):
            EscapeCode(4, 2, 64, bound)
