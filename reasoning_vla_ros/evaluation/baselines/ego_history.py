"""Ego history only: a ridge regression from past poses to future ones.

Open-loop scores can be matched without looking at the road ("Is Ego Status All You Need for Open-Loop End-to-End
Autonomous Driving?", Li et al., 2024), so this is the bar that camera input has to clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.evaluation.baselines.base import Trajectory
from reasoning_vla_ros.evaluation.baselines.constant_velocity import ConstantVelocity
from reasoning_vla_ros.evaluation.metrics.horizons import TIME_TOLERANCE_S
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, yaw_to_matrix

# Weight decay against features of unit variance, as a share of the number of samples: directions that explain less
# than a tenth of one feature's variance are taken as noise.
RIDGE = 0.1
# Fewer samples than this can't fix the coefficients of 16 poses even with the decay.
MIN_SAMPLES = 30


@dataclass(frozen=True)
class MotionSamples:
    """Pairs of past and future motion to fit on.

    Attributes:
        source: index [N] of the recording each sample comes from.
        t0_ns: int64 [N].
        history_xyz: [N, T, 3] and history_rot [N, T, 3, 3], ego frame at t0, last pose at t0.
        future_xyz: [N, F, 3] and future_yaw [N, F] (unwrapped, radians), ego frame at t0.
        valid: bool [N, F], where the future is known.
        times_s: [F].
        dt_s: step of the history.
    """

    source: NDArray[np.int64]
    t0_ns: NDArray[np.int64]
    history_xyz: NDArray[np.float64]
    history_rot: NDArray[np.float64]
    future_xyz: NDArray[np.float64]
    future_yaw: NDArray[np.float64]
    valid: NDArray[np.bool_]
    times_s: NDArray[np.float64]
    dt_s: float

    def __len__(self) -> int:
        return len(self.t0_ns)

    @property
    def reach_s(self) -> tuple[float, float]:
        """How far a sample looks back and ahead of its t0."""
        return (self.history_xyz.shape[1] - 1) * self.dt_s, float(self.times_s[-1])

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """Speeds and yaw rates of each history, [N, 3 * (T - 1)]."""
        rows = [_features(xyz, rot, self.dt_s) for xyz, rot in zip(self.history_xyz, self.history_rot, strict=True)]
        return np.array(rows).reshape(len(self), 3 * (self.history_xyz.shape[1] - 1))

    @cached_property
    def residuals(self) -> NDArray[np.float64]:
        """What constant velocity leaves over of x, y and yaw, [N, F, 3]."""
        rows = [
            _planar(self.future_xyz[i], self.future_yaw[i])
            - _carried_on(self.history_xyz[i], self.history_rot[i], self.dt_s, self.times_s)
            for i in range(len(self))
        ]
        return np.array(rows).reshape(len(self), len(self.times_s), 3)

    @staticmethod
    def join(parts: Sequence[MotionSamples]) -> MotionSamples:
        """All samples of several recordings, which must share the history's step and the times."""
        names = ("source", "t0_ns", "history_xyz", "history_rot", "future_xyz", "future_yaw", "valid")
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return MotionSamples(**joined, times_s=parts[0].times_s, dt_s=parts[0].dt_s)


