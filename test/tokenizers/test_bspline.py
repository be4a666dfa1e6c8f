from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import (
    BSplineActionTokenizer,
    InvalidTokensError,
    create_action_tokenizer,
    create_tokenizer,
)

TIMES = torch.linspace(0, 1, 20, dtype=torch.float64)


@pytest.mark.parametrize("from_zero", [False, True])
def test_polynomials_of_the_degree_are_exact_but_for_the_bins(from_zero: bool) -> None:
    times = torch.arange(1, 21, dtype=torch.float64) / 20 if from_zero else TIMES
    actions = torch.stack([3 * times**4 - 2 * times, times**2 + (0 if from_zero else 5)], -1)[None]
    tokenizer = BSplineActionTokenizer(
        2, 20, 6, bins_per_dim=100_001, action_range=[(-3, 3), (-2, 8)], from_zero=from_zero
    )
    ids = tokenizer.encode(actions)
    assert ids.shape == (1, 12)
    assert tokenizer.num_tokens == 12
    assert (tokenizer.decode(ids, dtype=torch.float64) - actions).abs().max() < 1e-4


def test_control_points_stand_in_the_order_of_time_side_by_side() -> None:
    tokenizer = BSplineActionTokenizer(2, 20, 5, bins_per_dim=3)
    ids = torch.tensor([[0, 1, 1, 1, 1, 1, 1, 1, 1, 2]])
    actions = tokenizer.decode(ids)[0]
    assert actions[0].tolist() == pytest.approx([-1, 0], abs=1e-6)
    assert actions[-1].tolist() == pytest.approx([0, 1], abs=1e-6)


def test_half_a_bin_bounds_the_error_of_a_spline() -> None:
    """B-splines are positive and add up to one, so no error exceeds the largest of the control points."""
    tokenizer = BSplineActionTokenizer(3, 30, 7, bins_per_dim=64)
    fine = BSplineActionTokenizer(3, 30, 7, bins_per_dim=1_000_001)
    ids = torch.randint(0, 1_000_001, (50, 21), generator=torch.Generator().manual_seed(0))
    splines = fine.decode(ids, dtype=torch.float64)
    error = tokenizer.decode(tokenizer.encode(splines), dtype=torch.float64) - splines
    assert error.abs().max() <= 1 / 63 + 1e-5


def test_fit_gives_each_control_point_its_range(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    actions = torch.randn(200, 1, 2, generator=generator) * TIMES[:, None].float() * torch.tensor([1.0, 30.0])
    tokenizer = BSplineActionTokenizer(2, 20, 5)
    assert tokenizer.state_dict() == {}
    tokenizer.fit(actions)
    error = (tokenizer.decode(tokenizer.encode(actions)) - actions).abs().amax(0)
    reach = actions.abs().amax(0)[-1]
    assert (error <= reach / 255 * 1.01).all()
    assert (error[0] <= 1e-5 * reach).all()
    tokenizer.save_pretrained(tmp_path)
    for loaded in (BSplineActionTokenizer.from_pretrained(tmp_path), create_action_tokenizer(tmp_path)):
        assert torch.equal(loaded.encode(actions), tokenizer.encode(actions))
        assert torch.equal(loaded.decode(tokenizer.encode(actions)), tokenizer.decode(tokenizer.encode(actions)))
    with pytest.raises(ValueError, match=r"needs ranges \[10, 2\], got \{'ranges': \[3, 2\]\}"):
        tokenizer.load_state_dict({"ranges": torch.zeros(3, 2)})


def test_drives_are_smooth_and_near(driving: Callable) -> None:
    data = driving(300)
    tokenizer = create_tokenizer("pose+bspline", from_zero=True)
    tokenizer.action_tokenizer.fit(tokenizer.action_space.encode(*data))
    ids = tokenizer.encode(*data)
    assert ids.shape == (300, tokenizer.num_tokens) == (300, 30)
    assert (tokenizer.decode(*data[:2], ids)[0] - data[2]).norm(dim=-1).mean() < 0.1


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-1, 256), min_size=10, max_size=10), max_size=3), st.integers(8, 10))
def test_any_ids_decode_or_are_refused(rows: list[list[int]], count: int) -> None:
    tokenizer = BSplineActionTokenizer(2, 9, 5)
    tokens = torch.tensor(rows, dtype=torch.long).reshape(-1, 10)[:, :count]
    actions, valid = tokenizer.decode(tokens, strict=False)
    assert actions.shape == (len(rows), 9, 2)
    for row, values, good in zip(tokens, actions, valid, strict=True):
        assert bool(good) == (count == 10 and bool(((row >= 0) & (row < 256)).all()))
        if good:
            assert torch.isfinite(values).all()
        else:
            assert values.isnan().all()
            with pytest.raises(InvalidTokensError):
                tokenizer.decode(row[None])


def test_numpy_and_refusals() -> None:
    tokenizer = BSplineActionTokenizer(2, 20)
    actions = np.zeros((3, 20, 2), np.float32)
    ids = tokenizer.encode(actions)
    assert isinstance(ids, np.ndarray)
    np.testing.assert_array_equal(tokenizer.decode(ids), tokenizer.decode(torch.from_numpy(ids)).numpy())
    with pytest.raises(ValueError, match=r"need 20 steps, got the shape \[1, 19, 2\]"):
        tokenizer.encode(torch.zeros(1, 19, 2))
    actions[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="actions must be finite"):
        tokenizer.encode(actions)
    for points in (4, 21):
        with pytest.raises(ValueError, match=rf"must lie in degree \+ 1..horizon, got {points} with degree 4 and hor"):
            BSplineActionTokenizer(2, 20, points)


def test_what_a_fit_found_is_a_config() -> None:
    actions = torch.randn(200, 20, 2, generator=torch.Generator().manual_seed(1)).cumsum(1)
    fitted = BSplineActionTokenizer(2, 20, 5).fit(actions)
    ranges = fitted.state_dict()["ranges"].tolist()
    told = BSplineActionTokenizer(2, 20, 5, action_range=ranges)
    assert torch.equal(told.encode(actions), fitted.encode(actions))
    assert torch.equal(create_action_tokenizer(told.to_config()).encode(actions), fitted.encode(actions))
    with pytest.raises(ValueError, match="pairs, got 3"):
        BSplineActionTokenizer(2, 20, 5, action_range=ranges[:3])
