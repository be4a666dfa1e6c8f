from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.heading import path_direction, travel_heading, velocity_filter


def fitted_heading(xy: np.ndarray) -> np.ndarray:
    """The published method, window by window."""
    count, headings = len(xy), []
    for i in range(count):
        begin = max(0, min(i - 5, count - 10))
        window = xy[begin : begin + 10]
        times = np.arange(len(window))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            slopes = [np.polyval(np.polyder(np.polyfit(times, window[:, k], 3)), i - begin) for k in range(2)]
        headings.append(np.arctan2(slopes[1], slopes[0]))
    return np.array(headings)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 9, 10, 11, 64])
def test_the_filter_is_the_fit(count: int) -> None:
    xy = np.cumsum(np.random.default_rng(count).normal([1.0, 0.2], 0.3, (count, 2)), axis=0) + 50
    cos, sin = path_direction(torch.tensor(xy))
    heading = fitted_heading(xy)
    np.testing.assert_allclose(cos.numpy(), np.cos(heading), atol=1e-8)
    np.testing.assert_allclose(sin.numpy(), np.sin(heading), atol=1e-8)


def test_cubics_are_followed_exactly() -> None:
    times = np.arange(30.0)
    x, y = 0.001 * times**3 + times, 0.02 * times**2
    cos, sin = path_direction(torch.tensor(np.stack([x, y], -1)))
    slope = 0.04 * times / (0.003 * times**2 + 1)
    np.testing.assert_allclose(sin.numpy() / cos.numpy(), slope, atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_standing_still_has_heading_zero(count: int) -> None:
    cos, sin = path_direction(torch.full((3, count, 2), 123.456))
    assert torch.equal(cos, torch.ones(3, count))
    assert torch.equal(sin, torch.zeros(3, count))


def test_the_shared_filter_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        velocity_filter(8)[0, 0] = 1


def driven(yaw: torch.Tensor, step_m: torch.Tensor) -> torch.Tensor:
    """Points [..., T, 2] of a vehicle with headings yaw [..., T + 1], the first at the origin."""
    middle = (yaw[..., 1:] + yaw[..., :-1]) / 2
    return torch.cumsum(torch.stack([step_m * middle.cos(), step_m * middle.sin()], -1), -2)


@pytest.mark.parametrize("rate", [0.05, -0.05, 0.3, -0.5])
@pytest.mark.parametrize("direction", [1, -1])
def test_circles_are_followed_through_all_turns(rate: float, direction: int) -> None:
    """Forwards and backwards, 3 to 32 radians round."""
    yaw = rate * torch.arange(65, dtype=torch.float64)
    heading = travel_heading(driven(yaw, direction * torch.ones(64, dtype=torch.float64)))
    error = (heading - yaw[1:]).abs()
    assert error[5:-5].max() < 0.01
    # Nothing lies beyond the ends, where the filter looks to one side only.
    assert error.max() < 0.01 + abs(rate)


def test_a_cusp_does_not_turn_the_vehicle_round() -> None:
    time = torch.arange(65, dtype=torch.float64)
    yaw = 0.02 * time
    heading = travel_heading(driven(yaw, torch.where(time[1:] < 30, 0.5, -0.5)))
    assert (heading - yaw[1:]).abs().max() < 0.05


@pytest.mark.parametrize("size_m", [0.0, 1e-30, 1e-3, 3e-3])
@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_standing_still_or_nearly_so_is_no_turn(count: int, size_m: float) -> None:
    jitter = size_m * torch.randn(200, count, 2, generator=torch.Generator().manual_seed(0))
    heading = travel_heading(jitter)
    assert heading.shape == (200, count)
    assert not heading.any()


@pytest.mark.parametrize("noise_m", [0.01, 0.02, 0.05])
def test_jitter_does_not_turn_a_vehicle_round(noise_m: float) -> None:
    """Parked after a turn, creeping, or driving: never off by more than the noise explains."""
    generator = torch.Generator().manual_seed(0)
    yaw = torch.cat([torch.linspace(0, 1.2, 30), torch.full((35,), 1.2)]).double()
    speed_m = torch.cat([torch.full((34,), 0.6), torch.linspace(0.6, 0, 10), torch.zeros(20)]).double()
    path = driven(yaw, speed_m) + noise_m * torch.randn(500, 64, 2, generator=generator, dtype=torch.float64)
    assert (travel_heading(path) - yaw[1:]).abs().max() < 0.1 + 15 * noise_m


def test_a_stop_keeps_the_heading() -> None:
    yaw = torch.full((65,), 0.8, dtype=torch.float64)
    yaw[:20] = 0.04 * torch.arange(20)
    moving = torch.where(torch.arange(64) < 40, 0.5, 0.0).double()
    heading = travel_heading(driven(yaw, moving))
    assert (heading[5:39] - yaw[6:40]).abs().max() < 0.03
    assert (heading[5:] - yaw[6:]).abs().max() < 0.03


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(0, 10**6), st.floats(-20, 5))
def test_any_path_has_finite_headings_row_by_row(count: int, seed: int, exponent: float) -> None:
    xy = 10**exponent * torch.randn(3, 2, count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    heading = travel_heading(xy)
    assert torch.isfinite(heading).all()
    torch.testing.assert_close(travel_heading(xy[1, 0]), heading[1, 0])
    # No step of the heading is more than a quarter turn.
    assert (heading.diff(dim=-1).abs() <= np.pi / 2 + 1e-9).all()
    xy[0, 1] = torch.nan
    assert travel_heading(xy)[0, 1].isnan().all()
    torch.testing.assert_close(travel_heading(xy)[1:], heading[1:])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_headings_have_the_dtype_of_the_path(dtype: torch.dtype) -> None:
    yaw = 0.01 * torch.arange(17, dtype=torch.float64)
    heading = travel_heading(driven(yaw, torch.ones(16, dtype=torch.float64)).to(dtype))
    assert heading.dtype == dtype
    assert (heading.double() - yaw[1:]).abs().max() < 0.05
