"""Vision-language-action models."""

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
