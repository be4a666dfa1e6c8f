from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, yaw_to_matrix
from reasoning_vla_ros.tokenizers import (
    DeltaXyzActionSpace,
    InvalidTokensError,
    TrajectoryTokenizer,
    UnicycleActionSpace,
    UniformActionTokenizer,
    create_tokenizer,
)

Driving = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_unicycle_space_returns_to_within_16_cm(seed: int, driving: Driving) -> None:
    """The original's bound; the smoothing and not the rounding makes the difference."""
    data = driving(4, seed)
    space = UnicycleActionSpace()
    xyz, rot = space.decode(*data[:2], space.encode(*data))
    assert (xyz - data[2]).norm(dim=-1).max() < 0.16
    assert (rot - data[3]).abs().max() < 0.02


@pytest.mark.parametrize("count", [3, 200])
def test_unicycle_tokens_come_back(count: int, driving: Driving) -> None:
    data = driving(count)
    tokenizer = create_tokenizer("unicycle+uniform", accel_std=0.7, curvature_std=0.03, num_bins=2999)
    ids = tokenizer.encode(*data)
    xyz, rot, stamps = tokenizer.decode(*data[:2], ids)
    assert ids.shape == (count, 128)
    assert ids.dtype == torch.int64
    assert stamps is None
    error = (xyz - data[2]).norm(dim=-1)
    # Half a bin of curvature, 1e-4 / m, held over the longest way, 180 m, leads 1.6 m to the side.
    assert error.max() < 1.7
    assert error.mean() < 0.15
    assert rot.shape == (count, 64, 3, 3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), waypoints=st.integers(1, 40))
def test_delta_steps_err_by_half_a_bin_each(seed: int, waypoints: int, driving: Driving) -> None:
    data = driving(3, seed, future=waypoints)
    tokenizer = create_tokenizer("delta_xyz+uniform")
    xyz, _, _ = tokenizer.decode(*data[:2], tokenizer.encode(*data))
    half_bin = torch.tensor([4.0, 4.0, 10.0]) / 999
    allowed = torch.arange(1, waypoints + 1)[:, None] * half_bin * 1.01 + 1e-4
    assert ((xyz - data[2]).abs() <= allowed).all()


def test_delta_heading_keeps_its_sign(driving: Driving) -> None:
    hist_xyz, hist_rot, fut_xyz, _ = driving(2)
    rot = yaw_to_matrix(torch.linspace(0.05, 2.5, 64)).expand(2, 64, 3, 3)
    tokenizer = create_tokenizer("delta_xyz+uniform", predict_yaw=True)
    ids = tokenizer.encode(hist_xyz, hist_rot, fut_xyz, rot)
    assert ids.shape == (2, 256)
    _, decoded, _ = tokenizer.decode(hist_xyz, hist_rot, ids)
    assert (matrix_to_yaw(decoded) - matrix_to_yaw(rot)).abs().max() < 64 * math.pi / 999


