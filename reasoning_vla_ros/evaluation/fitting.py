"""The baselines that go with some recordings, and how the fitted one was fitted."""

from __future__ import annotations

from collections.abc import Sequence

from reasoning_vla_ros.evaluation.baselines import (
    Baseline,
    ConstantTurnRate,
    ConstantVelocity,
    CrossFit,
    EgoHistoryRegression,
    MotionSamples,
)
from reasoning_vla_ros.evaluation.baselines.cross_fit import NUM_BLOCKS
from reasoning_vla_ros.evaluation.ground_truth import GroundTruth
from reasoning_vla_ros.evaluation.scoring import CURVE_S
from reasoning_vla_ros.planning.observation_builder import ObservationConfig

# Enough for 46 coefficients, few enough that fitting stays a matter of seconds however many bags there are.
MAX_SAMPLES = 20_000


class BaselineSet:
    """All baselines for a set of recordings.

    Args:
        truths: ground truth of each recording that is scored.
        config: gives the length and the step of the history.
        training_truths: fit the history baseline on these alone; none means cross-fitting within `truths`.

    Attributes:
        statement: how the history baseline was fitted, for the report.
    """

    def __init__(
        self, truths: Sequence[GroundTruth], config: ObservationConfig, training_truths: Sequence[GroundTruth] = ()
    ) -> None:
        self._simple: list[Baseline] = []
        self._fitted: EgoHistoryRegression | None = None
        self._cross_fit: CrossFit | None = None
        if config.num_history < 2:
            self.statement = "No baselines: the history has a single pose, so no velocity is known."
            return
        self._simple = [ConstantVelocity(), ConstantTurnRate()]
        if training_truths:
            samples = _samples(training_truths, config)
            self._fitted = EgoHistoryRegression(samples)
            self.statement = (
                f"The ego-history baseline was fitted on {len(samples)} instants of {len(training_truths)} other "
                "recordings, and on nothing that is scored here."
            )
            return
        blocks = max(NUM_BLOCKS // len(truths), 1)
        samples = _samples(truths, config)
        self._cross_fit = CrossFit(samples, blocks)
        back_s, ahead_s = samples.reach_s
        self.statement = (
            f"The ego-history baseline is cross-fitted: each recording is cut into {blocks} contiguous block(s), and "
            "a block is scored by a fit on the other blocks and recordings, less everything within "
            f"{back_s + ahead_s:.1f} s of the block (history and future of a sample), so that it never saw a pose it "
            f"is scored on. It was fitted on odometry alone, out of {len(samples)} instants; a block that leaves too "
            "few of them has no such baseline."
        )

    def at(self, source: int, t0_ns: int) -> list[Baseline]:
        """The baselines for an instant of a recording."""
        fitted: EgoHistoryRegression | None = self._fitted
        if self._cross_fit is not None:
            fitted = self._cross_fit.model_for(source, t0_ns)
        return [*self._simple, fitted] if fitted is not None else list(self._simple)


def _samples(truths: Sequence[GroundTruth], config: ObservationConfig) -> MotionSamples:
    share = max(MAX_SAMPLES // len(truths), 1)
    return MotionSamples.join(
        [
            truth.motion_samples(source, CURVE_S, config.num_history, config.history_dt_s, share)
            for source, truth in enumerate(truths)
        ]
    )
