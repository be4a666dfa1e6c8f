"""Speed of the tokenizers beside plain implementations of the published methods, in one process."""

from reasoning_vla_ros.evaluation.bench.measure import Speed, measure

__all__ = ["Speed", "measure"]
