"""Ordered codes: prefixes, bad ids, and a bound on the error that holds for whatever is encoded."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasoning_vla_ros.datasets import synthetic_driving
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.tokenizers import (
    InvalidTokensError,
    TrajectoryTokenizer,
    create_action_tokenizer,
    create_tokenizer,
)
from reasoning_vla_ros.tokenizers.klt import LARGEST_ACTION, KLTActionTokenizer

MAX_TOKENS = 12
PAD = 2025


def fit(space: str) -> TrajectoryTokenizer:
    tokenizer = create_tokenizer(f"{space}+klt", max_tokens=MAX_TOKENS, max_error=None)
    data = synthetic_driving(4000, seed=0, noise_m=0.02)
    tokenizer.action_tokenizer.fit(tokenizer.action_space.encode(*data.tensors()), iterations=3)
    return tokenizer


@pytest.fixture(scope="module", params=["path", "pose"])
def whole(request: pytest.FixtureRequest) -> TrajectoryTokenizer:
    return fit(request.param)


@pytest.fixture(scope="module")
def klt() -> KLTActionTokenizer:
    tokenizer = fit("pose").action_tokenizer
    assert isinstance(tokenizer, KLTActionTokenizer)
    return tokenizer


@pytest.fixture(scope="module")
def drives() -> torch.Tensor:
    return create_tokenizer("pose+klt").action_space.encode(*synthetic_driving(300, seed=1).tensors())


def changed(klt: KLTActionTokenizer, num_tokens: int = 8, **changes: Any) -> KLTActionTokenizer:
    other = klt.with_num_tokens(num_tokens)
    for name, value in changes.items():
        assert hasattr(other, name)
        setattr(other, name, value)
    return other


def greedy(klt: KLTActionTokenizer, num_tokens: int = 8) -> KLTActionTokenizer:
    return changed(klt, num_tokens, starts=1)


# Round trips and prefixes


def test_the_error_falls_with_every_token(klt: KLTActionTokenizer, drives: torch.Tensor) -> None:
    errors = []
    for count in range(1, MAX_TOKENS + 1):
        tokenizer = klt.with_num_tokens(count)
        ids = tokenizer.encode(drives)
        assert ids.shape == (300, count)
        assert ids.dtype == torch.int64
        errors.append(float((tokenizer.decode(ids) - drives).norm(dim=-1).mean()))
    assert all(more < 0.95 * fewer for fewer, more in pairwise(errors))
    assert errors[7] < 0.06
    assert errors[0] > 20 * errors[-1]


@pytest.mark.parametrize("starts", [1, 4])
def test_any_prefix_decodes_as_the_code_of_fewer_tokens(
    klt: KLTActionTokenizer, drives: torch.Tensor, starts: int
) -> None:
    """Rounds of one token up to the eighth, then of two: prefixes end on rounds and within them."""
    full = changed(klt, MAX_TOKENS, starts=starts)
    ids = full.encode(drives)
    before = math.inf
    for count in range(1, MAX_TOKENS + 1):
        prefix = ids[:, :count]
        short = changed(klt, count, starts=starts)
        decoded = full.decode(prefix)
        torch.testing.assert_close(decoded, short.decode(prefix), atol=1e-4, rtol=1e-6)
        padded = torch.cat([prefix, torch.full((300, MAX_TOKENS - count), PAD)], 1)
        torch.testing.assert_close(full.decode(padded), decoded, atol=1e-4, rtol=1e-6)
        error = float((decoded - drives).norm(dim=-1).mean())
        assert error < before
        before = error
        if starts == 1:
            assert torch.equal(short.encode(drives), prefix)


def test_following_several_first_tokens_errs_less(klt: KLTActionTokenizer, drives: torch.Tensor) -> None:
    def errors(starts: int) -> torch.Tensor:
        tokenizer = changed(klt, starts=starts)
        return ((tokenizer.decode(tokenizer.encode(drives)) - drives) ** 2).sum((1, 2))

    one, four, all_of_them = errors(1), errors(4), errors(10**6)
    assert four.mean() < one.mean()
    assert all_of_them.mean() < four.mean()
    # What the greedy search finds is among what is compared, by the error of the components that are coded.
    assert (four <= 1.01 * one + 1e-4).all()


def test_rows_of_different_lengths_in_one_batch(klt: KLTActionTokenizer, drives: torch.Tensor) -> None:
    tokenizer = klt.with_num_tokens(MAX_TOKENS)
    ids = tokenizer.encode(drives[:MAX_TOKENS])
    counts = torch.arange(1, MAX_TOKENS + 1)
    padded = torch.where(torch.arange(MAX_TOKENS) < counts[:, None], ids, PAD)
    assert torch.equal(tokenizer.token_counts(padded), counts)
    together = tokenizer.decode(padded)
    for row, count in enumerate(counts):
        alone = tokenizer.decode(ids[row : row + 1, :count])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-6)


def test_single_rows_and_batches_agree(klt: KLTActionTokenizer, drives: torch.Tensor) -> None:
    tokenizer = greedy(klt)
    together = tokenizer.encode(drives)
    alone = torch.cat([tokenizer.encode(row[None]) for row in drives])
    # Two codes may lie equally near but for the rounding of products of other shapes.
    same = (together == alone).all(1)
    assert same.double().mean() > 0.98
    error = [(tokenizer.decode(ids) - drives).norm(dim=-1).mean(1) for ids in (together, alone)]
    torch.testing.assert_close(*error, atol=0.05, rtol=0.2)
    decoded = torch.cat([tokenizer.decode(row[None]) for row in together])
    torch.testing.assert_close(decoded, tokenizer.decode(together), atol=1e-4, rtol=1e-6)


def test_no_rows(klt: KLTActionTokenizer) -> None:
    for tokenizer in (klt, changed(klt, max_error=0.1)):
        ids = tokenizer.encode(torch.zeros(0, 64, 3))
        assert ids.shape == (0, 8)
        assert tokenizer.decode(ids).shape == (0, 64, 3)
        assert tokenizer.decode(ids[:, :0]).shape == (0, 64, 3)
        actions, valid = tokenizer.decode(ids, strict=False)
        assert (actions.shape, valid.shape) == ((0, 64, 3), (0,))


@pytest.mark.parametrize("max_error", [None, 0.02])
def test_arrays_and_dtypes(klt: KLTActionTokenizer, drives: torch.Tensor, max_error: float | None) -> None:
    tokenizer = changed(klt, max_error=max_error)
    ids = tokenizer.encode(drives)
    as_array = tokenizer.encode(drives.numpy())
    assert isinstance(as_array, np.ndarray)
    assert np.array_equal(as_array, ids.numpy())
    decoded = tokenizer.decode(as_array)
    assert isinstance(decoded, np.ndarray)
    assert np.array_equal(decoded, tokenizer.decode(ids).numpy())
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert tokenizer.decode(ids, dtype=dtype).dtype == dtype
    for dtype in (np.uint16, np.int32, np.uint64):
        assert np.array_equal(tokenizer.decode(as_array.astype(dtype)), decoded)
    assert tokenizer.encode(drives.double()).shape[0] == 300
    assert tokenizer.encode(drives.half()).shape[0] == 300


def test_ids_of_eight_bits_are_themselves(klt: KLTActionTokenizer) -> None:
    ids = torch.tensor([[1, 2, 233, 4, 5, 6, 7, 8]])  # the pad id, 2025, is 233 in eight bits
    assert torch.equal(klt.decode(ids.to(torch.uint8)), klt.decode(ids))


# Saving


@pytest.mark.parametrize("max_error", [None, 0.1])
def test_saved_and_loaded_bit_by_bit(
    klt: KLTActionTokenizer, drives: torch.Tensor, tmp_path: Path, max_error: float | None
) -> None:
    tokenizer = changed(klt, 9, max_error=max_error)
    tokenizer.save_pretrained(tmp_path)
    for loaded in (KLTActionTokenizer.from_pretrained(tmp_path), create_action_tokenizer(tmp_path)):
        assert loaded.get_config() == tokenizer.get_config()
        assert loaded.num_tokens == 9
        ids = tokenizer.encode(drives)
        assert torch.equal(loaded.encode(drives), ids)
        assert torch.equal(loaded.decode(ids), tokenizer.decode(ids))
        state = tokenizer.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
        # All codebooks are saved, not only those of nine tokens.
        more, other = loaded.with_num_tokens(MAX_TOKENS), tokenizer.with_num_tokens(MAX_TOKENS)
        assert torch.equal(more.encode(drives), other.encode(drives))


def test_the_same_seed_fits_the_same() -> None:
    actions = torch.randn(500, 6, 2, generator=torch.Generator().manual_seed(0)).cumsum(1)

    def state(seed: int) -> dict[str, torch.Tensor]:
        return KLTActionTokenizer(2, 6, num_tokens=4, max_tokens=4).fit(actions, seed=seed).state_dict()

    one, same, other = state(3), state(3), state(4)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_tensors_of_another_tokenizer_are_refused(klt: KLTActionTokenizer) -> None:
    state = klt.state_dict()
    with pytest.raises(ValueError, match="klt needs the tensors"):
        KLTActionTokenizer(3, 64, max_tokens=4, num_tokens=4).load_state_dict(state)
    with pytest.raises(ValueError, match="a mean of 32 x 3, got 192"):
        KLTActionTokenizer(3, 32, max_tokens=MAX_TOKENS).load_state_dict(state)
    with pytest.raises(ValueError, match="ids for 1000 codes of a token, got codebooks of 2025"):
        KLTActionTokenizer(3, 64, max_tokens=MAX_TOKENS, vocabulary=1001).load_state_dict(state)


# Ids that no encoder gives


@pytest.fixture(scope="module")
def wasteful() -> KLTActionTokenizer:
    """200 ids, of which two books of 14 leave three unused."""
    actions = torch.randn(800, 8, 2, generator=torch.Generator().manual_seed(0)).cumsum(1)
    return KLTActionTokenizer(2, 8, num_tokens=3, max_tokens=4, vocabulary=200, max_error=0.5).fit(actions)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([], "positive multiple"),
        ([199, 199, 199], "only padding"),
        ([1, 199, 2], "only padding"),
        ([199, 1, 2], "only padding"),
        ([1, 2, 3, 199, 0], "only padding"),
        ([200, 1, 2], "lie in 0..199"),
        ([-1, 1, 2], "lie in 0..199"),
        ([1, 196, 2], "token 1 has codes 0..195, got 196"),
        ([1, 198], "token 1 has codes 0..195, got 198"),
        ([1, 2, 3, 4], "begins with a level"),
        ([1, 2, 3, 198], "begins with a level"),
        ([1, 2, 3, 1], "coarsest steps"),
        ([1, 2, 3, 0, 198], "digits"),
    ],
)
def test_other_ids_are_refused(wasteful: KLTActionTokenizer, row: list[int], message: str) -> None:
    tokens = torch.tensor([row], dtype=torch.long)
    with pytest.raises(InvalidTokensError, match=message):
        wasteful.decode(tokens)
    actions, valid = wasteful.decode(tokens, strict=False)
    assert valid.tolist() == [False]
    assert actions.shape == (1, 8, 2)
    assert actions.isnan().all()


def test_good_rows_stay_good_next_to_bad_ones(wasteful: KLTActionTokenizer) -> None:
    good = wasteful.encode(100 * torch.ones(1, 8, 2))[0].tolist()
    assert len(good) > 6
    rows = [good, [1, 197, *good[2:]], [*good[:2]], [*good[:3], 9, *good[4:]], [1, 2, 3, 0]]
    tokens = torch.tensor([row + [199] * (len(good) - len(row)) for row in rows])
    actions, valid = wasteful.decode(tokens, strict=False, dtype=torch.float64)
    assert valid.tolist() == [True, False, True, False, True]
    for row, action, is_good in zip(rows, actions, valid, strict=True):
        if is_good:
            alone = wasteful.decode(torch.tensor([row]), dtype=torch.float64)[0]
            torch.testing.assert_close(action, alone, atol=1e-5, rtol=1e-6)
        else:
            assert action.isnan().all()
    with pytest.raises(InvalidTokensError, match="row 3: an escape begins with a level"):
        wasteful.decode(tokens[[0, 2, 4, 3]])


def test_without_a_bound_more_ids_are_refused(klt: KLTActionTokenizer) -> None:
    ids = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8, 0]])
    with pytest.raises(InvalidTokensError, match="without max_error a row has at most 8 ids"):
        klt.decode(ids)
    assert klt.decode(ids, strict=False)[1].tolist() == [False]
    assert changed(klt, max_error=0.1).decode(ids).isfinite().all()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_ids_are_finite_actions_or_refused(wasteful: KLTActionTokenizer, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 12))
    # Half of them drawn where they are most often good.
    ids = st.one_of(st.integers(0, 195), st.sampled_from([-1, 0, 1, 92, 93, 95, 195, 196, 198, 199, 200, 2**40]))
    rows = data.draw(st.lists(st.lists(ids, min_size=length, max_size=length), min_size=1, max_size=4))
    tokens = torch.tensor(rows, dtype=torch.long).reshape(len(rows), length)
    actions, valid = wasteful.decode(tokens, strict=False)
    assert actions.shape == (len(rows), 8, 2)
    for row, action, is_good in zip(tokens, actions, valid, strict=True):
        if is_good:
            assert action.isfinite().all()
            assert action.abs().max() <= 2 * LARGEST_ACTION
            torch.testing.assert_close(wasteful.decode(row[None])[0], action, atol=1e-4, rtol=1e-5)
        else:
            assert action.isnan().all()
            with pytest.raises(InvalidTokensError):
                wasteful.decode(row[None])


def test_any_ids_of_whole_books_decode(klt: KLTActionTokenizer) -> None:
    """45 x 45 codes and the padding: nothing is wasted, and nothing decodes to where nobody drives."""
    ids = torch.randint(0, 2025, (5000, MAX_TOKENS), generator=torch.Generator().manual_seed(0))
    actions = klt.with_num_tokens(MAX_TOKENS).decode(ids)
    assert actions.isfinite().all()
    assert actions.abs().max() < 1000


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 299), st.integers(0, 7), st.integers(0, 2024))
def test_a_substituted_token_spoils_no_more_than_its_share(
    klt: KLTActionTokenizer, drives: torch.Tensor, row: int, place: int, other: int
) -> None:
    ids = klt.encode(drives[row : row + 1])
    ids[0, place] = other
    action = klt.decode(ids)
    assert action.isfinite().all()
    # The tokens before it still tell what they told.
    before = klt.decode(ids[:, :place]) if place else torch.zeros_like(action)
    assert (action - before).norm(dim=-1).max() < 700 * 0.8**place


# The bound of the error

KINDS = ["white", "corners", "alternating", "step", "spike", "constant", "drive", "one waypoint off", "mixed"]


def absurd(kind: str, size: float, seed: int, drives: torch.Tensor) -> np.ndarray:
    """Two actions [2, 64, 3] that no vehicle drives, no larger than 1e5."""
    rng = np.random.default_rng(seed)
    shape = (2, 64, 3)
    time = np.arange(64)[None, :, None]
    one = np.eye(64)[rng.integers(0, 64, 2)][..., None]
    if kind in ("drive", "one waypoint off"):
        action = drives.double().numpy()[rng.integers(0, len(drives), 2)]
        return action * min(size, 100) if kind == "drive" else action + 0.99 * size * one
    values = {
        "white": lambda: rng.uniform(-1, 1, shape),
        "corners": lambda: rng.choice([-1.0, 1.0], shape),
        "alternating": lambda: (-1.0) ** time * np.ones(shape),
        "step": lambda: np.where(time < rng.integers(0, 65), -1.0, 1.0) * np.ones(shape),
        "spike": lambda: one * rng.uniform(-1, 1, (2, 1, 3)),
        "constant": lambda: rng.uniform(-1, 1, (2, 1, 3)) * np.ones(shape),
        "mixed": lambda: rng.uniform(-1, 1, shape) * 10.0 ** rng.uniform(-50, 0, shape),
    }[kind]()
    return size * values


def assert_bounded(tokenizer: KLTActionTokenizer, action: np.ndarray) -> None:
    assert tokenizer.max_error is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids = tokenizer.encode(action)
        decoded = tokenizer.decode(ids, dtype=torch.float64)
        single = tokenizer.decode(ids)
    exact = action.astype(np.float64)
    assert np.linalg.norm(decoded - exact, axis=-1).max(initial=0) <= tokenizer.max_error
    # Row by row, as a planner decodes.
    for row, wanted in zip(ids, exact, strict=True):
        alone = tokenizer.decode(row[None], dtype=torch.float64)[0]
        assert np.linalg.norm(alone - wanted, axis=-1).max() <= tokenizer.max_error
    rounding = 2e-7 * np.abs(exact).max(initial=0)
    assert np.linalg.norm(single - exact, axis=-1).max(initial=0) <= tokenizer.max_error + rounding


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.floats(-320, 5),
    st.integers(0, 10**6),
    st.sampled_from([1e-3, 0.05, 0.2, 2.0]),
    st.sampled_from([1, 4, 8, 11]),
    st.sampled_from([np.float32, np.float64]),
)
def test_no_action_decodes_further_off_than_the_bound(
    klt: KLTActionTokenizer,
    drives: torch.Tensor,
    kind: str,
    exponent: float,
    seed: int,
    bound: float,
    count: int,
    dtype,
) -> None:
    exponent = exponent if exponent > -3 else (-3 if exponent > -200 else exponent)
    size = 0.999 * 10.0**exponent
    assert_bounded(changed(klt, count, max_error=bound), absurd(kind, size, seed, drives).astype(dtype))


@settings(max_examples=30, deadline=None)
@given(
    arrays(
        np.float64,
        (1, 64, 3),
        elements=st.floats(-LARGEST_ACTION, LARGEST_ACTION),
        fill=st.floats(-LARGEST_ACTION, LARGEST_ACTION),
    )
)
def test_the_bound_holds_for_any_numbers(klt: KLTActionTokenizer, action: np.ndarray) -> None:
    assert_bounded(changed(klt, max_error=0.1), action)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-6, 4.9), st.sampled_from([65, 200, 2026]), st.sampled_from([1e-3, 0.1, 10.0]))
def test_the_bound_holds_in_small_vocabularies(seed: int, exponent: float, vocabulary: int, bound: float) -> None:
    tokenizer = tiny(vocabulary)
    rng = np.random.default_rng(seed)
    action = 10**exponent * rng.uniform(-1, 1, (3, 6, 2)) * (rng.random((3, 6, 1)) < rng.random())
    assert_bounded(changed(tokenizer, 2, max_error=bound), action)
    assert int(changed(tokenizer, 2, max_error=bound).encode(action).max()) < vocabulary


_TINY: dict[int, KLTActionTokenizer] = {}


def tiny(vocabulary: int) -> KLTActionTokenizer:
    if vocabulary not in _TINY:
        actions = torch.randn(300, 6, 2, generator=torch.Generator().manual_seed(0)).cumsum(1)
        _TINY[vocabulary] = KLTActionTokenizer(2, 6, num_tokens=2, max_tokens=3, vocabulary=vocabulary).fit(actions)
    return _TINY[vocabulary]


def test_a_bound_finer_than_float32_holds_in_float64(klt: KLTActionTokenizer, drives: torch.Tensor) -> None:
    """What the codes stand for is then the same in all batches, and to more digits than float32 has."""
    tokenizer = changed(klt, max_error=1e-6)
    assert_bounded(tokenizer, drives[:20].double().numpy())
    ids = tokenizer.encode(drives[:20].double())
    together = tokenizer.decode(ids, dtype=torch.float64)
    for row, action in zip(ids, together, strict=True):
        torch.testing.assert_close(tokenizer.decode(row[None], dtype=torch.float64)[0], action, atol=1e-10, rtol=0)


def test_what_float32_cannot_tell_to_be_within_the_bound_gets_an_escape(
    klt: KLTActionTokenizer, drives: torch.Tensor
) -> None:
    far_ahead = drives[drives.abs().amax((1, 2)) > 20][:40]
    worst = (klt.decode(klt.encode(far_ahead)) - far_ahead).norm(dim=-1).amax(1)
    for action, error in zip(far_ahead, worst.tolist(), strict=True):
        for factor, longer in ((1 - 1e-3, True), (1 + 2e-6 / error, True), (1 + 1e-3 + 1e-3 / error, False)):
            tokenizer = changed(klt, max_error=error / 0.99 * factor)
            assert (tokenizer.encode(action[None]).shape[1] > 8) == longer


def test_drives_within_the_bound_need_no_escape(klt: KLTActionTokenizer, drives: torch.Tensor) -> None:
    plain, bounded = klt.with_num_tokens(MAX_TOKENS), changed(klt, MAX_TOKENS, max_error=0.1)
    ids, longer = plain.encode(drives), bounded.encode(drives)
    assert torch.equal(longer[:, :MAX_TOKENS], ids)
    worst = (plain.decode(ids) - drives).norm(dim=-1).amax(1)
    far = bounded.token_counts(longer) > MAX_TOKENS
    assert torch.equal(far, worst > 0.99 * 0.1)
    assert 0 < far.sum() < 100


def test_a_row_cut_behind_its_code_is_the_code_without_the_bound(klt: KLTActionTokenizer) -> None:
    """Cut within its escape it is refused or the escape of something else (see test_escape.py): no id says how long
    an escape is. It never is a row of NaN that counts as valid, nor the other way round."""
    tokenizer = changed(klt, max_error=0.1)
    action = torch.full((1, 64, 3), 300.0)
    action[0, 30:] *= -1
    ids = tokenizer.encode(action)
    assert ids.shape[1] > 12
    torch.testing.assert_close(tokenizer.decode(ids[:, :8]), klt.decode(ids[:, :8]), atol=1e-3, rtol=1e-6)
    refused = 0
    for length in range(1, ids.shape[1]):
        decoded, valid = tokenizer.decode(ids[:, :length], strict=False)
        assert bool(decoded.isfinite().all()) == bool(decoded.isfinite().any()) == bool(valid)
        refused += not bool(valid)
    assert refused < ids.shape[1] - 9


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    past=st.sampled_from([1, 2, 3, 16]),
    driving=st.sampled_from(["standing", "noisy", "reversing", "spinning", "tumbling", "far away"]),
    ahead=st.sampled_from(["drive", "noise", "jump", "sideways", "circles"]),
    size=st.floats(-3, 3.5),
    bound=st.sampled_from([0.05, 0.5]),
)
def test_no_waypoint_is_further_off_than_the_bound(
    whole: TrajectoryTokenizer, seed: int, past: int, driving: str, ahead: str, size: float, bound: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    scale = 10**size
    time = torch.arange(-past + 1, 65).double()

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    hist_xyz = {
        "standing": lambda: torch.zeros(past, 3).double(),
        "noisy": lambda: 0.5 * noise(past, 3),
        "reversing": lambda: -0.3 * time[:past, None] * torch.tensor([1.0, 0, 0]).double(),
        "spinning": lambda: 0.01 * noise(past, 3),
        "tumbling": lambda: 100 * noise(past, 3),
        "far away": lambda: 1e4 + noise(past, 3),
    }[driving]()
    hist_rot = yaw_to_matrix(2.5 * time[:past]) if driving == "spinning" else torch.eye(3).double().repeat(past, 1, 1)
    if driving == "tumbling":
        hist_rot = torch.linalg.qr(noise(past, 3, 3))[0]
    data = synthetic_driving(1, seed=seed % 1000)
    xy = {
        "drive": lambda: data.fut_xyz[0, :, :2].double(),
        "noise": lambda: scale * noise(64, 2),
        "jump": lambda: data.fut_xyz[0, :, :2].double() + scale * (torch.arange(64) == seed % 64)[:, None],
        "sideways": lambda: torch.stack([0 * time[past:], scale * time[past:] / 64], -1),
        "circles": lambda: scale * torch.stack([time[past:].sin(), 1 - time[past:].cos()], -1),
    }[ahead]()
    yaw = 5 * noise(64) if ahead == "noise" else 0.7 * time[past:]
    fut_xyz = torch.cat([xy, torch.zeros(64, 1)], -1)
    trajectory = (hist_xyz, hist_rot, fut_xyz, yaw_to_matrix(yaw))
    bounded = TrajectoryTokenizer(whole.action_space, changed(whole.action_tokenizer, max_error=bound))  # type: ignore[arg-type]
    arrays_in = [x.numpy() for x in trajectory]
    from_arrays = bounded.decode(*arrays_in[:2], bounded.encode(*arrays_in))[0]
    assert np.linalg.norm(from_arrays - arrays_in[2], axis=-1).max() <= bound + 1e-6
    for dtype, rounding in ((torch.float64, 1e-9), (torch.float32, 1e-6)):
        inputs = [x.to(dtype) for x in trajectory]
        xyz, rot, _ = bounded.decode(inputs[0], inputs[1], bounded.encode(*inputs))
        assert xyz.dtype == dtype
        most = max(float(fut_xyz.abs().max()), 10 * float(hist_xyz.abs().max()))
        assert (xyz - inputs[2]).double().norm(dim=-1).max() <= bound + rounding * (1 + 10 * most)
        assert rot.isfinite().all()


# Refusals


def test_actions_that_are_refused(klt: KLTActionTokenizer) -> None:
    for bad, message in (
        (torch.zeros(1, 63, 3), "klt codes actions of 64 steps, got 63"),
        (torch.zeros(1, 64, 2), r"\[B, T >= 1, 3\]"),
        (torch.zeros(64, 3), r"\[B, T >= 1, 3\]"),
        (torch.full((1, 64, 3), math.nan), "must be finite"),
        (torch.full((1, 64, 3), math.inf), "must be finite"),
        (torch.full((1, 64, 3), -1.1e5), r"within \+-100000, got 110000"),
    ):
        with pytest.raises(ValueError, match=message):
            klt.encode(bad)
        with pytest.raises(ValueError, match=message):
            KLTActionTokenizer(3, 64).fit(bad.repeat(100, *[1] * (bad.ndim - 1)))
    with pytest.raises(ValueError, match="at least 64 actions to learn from, got 63"):
        KLTActionTokenizer(3, 64).fit(torch.zeros(63, 64, 3))
    with pytest.raises(ValueError, match="a round of 10 codebooks needs as many components, got 8"):
        KLTActionTokenizer(2, 4).fit(torch.randn(64, 4, 2, generator=torch.Generator().manual_seed(0)))
    for call in (lambda new: new.encode(torch.zeros(1, 64, 3)), lambda new: new.decode(torch.zeros(1, 8).long())):
        with pytest.raises(ValueError, match="has not been fitted"):
            call(KLTActionTokenizer(3, 64))


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_tokens": 0},
        {"num_tokens": 33},
        {"max_tokens": 7},
        {"vocabulary": 64},
        {"components": 0},
        {"starts": 0},
        {"max_error": 0.0},
        {"max_error": math.nan},
        {"horizon": 0},
        {"action_dims": 0},
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        KLTActionTokenizer(**{"action_dims": 3, "horizon": 64, **arguments})


def test_more_tokens_than_were_fitted_are_refused(klt: KLTActionTokenizer) -> None:
    for count in (0, MAX_TOKENS + 1):
        with pytest.raises(ValueError, match=f"num_tokens must lie in 1..12, got {count}"):
            klt.with_num_tokens(count)


# Odd data to learn from


@pytest.mark.parametrize("kind", ["constant", "zeros", "one line", "an outlier", "a channel that rests", "tiny"])
def test_odd_data_can_be_learned_from(kind: str) -> None:
    rng = np.random.default_rng(0)
    actions = rng.normal(size=(300, 8, 3)).cumsum(1)
    actions = {
        "constant": lambda: np.ones((300, 8, 3)),
        "zeros": lambda: np.zeros((300, 8, 3)),
        "one line": lambda: rng.normal(size=(300, 1, 1)) * np.ones((1, 8, 3)),
        "an outlier": lambda: np.concatenate([1e-3 * actions[:-1], np.full((1, 8, 3), LARGEST_ACTION)]),
        "a channel that rests": lambda: actions * [1, 0, 1],
        "tiny": lambda: 1e-30 * actions,
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = KLTActionTokenizer(3, 8, num_tokens=32, max_tokens=32, vocabulary=65, max_error=0.1)
        tokenizer.fit(actions.astype(np.float32), iterations=2)
    assert all(bool(value.isfinite().all()) for value in tokenizer.state_dict().values())
    assert_bounded(tokenizer, actions)
    assert_bounded(tokenizer, rng.normal(size=(20, 8, 3)) * 10.0 ** rng.uniform(-6, 4, (20, 1, 1)))