def test_the_history_is_encoded_as_the_model_does(driving: Driving) -> None:
    hist_xyz, hist_rot, *_ = driving(2)
    tokenizer = create_tokenizer("delta_xyz+uniform")
    assert tokenizer.num_tokens is None
    assert tokenizer.encode(hist_xyz[:, :1], hist_rot[:, :1], hist_xyz, hist_rot).shape == (2, 48)


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
@pytest.mark.parametrize("lead", [(), (6,), (2, 3), (0,)])
def test_any_leading_axes(spec: str, lead: tuple[int, ...], driving: Driving) -> None:
    tokenizer, flat = create_tokenizer(spec), driving(6)
    rows = math.prod(lead)
    data = [tensor[:rows].reshape(*lead, *tensor.shape[1:]) for tensor in flat]
    ids = tokenizer.encode(*data)
    xyz, rot, _ = tokenizer.decode(*data[:2], ids)
    assert ids.shape[:-1] == lead
    assert xyz.shape == (*lead, 64, 3)
    assert rot.shape == (*lead, 64, 3, 3)
    if rows:
        expected = tokenizer.encode(*(tensor[:rows] for tensor in flat))
        assert torch.equal(ids.reshape(rows, -1), expected)


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
@pytest.mark.parametrize(("given", "gives"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_dtypes(spec: str, given: torch.dtype, gives: torch.dtype, driving: Driving) -> None:
    tokenizer, data = create_tokenizer(spec), driving(2, dtype=given)
    xyz, rot, _ = tokenizer.decode(*data[:2], tokenizer.encode(*data))
    assert xyz.dtype == rot.dtype == gives
    assert bool(xyz.isfinite().all())


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
@pytest.mark.parametrize("which", [2, 3])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_future_that_is_not_finite_is_refused(spec: str, which: int, bad: float, driving: Driving) -> None:
    data = [tensor.clone() for tensor in driving(2)]
    data[which][1, 5, 0] = bad
    with pytest.raises(ValueError, match="must be finite"):
        create_tokenizer(spec).encode(*data)


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
def test_a_history_that_is_not_finite_is_refused_by_decode(spec: str, driving: Driving) -> None:
    data, tokenizer = driving(2), create_tokenizer(spec)
    ids = tokenizer.encode(*data)
    data[0][0, 3, 1] = math.nan
    with pytest.raises(ValueError, match=r"history xyz must be finite, got nan at index \[0, 3, 1\]"):
        tokenizer.decode(*data[:2], ids)


def test_shapes_that_do_not_fit_are_named(driving: Driving) -> None:
    hist_xyz, hist_rot, fut_xyz, fut_rot = driving(2)
    tokenizer = create_tokenizer("unicycle+uniform")
    with pytest.raises(ValueError, match="future trajectory must have length 64 but got 63"):
        tokenizer.encode(hist_xyz, hist_rot, fut_xyz[:, 1:], fut_rot[:, 1:])
    with pytest.raises(ValueError, match="history trajectory needs at least 1 pose, got 0"):
        tokenizer.encode(hist_xyz[:, :0], hist_rot[:, :0], fut_xyz, fut_rot)
    with pytest.raises(ValueError, match="history and future need the same batch"):
        tokenizer.encode(hist_xyz[:1], hist_rot[:1], fut_xyz, fut_rot)
    with pytest.raises(ValueError, match=r"future rot needs the shape \[\.\.\., T, 3, 3\], got \[2, 64, 4\]"):
        tokenizer.encode(hist_xyz, hist_rot, fut_xyz, torch.zeros(2, 64, 4))
    with pytest.raises(ValueError, match="history xyz and rot need the same leading axes"):
        tokenizer.encode(hist_xyz, hist_rot[:, 1:], fut_xyz, fut_rot)


def test_invalid_ids_are_refused(driving: Driving) -> None:
    data, tokenizer = driving(3), create_tokenizer("unicycle+uniform")
    ids = tokenizer.encode(*data)
    with pytest.raises(InvalidTokensError, match="a trajectory has 128 token ids, got 127"):
        tokenizer.decode(*data[:2], ids[:, :-1])
    with pytest.raises(InvalidTokensError, match="a trajectory has 128 token ids, got 130"):
        tokenizer.decode(*data[:2], torch.zeros(3, 130, dtype=torch.long))
    with pytest.raises(InvalidTokensError, match="integers"):
        tokenizer.decode(*data[:2], ids.float())
    with pytest.raises(InvalidTokensError, match="single number"):
        tokenizer.decode(*data[:2], torch.tensor(3))
    ids[1, 4] = 3000
    with pytest.raises(InvalidTokensError, match=r"lie in 0\.\.2999, got 3000 at row 1, column 4"):
        tokenizer.decode(*data[:2], ids)


def test_leniently_only_the_bad_row_is_lost(driving: Driving) -> None:
    data, tokenizer = driving(3), create_tokenizer("unicycle+uniform")
    ids = tokenizer.encode(*data)
    expected, expected_rot, _ = tokenizer.decode(*data[:2], ids)
    ids[1, 4] = -1
    xyz, rot, stamps, valid = tokenizer.decode(*data[:2], ids, strict=False)
    assert valid.tolist() == [True, False, True]
    assert stamps is None
    assert xyz[1].isnan().all()
    assert rot[1].isnan().all()
    assert torch.equal(xyz[valid], expected[valid])
    assert torch.equal(rot[valid], expected_rot[valid])
    xyz, _, _, valid = tokenizer.decode(*data[:2], ids[:, :100], strict=False)
    assert not valid.any()
    assert xyz.shape == (3, 64, 3)
    assert xyz.isnan().all()


def test_parts_must_agree_on_the_dimensions() -> None:
    with pytest.raises(ValueError, match="'unicycle' has 2 dimensions, action tokenizer 'uniform' takes 3"):
        TrajectoryTokenizer(UnicycleActionSpace(), UniformActionTokenizer(3))
    by_hand = TrajectoryTokenizer(DeltaXyzActionSpace(), UniformActionTokenizer(3))
    assert by_hand.vocab_size == 256


def test_a_parked_car_stays_parked_with_an_odd_number_of_bins() -> None:
    still = torch.zeros(1, 64, 3)
    rot = torch.eye(3).expand(1, 64, 3, 3)
    for spec in ("unicycle+uniform", "delta_xyz+uniform"):
        tokenizer = create_tokenizer(spec, num_bins=999)
        data = (still[:, :16], rot[:, :16], still, rot)
        xyz, decoded_rot, _ = tokenizer.decode(*data[:2], tokenizer.encode(*data))
        assert torch.equal(xyz, still)
        assert torch.equal(decoded_rot, rot)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
@pytest.mark.parametrize("count", [2, 100])
def test_the_device_follows_the_input(spec: str, count: int, driving: Driving) -> None:
    data, tokenizer = driving(count), create_tokenizer(spec)
    on_device = [tensor.cuda() for tensor in data]
    ids = tokenizer.encode(*on_device)
    xyz, rot, _ = tokenizer.decode(*on_device[:2], ids)
    assert {ids.device.type, xyz.device.type, rot.device.type} == {"cuda"}
    assert (ids.cpu() - tokenizer.encode(*data)).abs().max() <= 1
    torch.testing.assert_close(xyz.cpu(), tokenizer.decode(*data[:2], ids.cpu())[0], rtol=1e-5, atol=1e-4)
