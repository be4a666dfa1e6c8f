from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import (
    InvalidTokensError,
    KDisksActionTokenizer,
    PlanarPoseActionSpace,
    create_action_tokenizer,
    create_tokenizer,
)


@pytest.fixture(scope="module")
def fitted(driving: Callable) -> KDisksActionTokenizer:
    data = driving(1000, seed=1)
    return KDisksActionTokenizer(horizon=64, num_disks=256).fit(PlanarPoseActionSpace().encode(*data))


def grid(horizon: int | None = None, segment_steps: int = 2) -> KDisksActionTokenizer:
    """Standing, 2 m ahead, and 2 m ahead into a quarter turn to the left."""
    tokenizer = KDisksActionTokenizer(horizon=horizon, segment_steps=segment_steps, num_disks=3)
    quarter = math.pi / 2
    disks = [[[0, 0, 0], [0, 0, 0]], [[1, 0, 0], [2, 0, 0]], [[1, 0, 0], [2, 0, quarter]]]
    tokenizer.load_state_dict({"disks": torch.tensor(disks, dtype=torch.float32)})
    return tokenizer


def test_motions_are_driven_one_after_the_other() -> None:
    path = grid().decode(torch.tensor([[2, 1, 0]]))[0]
    left = math.pi / 2
    expected = [[1, 0, 0], [2, 0, left], [2, 1, left], [2, 2, left], [2, 2, left], [2, 2, left]]
    torch.testing.assert_close(path, torch.tensor(expected))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_what_the_motions_can_drive_is_encoded_exactly(ids: list[int]) -> None:
    tokenizer = grid()
    tokens = torch.tensor([ids])
    path = tokenizer.decode(tokens, dtype=torch.float64)
    assert torch.equal(tokenizer.encode(path), tokens)
    turned_back = path.clone()
    turned_back[..., 2] = torch.remainder(path[..., 2] + math.pi, 2 * math.pi) - math.pi
    assert torch.equal(tokenizer.encode(turned_back), tokens)


def test_each_segment_is_matched_from_where_the_tokens_lead() -> None:
    """A path at 1.5 m a segment: in an open loop each would round to 2 m, and the error would grow."""
    path = torch.zeros(1, 16, 3)
    path[0, :, 0] = torch.arange(1, 17) * 0.75
    tokenizer = grid()
    assert (tokenizer.decode(tokenizer.encode(path)) - path)[..., 0].abs().max() <= 1.5


def test_a_last_segment_may_be_shorter() -> None:
    tokenizer = grid(horizon=3)
    assert tokenizer.num_tokens == 2
    path = torch.tensor([[[1.0, 0, 0], [2, 0, 0], [3, 0, 0]]])
    assert tokenizer.encode(path).tolist() == [[1, 1]]
    torch.testing.assert_close(tokenizer.decode(torch.tensor([[1, 1]])), path)


def test_drives_stay_near_everywhere(fitted: KDisksActionTokenizer, driving: Callable) -> None:
    tokenizer = create_tokenizer("planar_pose+kdisks", num_disks=256)
    tokenizer.action_tokenizer.load_state_dict(fitted.state_dict())
    data = driving(500, seed=2)
    ids = tokenizer.encode(*data)
    assert ids.shape == (500, tokenizer.num_tokens) == (500, 13)
    xyz, rot, _ = tokenizer.decode(*data[:2], ids)
    error = (xyz - data[2]).norm(dim=-1)
    assert error.mean() < 0.15
    assert error.max() < 2.0
    assert error[:, -1].mean() < 2 * error.mean()
    turned = torch.einsum("...ji,...jk->...ik", rot, data[3])
    assert torch.atan2(turned[..., 1, 0], turned[..., 0, 0]).abs().mean() < 0.02


def test_who_stands_still_stays_exactly(fitted: KDisksActionTokenizer) -> None:
    ids = fitted.encode(torch.zeros(1, 64, 3))
    assert ids.tolist() == [[0] * 13]
    assert not fitted.decode(ids).any()


