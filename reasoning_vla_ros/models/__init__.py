"""Vision-language-action models. Each is imported on first use, as all of them pull in transformers, which takes
seconds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reasoning_vla_ros.models.alpamayo_config import Alpamayo15Config, AlpamayoR1Config
    from reasoning_vla_ros.models.alpamayo_r1 import Alpamayo15, AlpamayoR1
    from reasoning_vla_ros.models.config import ReasoningVLAConfig
    from reasoning_vla_ros.models.fast_action_model import FASTActionModel
    from reasoning_vla_ros.models.flow_matching import FlowMatching
    from reasoning_vla_ros.models.fusion import TrajectoryFusionMixin
    from reasoning_vla_ros.models.reasoning_vla import ReasoningVLA

__all__ = [
    "Alpamayo15",
    "Alpamayo15Config",
    "AlpamayoR1",
    "AlpamayoR1Config",
    "FASTActionModel",
    "FlowMatching",
    "ReasoningVLA",
    "ReasoningVLAConfig",
    "TrajectoryFusionMixin",
]
_MODULES = {
    "Alpamayo15": "alpamayo_r1",
    "Alpamayo15Config": "alpamayo_config",
    "AlpamayoR1": "alpamayo_r1",
    "AlpamayoR1Config": "alpamayo_config",
    "FASTActionModel": "fast_action_model",
    "FlowMatching": "flow_matching",
    "ReasoningVLA": "reasoning_vla",
    "ReasoningVLAConfig": "config",
    "TrajectoryFusionMixin": "fusion",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"reasoning_vla_ros.models.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
