"""Learning from data."""

from reasoning_vla_ros.training.command import train_command
from reasoning_vla_ros.training.config import TrainConfig
from reasoning_vla_ros.training.config_files import read_config
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.fit_tokenizer import FitResult, fit_tokenizer_command
from reasoning_vla_ros.training.result import TrainResult
from reasoning_vla_ros.training.samples import Samples, TrainingSample
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
