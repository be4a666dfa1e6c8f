"""Learns residual codebooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from reasoning_vla_ros.tokenizers.kmeans import kmeans, nearest_code, sums_by_code

# k-means sees as many points; fewer actions are joined by made-up neighbours, so that codes do not fit single ones.
POINTS = 262144
MOST_COPIES = 16
# How far a made-up neighbour lies away, as a share of the difference of two random points.
SPREAD = 0.3
# A frame's covariance counts as so many points of the overall one besides its own.
PRIOR_POINTS = 50.0

# (stages done, stages in all)
OnStage = Callable[[int, int], None]


@dataclass
class ResidualCodes:
    """What residual vector quantisation learns, float32.

    A point is first + frame @ (sum of the later codes), where `first` is the first stage's code and `frame` the one
    of that code: the axes of what this code leaves over, the longest first, times its size. So later stages, shared by
    all, meet residuals that lie alike whatever the first code was.

    Attributes:
        codes: [N, V, K], the codebooks; the first in the points' own axes, the others in the frames'.
        frame_of: int64 [V], the frame of each code of the first stage.
        rotations: [G, K, K], each frame's axes as columns, orthonormal.
        sizes: [G], each frame's size.
    """

    codes: torch.Tensor
    frame_of: torch.Tensor
    rotations: torch.Tensor
    sizes: torch.Tensor


def fit_residual_codes(
    points: torch.Tensor,
    num_stages: int,
    num_codes: int,
    num_frames: int,
    *,
    iterations: int,
    generator: torch.Generator,
    on_stage: OnStage | None = None,
) -> ResidualCodes:
    """Codebooks for points [P, K], one after the other, each by k-means of what those before leave over."""
    points = with_neighbours(points, generator)
    first = kmeans(points, num_codes, iterations=iterations, generator=generator)
    chosen = nearest_code(points, first)
    residuals = points - first[chosen]
    frame_of, rotations, sizes = _fit_frames(first, residuals, chosen, num_frames, generator)
    frames = frame_of[chosen]
    for frame in range(len(sizes)):
        rows = frames == frame
        residuals[rows] = residuals[rows] @ rotations[frame] / sizes[frame]
    weights = sizes[frames]
    stages = [first]
    for stage in range(1, num_stages):
        if on_stage is not None:
            on_stage(stage, num_stages)
        stages.append(kmeans(residuals, num_codes, iterations=iterations, weights=weights, generator=generator))
        residuals = residuals - stages[-1][nearest_code(residuals, stages[-1])]
    if on_stage is not None:
        on_stage(num_stages, num_stages)
    return ResidualCodes(torch.stack(stages), frame_of, rotations, sizes)


def with_neighbours(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The points [P, K] and, where they are few, neighbours: each plus a share of the difference of two others."""
    copies = min(POINTS // max(len(points), 1), MOST_COPIES) - 1
    made_up = []
    for _ in range(copies):
        one, other = (torch.randint(len(points), (len(points),), generator=generator) for _ in range(2))
        share = SPREAD * torch.rand(len(points), 1, generator=generator).to(points)
        made_up.append(points + share * (points[one] - points[other]))
    return torch.cat([points, *made_up])


def _fit_frames(
    first: torch.Tensor, residuals: torch.Tensor, chosen: torch.Tensor, num_frames: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(frame_of, rotations, sizes): codes that leave alike residuals over share a frame.

    Each code goes to the frame under whose normal distribution its residuals are likeliest, in turns with fitting
    those distributions; neighbours share one at first.
    """
    num_codes, dims = first.shape
    products = torch.stack([sums_by_code(residuals * column[:, None], chosen, num_codes) for column in residuals.T], 1)
    products = products.double()
    counts = torch.bincount(chosen, minlength=num_codes).double()
    overall = products.sum(0) / counts.sum().clamp_min(1)
    # A little of everything keeps each covariance invertible, even where some axis is constant.
    overall = overall + (1e-6 * overall.trace() / dims + 1e-12) * torch.eye(dims, dtype=overall.dtype)
    frame_of = nearest_code(first, kmeans(first, num_frames, iterations=10, generator=generator))
    for _ in range(10):
        weight = torch.zeros(num_frames, dtype=torch.double).index_add_(0, frame_of, counts) + PRIOR_POINTS
        joined = torch.zeros(num_frames, dims, dims, dtype=torch.double).index_add_(0, frame_of, products)
        covariances = (joined + PRIOR_POINTS * overall) / weight[:, None, None]
        unlikely = products.flatten(1) @ torch.linalg.inv(covariances).flatten(1).T
        unlikely = unlikely + counts[:, None] * torch.logdet(covariances)
        moved = torch.where(counts > 0, unlikely.argmin(1), frame_of)
        if torch.equal(moved, frame_of):
            break
        frame_of = moved
    lengths, axes = torch.linalg.eigh(covariances)
    sizes = lengths.sum(1) / lengths.sum(1).mean()
    return frame_of, axes.flip(2).float().contiguous(), sizes.sqrt().float()
