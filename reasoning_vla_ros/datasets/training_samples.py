"""What a model is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.planning.observation import Observation


@dataclass(frozen=True)
class TrainingSample:
    """What a planner sees at t0, and what it should answer.

    Attributes:
        observation: input of `Planner.plan`.
        future_xyz: float32 [T, 3], metres in the ego frame at t0; waypoint i lies at t0 + (i + 1) * dt, with the step
            and the T of the model's action space.
        future_rot: float32 [T, 3, 3].
        reasoning: the text before the trajectory. Empty means that there is none to write; None that it is not known,
            and then only the trajectory is learned.
        meta_action: short manoeuvre text after the reasoning, may be empty.
    """

    observation: Observation
    future_xyz: NDArray[np.float32]
    future_rot: NDArray[np.float32]
    reasoning: str | None = None
    meta_action: str = ""

    def __post_init__(self) -> None:
        steps = len(self.future_xyz)
        if steps == 0 or self.future_xyz.shape != (steps, 3) or self.future_rot.shape != (steps, 3, 3):
            raise ValueError(
                "the future must be xyz [T, 3] and rot [T, 3, 3] with T >= 1, "
                f"got {list(self.future_xyz.shape)} and {list(self.future_rot.shape)}"
            )
        if not (np.isfinite(self.future_xyz).all() and np.isfinite(self.future_rot).all()):
            raise ValueError(f"the future at t0 {self.observation.t0_ns} ns must be finite, it holds NaN or infinity")


class Samples(Protocol):
    """Training samples by index: a list, a `torch.utils.data.Dataset`, recordings, or a simulator.

    The same index must always give the same sample: a resumed run, and every process of a distributed one, reads by
    index. A source that makes samples on the fly seeds itself with the index, and its length is how many different
    ones it gives.
    """

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int, /) -> TrainingSample:
        """The sample of that index, in 0..len - 1."""
        ...
