"""What every measure looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from reasoning_vla_ros.datasets import TrajectorySet
from reasoning_vla_ros.datasets.reconstruction import Reconstruction
from reasoning_vla_ros.tokenizers import TrajectoryTokenizer

# Numbers by name; None where a measure does not apply.
Scores = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A tokenizer, the trajectories to test it with, and what they became on the way there and back."""

    tokenizer: TrajectoryTokenizer
    data: TrajectorySet
    found: Reconstruction
    seed: int = 0

    def generator(self) -> torch.Generator:
        """Random numbers, the same for every tokenizer."""
        return torch.Generator().manual_seed(self.seed)


def mean(values: torch.Tensor) -> float:
    """Of all that are not NaN."""
    return float(values.double().nanmean())


def quantile(values: torch.Tensor, share: float) -> float:
    """Of all that are not NaN; NaN of none."""
    known = values[~values.isnan()].double().flatten()
    return float(known.quantile(share)) if len(known) else float("nan")
