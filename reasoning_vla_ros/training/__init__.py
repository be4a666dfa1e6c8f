"""Learning from data.

`Trainer` and `train_command` pull in transformers and accelerate, which takes seconds, so they are imported on first
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasoning_vla_ros.datasets.training_samples import Samples, TrainingSample
from reasoning_vla_ros.training.config import TrainConfig
from reasoning_vla_ros.training.config_files import read_config
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.fit_tokenizer import FitResult, fit_tokenizer_command
from reasoning_vla_ros.training.result import TrainResult

if TYPE_CHECKING:
    from reasoning_vla_ros.training.command import train_command
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


def __getattr__(name: str) -> Any:
    if name == "Trainer":
        from reasoning_vla_ros.training.trainer import Trainer

        return Trainer
    if name == "train_command":
        from reasoning_vla_ros.training.command import train_command

        return train_command
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
