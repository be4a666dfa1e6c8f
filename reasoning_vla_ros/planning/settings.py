"""How a planner decodes and what it accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ACTION_DECODERS = ("auto", "tokens", "flow")
LEVEL_CHOICES = ("mode", "median")
# Those of models.flow_solvers, whose import would load transformers for every reader of parameters.
FLOW_SOLVERS = ("auto", "euler", "midpoint")


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
class FlowSettings:
    """How trajectories are drawn by flow matching.

    Attributes:
        steps: of the solver; 0 takes the model's own number, 10 in the public checkpoints.
        solver: "euler" or "midpoint"; "auto" takes the model's own, Euler in the public checkpoints.
        reuse_tolerance: with Euler, a velocity that changed by no more than this fraction serves the next step too;
            0 evaluates the expert at each step.
        noise_temperature: factor of the noise that the candidates start from; below 1 they differ less.
        navigation_guidance: weight of the navigation text, where the observation has one; 1 for no guidance, more
            makes the plan follow the text more closely. Needs a second prompt in memory.
    """

    steps: int = 0
    solver: str = "auto"
    reuse_tolerance: float = 0.0
    noise_temperature: float = 1.0
    navigation_guidance: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be at least 0, got {self.steps}")
        if self.solver not in FLOW_SOLVERS:
            raise ValueError(f"solver must be one of {list(FLOW_SOLVERS)}, got {self.solver!r}")
        for name in ("reuse_tolerance", "noise_temperature", "navigation_guidance"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {value}")
        if self.reuse_tolerance and self.solver == "midpoint":
            raise ValueError(f"reuse_tolerance {self.reuse_tolerance} is for euler, the solver is midpoint")


@dataclass(frozen=True)
class PlannerSettings:
    """Settings of :class:`Planner`.

    Attributes:
        temperature: of the sampling; 0 takes the most likely token. The default is Alpamayo's.
        top_p: nucleus (arXiv 1904.09751) that tokens are drawn from.
        level_choice: what temperature 0 takes of trajectory tokens that stand for ascending levels: "mode", the most
            likely one, or "median", half of the probability to either side, which jumps less between plans.
        max_reasoning_tokens: the reasoning is cut behind so many.
        limits: bounds of a valid candidate.
        action_decoder: "tokens" draws trajectory tokens, "flow" lets an action expert draw actions; "auto" takes the
            expert where the model has one, as the public Alpamayo checkpoints do.
        flow: of the action expert.
    """

    temperature: float = 0.6
    top_p: float = 0.98
    max_reasoning_tokens: int = 256
    limits: PlanLimits = field(default_factory=PlanLimits)
    action_decoder: str = "auto"
    flow: FlowSettings = field(default_factory=FlowSettings)
    level_choice: str = "mode"

    def __post_init__(self) -> None:
        if self.level_choice not in LEVEL_CHOICES:
            raise ValueError(f"level_choice must be one of {list(LEVEL_CHOICES)}, got {self.level_choice!r}")
        if self.action_decoder not in ACTION_DECODERS:
            raise ValueError(f"action_decoder must be one of {list(ACTION_DECODERS)}, got {self.action_decoder!r}")
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be at least 0 and finite, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}")
        if self.max_reasoning_tokens < 0:
            raise ValueError(f"max_reasoning_tokens must be at least 0, got {self.max_reasoning_tokens}")
