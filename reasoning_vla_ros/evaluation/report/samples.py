"""Plans to show as pictures, spread evenly over a run whose length is not known beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.calibration import Calibration
from reasoning_vla_ros.evaluation.scoring import ScoredPlan

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """A plan with what it takes to draw it.

    Attributes:
        scored: the plan and its scores.
        camera: name of the camera, empty without an image.
        image: RGB uint8 [H, W, 3] at t0, None where there is none.
        calibration: None where the camera has none.
        bag: name of the recording.
    """

    scored: ScoredPlan
    camera: str
    image: NDArray[np.uint8] | None
    calibration: Calibration | None
    bag: str


class EvenSample(Generic[T]):
    """Keeps between `limit` and 2 * limit - 1 of any number of items, evenly spaced, in bounded memory.

    Every `step`-th item is kept; when there are too many, every second one goes and the step doubles.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._step = 1
        self._seen = 0
        self._kept: list[T] = []

    def wants_next(self) -> bool:
        """Whether the item offered next would be kept; spares the work of preparing one that would not."""
        return self._limit > 0 and self._seen % self._step == 0

    def offer(self, item: T | None) -> None:
        """Takes the next item; None where `wants_next` said no."""
        if self.wants_next() and item is not None:
            self._kept.append(item)
            if len(self._kept) >= 2 * self._limit:
                self._kept = self._kept[::2]
                self._step *= 2
        self._seen += 1

    def items(self) -> list[T]:
        """At most `limit` items, evenly spaced over those kept."""
        if len(self._kept) <= self._limit:
            return list(self._kept)
        picks = np.linspace(0, len(self._kept) - 1, self._limit).round().astype(int)
        return [self._kept[i] for i in picks]
