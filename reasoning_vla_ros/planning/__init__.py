"""From observations to plans.

`Planner` pulls in transformers, which takes seconds, so it is imported on first use; the rest costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasoning_vla_ros.planning.observation import CameraFrames, Observation
from reasoning_vla_ros.planning.observation_builder import ObservationBuilder, ObservationConfig
from reasoning_vla_ros.planning.plan import Plan, PlanStatus, StageSeconds
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.planning.settings import FlowSettings, PlanLimits, PlannerSettings

if TYPE_CHECKING:
    from reasoning_vla_ros.planning.planner import Planner

__all__ = [
    "CameraFrames",
    "FlowSettings",
    "Observation",
    "ObservationBuilder",
    "ObservationConfig",
    "Plan",
    "PlanLimits",
    "PlanStatus",
    "Planner",
    "PlannerSettings",
    "StageSeconds",
    "plan_seed",
]


def __getattr__(name: str) -> Any:
    if name == "Planner":
        from reasoning_vla_ros.planning.planner import Planner

        return Planner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