def test_saved_and_loaded(fitted: KDisksActionTokenizer, driving: Callable, tmp_path: Path) -> None:
    path = PlanarPoseActionSpace().encode(*driving(5))
    fitted.save_pretrained(tmp_path)
    for loaded in (KDisksActionTokenizer.from_pretrained(tmp_path), create_action_tokenizer(tmp_path)):
        assert torch.equal(loaded.encode(path), fitted.encode(path))
        assert torch.equal(loaded.decode(fitted.encode(path)), fitted.decode(fitted.encode(path)))
    arrays = fitted.encode(path.numpy())
    assert isinstance(arrays, np.ndarray)
    np.testing.assert_array_equal(fitted.decode(arrays), fitted.decode(fitted.encode(path)).numpy())
    with pytest.raises(ValueError, match=r"needs disks \[256, 5, 3\], got \{'disks': \[3, 5, 3\]\}"):
        fitted.load_state_dict({"disks": torch.zeros(3, 5, 3)})


def test_the_same_seed_fits_the_same(driving: Callable) -> None:
    path = PlanarPoseActionSpace().encode(*driving(50))
    one, two = (KDisksActionTokenizer(horizon=64, num_disks=32).fit(path, seed=3).disks for _ in range(2))
    assert torch.equal(one, two)
    few = KDisksActionTokenizer(horizon=64, num_disks=64).fit(path[:2])
    assert few.disks.shape == (64, 5, 3)
    assert torch.isfinite(few.disks).all()


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), max_size=3), st.integers(1, 3))
def test_any_ids_decode_or_are_refused(rows: list[list[int]], count: int) -> None:
    tokenizer = grid(horizon=3)
    tokens = torch.tensor(rows, dtype=torch.long).reshape(-1, 3)[:, :count]
    paths, valid = tokenizer.decode(tokens, strict=False)
    assert paths.shape == (len(rows), 3, 3)
    for row, path, good in zip(tokens, paths, valid, strict=True):
        assert bool(good) == (count == 2 and bool(((row >= 0) & (row < 3)).all()))
        if good:
            assert torch.isfinite(path).all()
        else:
            assert path.isnan().all()
            with pytest.raises(InvalidTokensError):
                tokenizer.decode(row[None])


def test_refusals() -> None:
    with pytest.raises(ValueError, match="'kdisks' has no disks yet; fit it"):
        KDisksActionTokenizer().encode(torch.zeros(1, 5, 3))
    with pytest.raises(ValueError, match="as of the action space 'planar_pose'; got 2 dimensions"):
        create_tokenizer("unicycle+kdisks")
    with pytest.raises(ValueError, match=r"need a multiple of 2 steps, got the shape \[1, 3, 3\]"):
        grid().encode(torch.zeros(1, 3, 3))
    with pytest.raises(ValueError, match=r"need 3 steps, got the shape \[1, 4, 3\]"):
        grid(3).encode(torch.zeros(1, 4, 3))
    with pytest.raises(ValueError, match="must be finite"):
        grid().encode(torch.full((1, 2, 3), math.nan))
    with pytest.raises(ValueError, match="fit needs a path of 5 poses or more"):
        KDisksActionTokenizer(horizon=4).fit(torch.zeros(2, 4, 3))
    for arguments in ({"num_disks": 1}, {"segment_steps": 0}, {"horizon": 0}, {"yaw_weight_m": 0.0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            KDisksActionTokenizer(**arguments)


def test_the_space_keeps_a_full_turn_without_a_jump() -> None:
    yaw = torch.arange(1, 11) * 1.0
    rot = torch.zeros(1, 10, 3, 3)
    rot[..., 0, 0] = rot[..., 1, 1] = yaw.cos()
    rot[..., 1, 0], rot[..., 0, 1], rot[..., 2, 2] = yaw.sin(), -yaw.sin(), 1
    xyz = torch.cat([torch.rand(1, 10, 2), torch.zeros(1, 10, 1)], -1)
    space = PlanarPoseActionSpace(horizon=None)
    actions = space.encode(xyz, rot, xyz, rot)
    torch.testing.assert_close(actions[0, :, 2], yaw)
    back = space.decode(xyz, rot, actions)
    torch.testing.assert_close(back[0], xyz)
    torch.testing.assert_close(back[1], rot)
    with pytest.raises(ValueError, match="must have length 64 but got 10"):
        PlanarPoseActionSpace().encode(xyz, rot, xyz, rot)
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        PlanarPoseActionSpace(horizon=0)
