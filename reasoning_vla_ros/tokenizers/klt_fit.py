"""Learns the transform and the codebooks of `klt`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers import klt_codes
from reasoning_vla_ros.tokenizers.klt_codes import Floats, Round, Step

# Components that a single book of a whole token codes, by round. Further ones only lead k-means astray: of 100,000
# drives 8 tokens lost 1.4 cm with 12, 8 and 6 components in a book and 1.6 cm with 40.
_WIDE_BOOK = (12, 8, 6)
# So many rows' worth of the books' average goes into each choice's scale.
_SHRINKAGE = 30.0
_SMALLEST_SCALE = 1e-3
_ROWS = 16384


def transform(rows: NDArray[np.float64], components: int) -> tuple[Floats, Floats, Floats]:
    """Mean [M], basis [M, C] with orthonormal columns by falling variance, and deviations [C], of rows [B, M]."""
    mean = rows.mean(0)
    centred = rows - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    basis = vectors[:, ::-1][:, :components]
    # The sign of an eigenvector is arbitrary; a fixed one makes fits on other machines comparable.
    basis = basis * np.where(basis.sum(0) < 0, -1.0, 1.0)
    deviation = np.sqrt(np.maximum(variances[::-1][:components], 0))
    floor = 1e-6 * deviation[0] + 1e-9
    return mean.astype(np.float32), basis.astype(np.float32), np.maximum(deviation, floor).astype(np.float32)


def fit_rounds(
    components: Floats,
    spread: Floats,
    tokens_per_round: list[int],
    ids: int,
    *,
    iterations: int,
    seed: int,
    on_round: Callable[[int, int], None] | None = None,
) -> tuple[list[Round], list[list[int]]]:
    """Codebooks for component vectors [B, C], and the sizes of the books of each token.

    Each round is trained on what the rounds before it leave over of these vectors. The bits of a round go to the
    components by reverse water-filling of their remaining energy.

    Args:
        components: [B, C].
        spread: [C], the first scale.
        tokens_per_round: how many tokens each round makes.
        ids: how many ids a token may have.
        iterations: of k-means.
        seed: of everything random.
        on_round: called with (rounds done, rounds).
    """
    generator = torch.Generator().manual_seed(seed)
    residual = components / spread
    scale = np.broadcast_to(spread, components.shape).copy()
    every = np.arange(len(spread))
    rounds: list[Round] = []
    sizes: list[list[int]] = []
    for position, tokens in enumerate(tokens_per_round):
        # A book of all ids is slow to search and large to store; beyond the first rounds it buys little.
        token_sizes = klt_codes.book_sizes(ids, len(components), fewest=1 if position < len(_WIDE_BOOK) else 2)
        energy = np.einsum("bc,bc,bc,bc->c", residual, residual, scale, scale, dtype=np.float64) / len(residual)
        if len(token_sizes) == 1:
            groups = [list(np.argsort(-energy)[: _WIDE_BOOK[position]])]
        else:
            groups = share_out(energy, tokens * len(token_sizes), math.log2(token_sizes[0]))
        one = _fit_round(residual, scale, groups, token_sizes[0], iterations, generator)
        rounds.append(one)
        sizes += [token_sizes] * tokens
        step = Step(one, every)
        for start in range(0, len(residual), _ROWS):
            part = slice(start, start + _ROWS)
            codes = step.search(residual[part], scale[part])
            residual[part], scale[part] = step.leave(residual[part], scale[part], codes)
        if on_round is not None:
            on_round(position + 1, len(tokens_per_round))
    return rounds, sizes


def share_out(energy: NDArray[np.float64], books: int, bits: float) -> list[list[int]]:
    """Which components each of the books codes, those of most energy first; each component goes to one book at most.

    Reverse water-filling (Cover and Thomas, 10.3.3) gives bits to components; consecutive components share a book
    until its bits are used up.
    """
    wanted = water_fill(energy, books * bits, bits)
    order = [int(i) for i in np.argsort(-energy)]
    groups: list[list[int]] = []
    group: list[int] = []
    total = 0.0
    for i in order:
        if wanted[i] <= 0 and len(groups) + bool(group) >= books:
            break
        group.append(i)
        # A component without bits only makes up the number of books.
        total += max(float(wanted[i]), 1e-3)
        if total >= bits * (len(groups) + 1) - 1e-6 and len(groups) < books - 1:
            groups.append(group)
            group = []
    if group:
        groups.append(group)
    while len(groups) < books:
        longest = max(range(len(groups)), key=lambda g: len(groups[g]))
        if len(groups[longest]) == 1:
            raise ValueError(
                f"a round of {books} codebooks needs as many components, got {len(energy)}; "
                f"ask for fewer max_tokens, or for more steps or dimensions"
            )
        half = len(groups[longest]) // 2
        groups[longest : longest + 1] = [groups[longest][:half], groups[longest][half:]]
    return groups


def water_fill(energy: NDArray[np.float64], bits: float, most: float) -> NDArray[np.float64]:
    """Bits for each component, at most `most`, that sum up to `bits` where that many can be given."""
    positive = np.maximum(energy, 1e-30)
    low, high = math.log2(positive.min()) - 2 * most, math.log2(positive.max())
    for _ in range(100):
        level = (low + high) / 2
        given = np.clip(0.5 * (np.log2(positive) - level), 0, most)
        low, high = (level, high) if given.sum() > bits else (low, level)
    return np.asarray(np.clip(0.5 * (np.log2(positive) - high), 0, most))


def _fit_round(
    residual: Floats, scale: Floats, groups: list[list[int]], size: int, iterations: int, generator: torch.Generator
) -> Round:
    count, width = residual.shape[1], max(map(len, groups))
    components = np.full((len(groups), width), count)
    codes = np.zeros((len(groups), size, width), np.float32)
    chosen = []
    for book, group in enumerate(groups):
        group = sorted(group)
        components[book, : len(group)] = group
        points = torch.from_numpy(residual[:, group])
        weights = torch.from_numpy(scale[:, group]) ** 2
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-30)
        fitted = _k_means(points, weights, size, iterations, generator).half().float()
        codes[book, :, : len(group)] = fitted.numpy()
        chosen.append(_nearest(points, weights, fitted))
    left = torch.from_numpy(residual.copy())
    for book, group in enumerate(groups):
        left[:, sorted(group)] -= torch.from_numpy(codes[book, :, : len(group)])[chosen[book]]
    scales = np.stack([_scales(left, choice, size) for choice in chosen])
    return Round(components, codes, scales)


def _scales(left: torch.Tensor, choice: torch.Tensor, size: int) -> Floats:
    """Root mean square [K, C] of what is left over [B, C] of each choice; divides `left` by it in place."""
    sums, counts = torch.zeros(size, left.shape[1]), torch.bincount(choice, minlength=size).float()[:, None]
    for part, rows in zip(left.split(_ROWS), choice.split(_ROWS), strict=True):
        sums.index_add_(0, rows, part * part)
    average = sums.sum(0) / len(left)
    scales = ((sums + _SHRINKAGE * average) / (counts + _SHRINKAGE)).sqrt().clamp_min(_SMALLEST_SCALE).half().float()
    # Where nothing is left over at all, as of a joint that never moves, scales would fall on and on.
    scales = torch.where(average > 0, scales, 1.0)
    for part, rows in zip(left.split(_ROWS), choice.split(_ROWS), strict=True):
        part /= scales[rows]
    return scales.numpy()


def _k_means(
    points: torch.Tensor, weights: torch.Tensor, size: int, iterations: int, generator: torch.Generator
) -> torch.Tensor:
    """Codes [K, n] near points [B, n], where each number of each point has a weight [B, n] of its own."""
    codes = points[torch.randperm(len(points), generator=generator)[:size]].clone()
    for _ in range(iterations):
        nearest = _nearest(points, weights, codes)
        sums, totals = torch.zeros_like(codes), torch.zeros_like(codes)
        for part, weight, rows in _parts(points, weights, nearest):
            sums.index_add_(0, rows, weight * part)
            totals.index_add_(0, rows, weight)
        codes = torch.where(totals > 0, sums / totals.clamp_min(1e-20), codes)
        dead = (torch.bincount(nearest, minlength=size) == 0).nonzero()[:, 0]
        if len(dead):
            # Codes that nobody chooses move to where the error is.
            error = (weights * (points - codes[nearest]) ** 2).sum(1)[: 2**24] + 1e-12
            codes[dead] = points[torch.multinomial(error, len(dead), replacement=True, generator=generator)]
    return codes


def _nearest(points: torch.Tensor, weights: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    both = torch.cat([codes, -0.5 * codes * codes], 1).T
    return torch.cat(
        [
            (torch.cat([weight * part, weight], 1) @ both).argmax(1)
            for part, weight in zip(points.split(_ROWS), weights.split(_ROWS), strict=True)
        ]
    )


def _parts(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    return zip(*(tensor.split(_ROWS) for tensor in tensors), strict=True)