class EgoHistoryRegression:
    """Ridge regression of what constant velocity leaves over: x, y and yaw at each future time.

    Not of what constant turn rate leaves over: that carries the noise of a single yaw rate on for the whole horizon,
    while the yaw rates of all steps are among the features anyway. On KITTI 06 the former is the stronger baseline.

    The features are forward speed, sideways speed and yaw rate of every history step. Fitting is in closed form, so
    the same samples always give the same coefficients. Future times with fewer than MIN_SAMPLES samples give NaN.

    Args:
        samples: what to fit on.
        keep: bool [N], which of them; all by default.
        ridge: weight decay as a share of the number of samples.
    """

    name = "ego history"

    def __init__(self, samples: MotionSamples, keep: NDArray[np.bool_] | None = None, ridge: float = RIDGE) -> None:
        kept = np.ones(len(samples), np.bool_) if keep is None else keep
        features, residuals, valid = samples.features[kept], samples.residuals[kept], samples.valid[kept]
        self.times_s = samples.times_s
        self.num_samples = len(features)
        self.num_history = samples.history_xyz.shape[1]
        self.dt_s = samples.dt_s
        self._weights = np.full((len(self.times_s), features.shape[1] + 1, 3), np.nan)
        self._mean, self._scale = np.zeros(features.shape[1]), np.ones(features.shape[1])
        if self.num_samples < MIN_SAMPLES:
            return
        spread = features.std(axis=0)
        self._mean = features.mean(axis=0)
        # A feature that never varies carries nothing; a tiny spread would blow its noise up.
        self._scale = np.where(spread > 1e-6, spread, np.inf)
        design = np.concatenate([(features - self._mean) / self._scale, np.ones((len(features), 1))], axis=1)
        for step in range(len(self.times_s)):
            known = valid[:, step]
            if known.sum() >= MIN_SAMPLES:
                self._weights[step] = _solve_ridge(design[known], residuals[known, step], ridge)

    def predict(self, history_xyz: ArrayLike, history_rot: ArrayLike, dt_s: float, times_s: ArrayLike) -> Trajectory:
        """See :class:`Baseline`; the history must have the fitted length and step. z is left at zero.

        Times between those fitted are interpolated linearly; later ones give NaN.
        """
        xyz, rot = np.asarray(history_xyz, np.float64), np.asarray(history_rot, np.float64)
        if len(xyz) != self.num_history or abs(dt_s - self.dt_s) > 1e-9:
            raise ValueError(
                f"the {self.name} baseline was fitted on {self.num_history} poses at {self.dt_s} s, "
                f"got {len(xyz)} at {dt_s} s"
            )
        row = np.append((_features(xyz, rot, dt_s) - self._mean) / self._scale, 1.0)
        residual = np.einsum("f,tfd->td", row, self._weights)
        times = np.asarray(times_s, np.float64)
        fitted_s = np.concatenate([[0.0], self.times_s])
        fitted_s[-1] += TIME_TOLERANCE_S
        corrections = np.concatenate([np.zeros((1, 3)), residual])
        correction = np.stack(
            [np.interp(times, fitted_s, corrections[:, column], right=np.nan) for column in range(3)], axis=-1
        )
        planar = _carried_on(xyz, rot, dt_s, times) + correction
        zeros = np.zeros((len(times), 1))
        return np.concatenate([planar[:, :2], zeros], axis=1), yaw_to_matrix(planar[:, 2])


def _carried_on(
    xyz: NDArray[np.float64], rot: NDArray[np.float64], dt_s: float, times_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """x, y, yaw [N, 3] under constant velocity."""
    future_xyz, future_rot = ConstantVelocity().predict(xyz, rot, dt_s, times_s)
    return _planar(future_xyz, np.unwrap(matrix_to_yaw(future_rot)))


def _planar(xyz: NDArray[np.float64], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([xyz[:, :2], yaw[:, None]], axis=1)


def _features(xyz: NDArray[np.float64], rot: NDArray[np.float64], dt_s: float) -> NDArray[np.float64]:
    """Forward speed, sideways speed and yaw rate of every history step, [3 * (T - 1)]."""
    steps = np.einsum("tji,tj->ti", rot[:-1], np.diff(xyz, axis=0)) / dt_s
    yaw_rate = np.diff(np.unwrap(matrix_to_yaw(rot))) / dt_s
    return np.concatenate([steps[:, 0], steps[:, 1], yaw_rate])


def _solve_ridge(design: NDArray[np.float64], target: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Coefficients [F, D]; the last column of `design`, the constant, is not decayed."""
    decay = np.full(design.shape[1], ridge * len(design))
    decay[-1] = 0.0
    return np.asarray(np.linalg.solve(design.T @ design + np.diag(decay), design.T @ target))
