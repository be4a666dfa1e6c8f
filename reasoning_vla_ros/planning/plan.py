"""What a planner answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class PlanStatus(IntEnum):
    """Status of a plan; the values are those of Plan.msg."""

    OK = 0
    INVALID = 1
    REDUCED = 2


@dataclass(frozen=True)
class StageSeconds:
    """Wall-clock seconds of each stage of one plan; `total` covers all of `Planner.plan`."""

    encode: float = 0.0
    prefill: float = 0.0
    reason: float = 0.0
    act: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Plan:
    """K candidate trajectories of T waypoints in the ego frame at t0 (x forward, y left, z up).

    Attributes:
        t0_ns: the observation's instant, nanoseconds; waypoint i lies at t0 + (i + 1) * dt_s.
        xyz: float32 [K, T, 3], metres. A candidate that could not be decoded holds NaN and is not valid.
        rot: float32 [K, T, 3, 3].
        speed_mps: float32 [K, T], along the vehicle's x axis, negative in reverse.
        dt_s: step between waypoints, seconds.
        v0_mps: speed at t0 that the plan rests on; None where it is not known.
        score: float32 [K]; with tokens, their mean log-probability; with flow matching, minus the mean distance to the
            other candidates, metres.
        valid: bool [K].
        invalid_reasons: K strings, empty where valid; each names the check, the value it had and the one it needed.
        selected: index of the valid candidate with the best score, -1 when none is valid.
        reasoning: K reasoning texts, one a candidate.
        meta_actions: K short manoeuvre texts, empty where the model gives none.
        reasoning_complete: K flags; False where the text was cut by a limit.
        num_prompt_tokens, num_reasoning_tokens (K counts), num_trajectory_tokens: token counts; flow matching takes
            no trajectory tokens.
        action_decoder: what drew the trajectories, "tokens" or "flow".
        seconds: wall-clock seconds of each stage.
        seed: of this plan's random numbers; the same observation and seed give the same plan.
        reduced: what was given up to meet a deadline, empty when nothing was.
    """

    t0_ns: int
    xyz: NDArray[np.float32]
    rot: NDArray[np.float32]
    speed_mps: NDArray[np.float32]
    dt_s: float
    score: NDArray[np.float32]
    valid: NDArray[np.bool_]
    invalid_reasons: tuple[str, ...]
    selected: int
    reasoning: tuple[str, ...]
    meta_actions: tuple[str, ...]
    reasoning_complete: tuple[bool, ...]
    v0_mps: float | None = None
    num_prompt_tokens: int = 0
    num_reasoning_tokens: tuple[int, ...] = ()
    num_trajectory_tokens: int = 0
    action_decoder: str = "tokens"
    seconds: StageSeconds = field(default_factory=StageSeconds)
    seed: int = 0
    reduced: str = ""

    @property
    def status(self) -> PlanStatus:
        if self.selected < 0:
            return PlanStatus.INVALID
        return PlanStatus.REDUCED if self.reduced else PlanStatus.OK

    @property
    def status_reason(self) -> str:
        """Why the status is not OK; empty when it is."""
        if self.selected < 0:
            reasons = [f"candidate {k}: {reason}" for k, reason in enumerate(self.invalid_reasons)]
            return "; ".join(reasons) or "the plan has no candidates"
        return self.reduced

    @property
    def shown(self) -> int:
        """The candidate whose text is shown: the selected one, else the first."""
        return max(self.selected, 0)

    def stamps_ns(self) -> NDArray[np.int64]:
        """Stamps of the T waypoints, int64 [T], nanoseconds."""
        steps = np.arange(1, self.xyz.shape[1] + 1)
        return self.t0_ns + np.rint(steps * self.dt_s * 1e9).astype(np.int64)
