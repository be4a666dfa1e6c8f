"""Which class a checkpoint's `model_type` means."""

from __future__ import annotations

from typing import Any

from reasoning_vla_ros.models.alpamayo_r1 import Alpamayo15, AlpamayoR1
from reasoning_vla_ros.models.reasoning_vla import ReasoningVLA

MODEL_CLASSES: dict[str, Any] = {cls.config_class.model_type: cls for cls in (ReasoningVLA, AlpamayoR1, Alpamayo15)}
