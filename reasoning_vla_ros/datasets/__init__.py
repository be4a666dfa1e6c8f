"""Sets of trajectories: from recordings, files, and made without either."""

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.from_bag import from_bag
from reasoning_vla_ros.datasets.from_lerobot import from_lerobot
from reasoning_vla_ros.datasets.from_npz import from_npz
from reasoning_vla_ros.datasets.held_out import hold_out
from reasoning_vla_ros.datasets.load import load_trajectories
from reasoning_vla_ros.datasets.synthetic_arms import synthetic_arms
from reasoning_vla_ros.datasets.synthetic_driving import synthetic_driving
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet, join

__all__ = [
    "DataError",
    "TrajectorySet",
    "from_bag",
    "from_lerobot",
    "from_npz",
    "hold_out",
    "join",
    "load_trajectories",
    "synthetic_arms",
    "synthetic_driving",
]
