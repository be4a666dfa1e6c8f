from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.banded import difference_gram, lower_bands, solve_banded


def systems(seed: int, size: int, bandwidth: int, count: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    factor = np.triu(np.tril(rng.normal(size=(count, size, size))), -bandwidth) + 3 * np.eye(size)
    matrices = factor @ factor.swapaxes(-1, -2)
    bands = np.stack([lower_bands(matrix, bandwidth) for matrix in matrices], axis=-1)
    return matrices, torch.tensor(bands), torch.tensor(rng.normal(size=(size, count)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(0, 4), st.sampled_from([1, 3, 70]))
def test_agrees_with_numpy(seed: int, size: int, bandwidth: int, count: int) -> None:
    matrices, bands, right = systems(seed, size, bandwidth, count)
    expected = np.linalg.solve(matrices, right.numpy().T[..., None])[..., 0]
    np.testing.assert_allclose(solve_banded(bands, right).numpy().T, expected, rtol=1e-6, atol=1e-8)


def test_inputs_are_left_alone() -> None:
    _, bands, right = systems(0, 8, 2, 60)
    before = bands.clone(), right.clone()
    solve_banded(bands, right)
    assert torch.equal(bands, before[0])
    assert torch.equal(right, before[1])


def test_no_systems_give_no_solutions() -> None:
    assert solve_banded(torch.ones(5, 2, 0), torch.ones(5, 0)).shape == (5, 0)


@pytest.mark.parametrize("count", [2, 100])
def test_an_indefinite_matrix_is_refused(count: int) -> None:
    bands = torch.ones(4, 2, count, dtype=torch.float64)
    bands[2, 0, 1] = -1
    with pytest.raises(ValueError, match="positive definite"):
        solve_banded(bands, torch.ones(4, count, dtype=torch.float64))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \[4, 2, 3\] and \[5, 3\]"):
        solve_banded(torch.ones(4, 2, 3), torch.ones(5, 3))


def test_differences_of_polynomials_vanish() -> None:
    times = np.arange(9.0)
    assert times**2 @ difference_gram(9, 3) @ times**2 == pytest.approx(0, abs=1e-9)
    assert times**3 @ difference_gram(9, 3) @ times**3 == pytest.approx(6 * 36)
    assert not difference_gram(3, 3).any()
