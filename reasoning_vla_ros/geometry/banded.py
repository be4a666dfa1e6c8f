"""Symmetric positive definite banded systems, many at once.

A matrix of bandwidth k is kept as its lower bands [N, k + 1, B]: `bands[i, j]` is the entry (i, i - j) of each of the
B matrices; entries before the first column are not read. Time is the leading axis, so that each step of the
elimination is one operation on B contiguous numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray


def solve_banded(bands: torch.Tensor, rhs: torch.Tensor) -> torch.Tensor:
    """Solves A x = rhs for B symmetric positive definite banded matrices by a root-free Cholesky factorisation.

    Args:
        bands: lower bands [N, k + 1, B]; B may be 1 where all systems share a band.
        rhs: [N, B].

    Returns:
        x [N, B].

    Raises:
        ValueError: shapes that do not fit, or a matrix that is not positive definite.
    """
    if bands.ndim != 3 or rhs.ndim != 2 or bands.shape[0] != rhs.shape[0] or bands.shape[2] not in (1, rhs.shape[1]):
        raise ValueError(
            f"bands [N, k + 1, B] and rhs [N, B] need to fit, got {list(bands.shape)} and {list(rhs.shape)}"
        )
    # A = L D L^T, forward substitution along the way, then back substitution.
    size, width, _ = bands.shape
    inverse_pivots: list[torch.Tensor] = []
    lower: list[list[torch.Tensor]] = []  # lower[i][j - 1] is L[i, i - j]
    forward: list[torch.Tensor] = []
    worst = bands.new_full((), torch.inf)
    for i in range(size):
        reach = min(width - 1, i)
        scaled: dict[int, torch.Tensor] = {}  # (L D)[i, i - j]
        for j in range(reach, 0, -1):
            value = bands[i, j].clone()
            for m in range(j + 1, reach + 1):
                value.addcmul_(scaled[m], lower[i - j][m - j - 1], value=-1)
            scaled[j] = value
        pivot, right, row = bands[i, 0].clone(), rhs[i].clone(), []
        for j in range(1, reach + 1):
            factor = scaled[j] * inverse_pivots[i - j]
            pivot.addcmul_(scaled[j], factor, value=-1)
            right.addcmul_(factor, forward[i - j], value=-1)
            row.append(factor)
        worst = torch.minimum(worst, pivot.min()) if pivot.numel() else worst
        inverse_pivots.append(pivot.reciprocal())
        lower.append(row)
        forward.append(right)
    _require_positive(worst)
    solution: list[torch.Tensor] = [rhs[0]] * size
    for i in range(size - 1, -1, -1):
        value = forward[i].mul_(inverse_pivots[i])
        for j in range(1, min(width - 1, size - 1 - i) + 1):
            value.addcmul_(lower[i + j][j - 1], solution[i + j], value=-1)
        solution[i] = value
    return torch.stack(solution)


def _require_positive(pivot: torch.Tensor) -> None:
    if not bool(pivot > 0):
        raise ValueError(f"the matrices need to be positive definite, got a pivot of {float(pivot)}")


@lru_cache(maxsize=64)
def difference_gram(size: int, order: int) -> NDArray[np.float64]:
    """D^T D [size, size] for the differences of the given order; zeros where `size` points have none."""
    if size <= order:
        return np.zeros((size, size))
    difference = np.diff(np.eye(size), n=order, axis=0)
    return np.asarray(difference.T @ difference)


def lower_bands(matrix: NDArray[np.float64], bandwidth: int) -> NDArray[np.float64]:
    """Lower bands [N, bandwidth + 1] of a symmetric matrix [N, N]; zeros before the first column."""
    size = len(matrix)
    bands = np.zeros((size, bandwidth + 1))
    for j in range(min(bandwidth + 1, size)):
        bands[j:, j] = matrix.diagonal(-j)
    return bands
