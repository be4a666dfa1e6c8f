"""Learning from data.

What pulls in transformers and accelerate, which takes seconds, is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reasoning_vla_ros.datasets.training_samples import Samples, TrainingSample
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.fit_tokenizer import FitResult, fit_tokenizer_command
from reasoning_vla_ros.training.result import TrainResult

if TYPE_CHECKING:
    from reasoning_vla_ros.training.command import train_command
    from reasoning_vla_ros.training.config import TrainConfig
    from reasoning_vla_ros.training.config_files import read_config
    from reasoning_vla_ros.training.trainer import Trainer

__all__ = [
    "FitResult",
    "Samples",
    "TrainConfig",
    "TrainResult",
    "Trainer",
    "TrainingError",
    "TrainingSample",
    "fit_tokenizer_command",
    "read_config",
    "train_command",
]
_LATER = {"TrainConfig": "config", "read_config": "config_files", "train_command": "command", "Trainer": "trainer"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"reasoning_vla_ros.training.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
