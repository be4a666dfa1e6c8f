"""Codebooks: the nearest code, and k-means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

# Rows whose distances to a thousand codes still fit a core's cache.
_ROWS = 256


class CodebookUse(NamedTuple):
    """How much of a codebook is in use.

    Attributes:
        perplexity: exp of the entropy of the codes' shares: as many codes, equally used, would be as rich.
        used_share: share of the codes that were chosen at all.
    """

    perplexity: float
    used_share: float


def codebook_use(indices: torch.Tensor, num_codes: int) -> CodebookUse:
    """The use of a codebook of `num_codes` by these indices, of any shape; (0, 0) of none."""
    counts = torch.bincount(indices.flatten(), minlength=num_codes).double()
    share = counts / counts.sum().clamp_min(1)
    entropy = -torch.special.xlogy(share, share).sum()
    perplexity = float(entropy.exp()) if indices.numel() else 0.0
    return CodebookUse(perplexity, float((counts > 0).double().mean()))


def nearest_code(points: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Indices, int64 [P], of the codes [V, K] nearest to points [P, K]; of equally near ones the first."""
    bias, directions = (codes * codes).sum(1), -2 * codes.T
    if points.device.type != "cpu" or points.dtype != torch.float32:
        # One row's distances lie in memory once at a time at most, so that a large batch does not fill it.
        return torch.cat([torch.addmm(bias, p, directions).argmin(1) for p in points.split(16384)])
    # One product gives all of it, into memory that stays in the cache; numpy's argmin is several times torch's.
    points = torch.cat([points.detach(), points.new_ones(len(points), 1)], 1)
    table = torch.cat([directions, bias[None]]).detach()
    distances = points.new_empty(min(_ROWS, len(points)), len(codes))
    found = np.empty(len(points), np.int64)
    for start in range(0, len(points), _ROWS):
        rows = points[start : start + _ROWS]
        np.argmin(torch.mm(rows, table, out=distances[: len(rows)]).numpy(), 1, out=found[start : start + len(rows)])
    return torch.from_numpy(found)


def kmeans(
    points: torch.Tensor,
    num_codes: int,
    *,
    iterations: int = 10,
    weights: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Codes [num_codes, K] that lie near points [P, K]: k-means, begun as k-means++ does but many at a time.

    Half of the codes begin at random points and the rest, in turns, at points drawn by their distance from the codes
    so far. Codes that no point chooses are begun anew likewise. With fewer points than codes, points repeat with a
    little noise, so that no two codes are equal.

    Args:
        points: [P >= 1, K].
        num_codes: how many codes.
        iterations: of Lloyd's algorithm.
        weights: [P], how much each point counts.
        generator: of everything random.
    """
    points = points.detach()
    weights = points.new_ones(len(points)) if weights is None else weights
    if len(points) < num_codes:
        copies = -(-num_codes // len(points))
        noise = torch.randn(copies * len(points), points.shape[1], generator=generator).to(points)
        scale = 1e-3 * points.std(0, correction=0).mean() + 1e-6
        points, weights = points.repeat(copies, 1) + scale * noise, weights.repeat(copies)
    start = torch.randperm(len(points), generator=generator)[: max(num_codes // 2, 1)].to(points.device)
    codes = points[start]
    while len(codes) < num_codes:
        wanted = min(num_codes - len(codes), max(num_codes // 8, 1))
        codes = torch.cat([codes, _far_points(points, codes, weights, wanted, generator)])
    for iteration in range(iterations):
        nearest = nearest_code(points, codes)
        codes = _centroids(points, nearest, weights, codes)
        dead = (torch.bincount(nearest, minlength=num_codes) == 0).nonzero()[:, 0]
        if len(dead) and iteration < iterations - 1:
            codes[dead] = _far_points(points, codes, weights, len(dead), generator)
    return codes


def sums_by_code(points: torch.Tensor, indices: torch.Tensor, num_codes: int) -> torch.Tensor:
    """Sums [V, K] of the points [P, K] of each code."""
    # A count a column is quicker on a CPU than index_add, and free of its races on a GPU.
    columns = [torch.bincount(indices, column, minlength=num_codes) for column in points.unbind(1)]
    return torch.stack(columns, 1).to(points.dtype)


def _centroids(points: torch.Tensor, nearest: torch.Tensor, weights: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    counts = torch.bincount(nearest, weights, minlength=len(codes)).to(points.dtype)[:, None]
    sums = sums_by_code(points * weights[:, None], nearest, len(codes))
    return torch.where(counts > 0, sums / counts.clamp_min(1e-12), codes)


def _far_points(
    points: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor, count: int, generator: torch.Generator | None
) -> torch.Tensor:
    """Points drawn by their distance from the codes."""
    distance = (points - codes[nearest_code(points, codes)]).norm(dim=1) * weights
    # Distances of exactly zero everywhere must still allow a draw; multinomial takes at most 2**24 categories.
    share = (distance + 1e-12 + 1e-6 * distance.mean()).cpu()[: 2**24]
    return points[torch.multinomial(share, count, generator=generator).to(points.device)]
