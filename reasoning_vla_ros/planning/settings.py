"""How a planner decodes and what it accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PlanLimits:
    """Bounds beyond which a candidate is invalid: sanity, not comfort.

    Attributes:
        max_start_offset_m: how far the first waypoint may lie from where the vehicle can be after one step.
        max_speed_mps, max_acceleration_mps2, max_lateral_acceleration_mps2, max_jerk_mps3: of any waypoint. The
            defaults are what a car on dry tarmac cannot exceed: 1 g of grip, and full braking built up in 0.2 s.
    """

    max_start_offset_m: float = 1.0
    max_speed_mps: float = 70.0
    max_acceleration_mps2: float = 9.81
    max_lateral_acceleration_mps2: float = 9.81
    max_jerk_mps3: float = 50.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


@dataclass(frozen=True)
class PlannerSettings:
    """Settings of :class:`Planner`.

    Attributes:
        temperature: of the sampling; 0 takes the most likely token. The default is Alpamayo's.
        top_p: nucleus (arXiv 1904.09751) that tokens are drawn from.
        max_reasoning_tokens: the reasoning is cut behind so many.
        limits: bounds of a valid candidate.
    """

    temperature: float = 0.6
    top_p: float = 0.98
    max_reasoning_tokens: int = 256
    limits: PlanLimits = field(default_factory=PlanLimits)

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be at least 0 and finite, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}")
        if self.max_reasoning_tokens < 0:
            raise ValueError(f"max_reasoning_tokens must be at least 0, got {self.max_reasoning_tokens}")
