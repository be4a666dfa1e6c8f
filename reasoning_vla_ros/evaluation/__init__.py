"""Open-loop evaluation: a planner over bags, its plans against what the vehicle did, always beside baselines."""

from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.outcome import EvaluationResult
from reasoning_vla_ros.evaluation.recorded import score_recorded_plans
from reasoning_vla_ros.evaluation.run import evaluate
from reasoning_vla_ros.evaluation.scoring import ScoringSettings

__all__ = ["EvaluationError", "EvaluationResult", "ScoringSettings", "evaluate", "score_recorded_plans"]
