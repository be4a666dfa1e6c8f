"""Fitting without leakage when the recordings to score are also the only ones to fit on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.baselines.ego_history import MIN_SAMPLES, EgoHistoryRegression, MotionSamples

NUM_BLOCKS = 5


class CrossFit:
    """One regression for each contiguous block of each recording, fitted on everything outside the block.

    A sample looks back over its history and ahead over its future. A sample of the same recording is left out when
    its span touches the span of any instant of the block, so no pose that a plan is scored on was fitted on.

    Args:
        samples: of all recordings.
        num_blocks: blocks a recording, equal in time.
    """

    def __init__(self, samples: MotionSamples, num_blocks: int = NUM_BLOCKS) -> None:
        self.samples = samples
        self.num_blocks = num_blocks
        self._fitted: dict[tuple[int, int], EgoHistoryRegression | None] = {}

    def model_for(self, source: int, t0_ns: int) -> EgoHistoryRegression | None:
        """The regression to score an instant of a recording with; None when too few samples are left for it."""
        begin_ns, end_ns, block = self._block(source, t0_ns)
        key = (source, block)
        if key not in self._fitted:
            keep = self.training_mask(source, begin_ns, end_ns)
            self._fitted[key] = EgoHistoryRegression(self.samples, keep) if keep.sum() >= MIN_SAMPLES else None
        return self._fitted[key]

    def training_mask(self, source: int, begin_ns: int, end_ns: int) -> NDArray[np.bool_]:
        """Samples [N] whose span does not touch that of any instant in begin..end of the given recording."""
        back_s, ahead_s = self.samples.reach_s
        apart_ns = round((back_s + ahead_s) * 1e9)
        t0_ns = self.samples.t0_ns
        clear = (t0_ns > end_ns + apart_ns) | (t0_ns < begin_ns - apart_ns)
        return np.asarray((self.samples.source != source) | clear)

    def _block(self, source: int, t0_ns: int) -> tuple[int, int, int]:
        """Begin, end and number of the block that an instant belongs to; instants outside join the nearest block."""
        own = self.samples.t0_ns[self.samples.source == source]
        if not own.size:
            return t0_ns, t0_ns, 0
        first, last = int(own.min()), int(own.max())
        length_ns = max((last - first) // self.num_blocks + 1, 1)
        block = int(np.clip((t0_ns - first) // length_ns, 0, self.num_blocks - 1))
        begin_ns = first + block * length_ns
        return min(begin_ns, t0_ns), max(begin_ns + length_ns, t0_ns), block
