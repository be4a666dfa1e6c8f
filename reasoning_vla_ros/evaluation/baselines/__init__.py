"""Baselines that see the ego history alone; every score is printed beside theirs."""

from reasoning_vla_ros.evaluation.baselines.base import Baseline
from reasoning_vla_ros.evaluation.baselines.constant_turn_rate import ConstantTurnRate
from reasoning_vla_ros.evaluation.baselines.constant_velocity import ConstantVelocity
from reasoning_vla_ros.evaluation.baselines.cross_fit import CrossFit
from reasoning_vla_ros.evaluation.baselines.ego_history import EgoHistoryRegression, MotionSamples

__all__ = ["Baseline", "ConstantTurnRate", "ConstantVelocity", "CrossFit", "EgoHistoryRegression", "MotionSamples"]
