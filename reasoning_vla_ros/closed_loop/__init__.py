"""Scores of a planner in the driving world: at the wheel, on held-out drives, and with something taken away."""

from reasoning_vla_ros.closed_loop.evaluation import evaluate_planner
from reasoning_vla_ros.closed_loop.planner_source import ExpertPlanners, ModelPlanners, PlannerSource
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings

__all__ = ["EvaluationSettings", "ExpertPlanners", "ModelPlanners", "PlannerSource", "evaluate_planner"]
