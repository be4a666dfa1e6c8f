"""Vision-language-action models."""

from reasoning_vla_ros.models.config import ReasoningVLAConfig
from reasoning_vla_ros.models.fast_action_model import FASTActionModel
from reasoning_vla_ros.models.fusion import TrajectoryFusionMixin
from reasoning_vla_ros.models.reasoning_vla import ReasoningVLA

__all__ = ["FASTActionModel", "ReasoningVLA", "ReasoningVLAConfig", "TrajectoryFusionMixin"]
