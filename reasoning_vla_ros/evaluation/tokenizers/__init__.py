"""Comparing trajectory tokenizers: one file a measure, one function for all of them."""

from reasoning_vla_ros.evaluation.tokenizers.command import compare_command
from reasoning_vla_ros.evaluation.tokenizers.comparison import Comparison, compare

__all__ = ["Comparison", "compare", "compare_command"]
