"""Sets of trajectories: from recordings, files, and made without either."""

from reasoning_vla_ros.datasets.synthetic_arms import synthetic_arms
from reasoning_vla_ros.datasets.synthetic_driving import synthetic_driving
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet, join

__all__ = ["TrajectorySet", "join", "synthetic_arms", "synthetic_driving"]
