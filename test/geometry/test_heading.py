from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from reasoning_vla_ros.geometry.heading import path_direction, velocity_filter


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
