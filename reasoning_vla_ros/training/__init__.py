"""Learning from data."""

from reasoning_vla_ros.training.fit_tokenizer import FitResult, fit_tokenizer_command

__all__ = ["FitResult", "fit_tokenizer_command"]
