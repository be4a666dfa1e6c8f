"""What happens at which step; all of it follows from the seed and the step, so a resumed run needs no state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reasoning_vla_ros.models.flow_matching import LATEST_TRAINING_TIME
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.training.errors import TrainingError


@dataclass(frozen=True)
class MicroBatches:
    """Which samples a process runs at which step.

    Samples come in an endless stream: all of them in an order drawn anew for each epoch. A step takes the next
    `batch_size` of the stream, and the processes share them, so the number of processes does not change the training.

    Attributes:
        num_samples: to draw from.
        batch_size: samples a step, all processes together.
        micro_batch_size: samples that a process runs at once.
        rank, num_processes: which process this is, of how many.
        seed: of the order.
    """

    num_samples: int
    batch_size: int
    micro_batch_size: int
    rank: int = 0
    num_processes: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise TrainingError("there are no samples to train on, needed at least one")
        if self.batch_size % (self.micro_batch_size * self.num_processes):
            raise TrainingError(
                f"batch_size is {self.batch_size}, needed a multiple of micro_batch_size {self.micro_batch_size} times "
                f"{self.num_processes} processes"
            )

    @property
    def per_step(self) -> int:
        """Micro-batches a step in each process."""
        return self.batch_size // (self.micro_batch_size * self.num_processes)

    def positions(self, step: int) -> list[list[int]]:
        """Places in the stream of this process's micro-batches."""
        width = self.micro_batch_size
        firsts = [
            step * self.batch_size + (number * self.num_processes + self.rank) * width
            for number in range(self.per_step)
        ]
        return [list(range(first, first + width)) for first in firsts]

    def indices(self, begin: int, end: int) -> Iterator[list[int]]:
        """Indices of the samples of each micro-batch from step `begin` up to step `end`."""
        epoch, order = -1, torch.empty(0, dtype=torch.long)
        for step in range(begin, end):
            for positions in self.positions(step):
                chosen = []
                for position in positions:
                    if position // self.num_samples != epoch:
                        epoch = position // self.num_samples
                        generator = torch.Generator().manual_seed(plan_seed(self.seed, ~epoch))
                        order = torch.randperm(self.num_samples, generator=generator)
                    chosen.append(int(order[position % self.num_samples]))
                yield chosen


@dataclass(frozen=True)
class FlowDraws:
    """The random numbers of flow matching: each sample's follow from the seed and its place in the stream alone.

    Attributes:
        shape: of one sample's noise, (T, action dimensions).
        sampler: of the times: "beta" for t = 0.999 (1 - Beta(1.5, 1)), more of them near the noise, or "uniform".
        seed: of the run.
    """

    shape: tuple[int, ...]
    sampler: str = "beta"
    seed: int = 0

    def __call__(self, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Noise x0 ~ N(0, I), float32 [B, *shape], and times in [0, 1], float32 [B]."""
        noise, times = [], []
        for position in positions:
            generator = torch.Generator().manual_seed(plan_seed(self.seed, position))
            noise.append(torch.randn(self.shape, generator=generator))
            share = torch.rand((), generator=generator)
            # Beta(1.5, 1) has the distribution function x ** 1.5.
            times.append(LATEST_TRAINING_TIME * (1 - share ** (1 / 1.5)) if self.sampler == "beta" else share)
        return torch.stack(noise), torch.stack(times)
