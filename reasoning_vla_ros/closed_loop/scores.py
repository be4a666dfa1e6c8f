"""From drives and plans to figures; docs/simulation.md defines each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from reasoning_vla_ros.closed_loop.counterfactual import MOVED_M, Answered, WithoutLead
from reasoning_vla_ros.closed_loop.driving import DrivenWorld
from reasoning_vla_ros.closed_loop.ego_mlp import EgoMLP
from reasoning_vla_ros.closed_loop.evaluation import Evaluation
from reasoning_vla_ros.closed_loop.navigation import DIRECTIONS, Instructed
from reasoning_vla_ros.closed_loop.open_loop_scores import open_loop_scores
from reasoning_vla_ros.closed_loop.reasoning import CheckedText
from reasoning_vla_ros.closed_loop.speed import Speed
from reasoning_vla_ros.planning.plan import StageSeconds
from reasoning_vla_ros.simulation.episode import EpisodeResult

Scores = dict[str, Any]


def scores_of(found: Evaluation) -> Scores:
    """The scores as they go into JSON; None where there was nothing to score."""
    drives = driving_scores(found.driven)
    texts = text_scores([text for world in found.driven for text in world.texts])
    plans = open_loop_scores(found.planned, found.ego_mlp)
    blind = driving_scores(found.driven_blind)
    return {
        "model": found.name,
        "seed": found.settings.seed,
        "settings": found.settings.as_dict(),
        **drives,
        **plans,
        **texts,
        **navigation_scores(found.instructed),
        **speed_scores(found.speed),
        "blind_episodes": blind["episodes"],
        "blind_collision_or_off_road_rate": blind["collision_or_off_road_rate"],
        "open_loop_reasoning": text_scores([each.text for each in found.planned]),
        "disturbed": {
            **open_loop_scores(found.planned_disturbed, found.ego_mlp),
            **text_scores([each.text for each in found.planned_disturbed]),
        },
        "counterfactual": counterfactual_scores(found.without_lead),
        "by_scenario": {name: _of_scenario(found, name) for name in found.settings.scenarios},
    }


def driving_scores(driven: Sequence[DrivenWorld]) -> Scores:
    """Of closed-loop drives."""
    results, experts = [each.result for each in driven], [each.expert for each in driven]
    expert_m = sum(result.progress_m for result in experts)
    num_plans = sum(each.num_plans for each in driven)
    deviations_m = [deviation for each in driven for deviation in each.deviations_m]
    return {
        "episodes": len(driven),
        "collision_rate": _mean([result.has_collided for result in results]),
        "off_road_rate": _mean([result.has_left_road for result in results]),
        "collision_or_off_road_rate": _mean([result.has_collided or result.has_left_road for result in results]),
        "progress_ratio": sum(result.progress_m for result in results) / expert_m if expert_m > 0 else None,
        "progress_m": sum(result.progress_m for result in results),
        "expert_progress_m": expert_m,
        "driven_s": sum(result.duration_s for result in results),
        "num_plans": num_plans,
        "valid_rate": sum(each.num_valid for each in driven) / num_plans if num_plans else None,
        "plan_deviation_m": _mean([deviation for deviation in deviations_m if np.isfinite(deviation)]),
        "comfort": comfort_scores(results),
        "expert_comfort": comfort_scores(experts),
        "min_gap_m": gap_scores(results),
        "expert_min_gap_m": gap_scores(experts),
    }


def comfort_scores(results: Sequence[EpisodeResult]) -> Scores:
    """Root mean squares over the time that was driven."""
    names = ("rms_acceleration_mps2", "rms_lateral_acceleration_mps2", "rms_jerk_mps3")
    seconds = np.array([result.duration_s for result in results])
    if not seconds.sum() > 0:
        return dict.fromkeys(names)
    squares = {name: np.array([getattr(result, name) for result in results]) ** 2 for name in names}
    return {name: float(np.sqrt((square * seconds).sum() / seconds.sum())) for name, square in squares.items()}


def gap_scores(results: Sequence[EpisodeResult]) -> Scores:
    """The nearest that anything came, in each drive; at most 40 m."""
    gaps_m = [result.min_gap_m for result in results]
    if not gaps_m:
        return {"min": None, "p5": None, "median": None}
    return {"min": min(gaps_m), "p5": float(np.percentile(gaps_m, 5)), "median": float(np.median(gaps_m))}


def text_scores(texts: Sequence[CheckedText]) -> Scores:
    """Of plans' texts."""
    return {
        "reasoning_true_rate": _mean([text.is_true for text in texts]),
        "reasoning_consistent_rate": _mean([text.is_consistent for text in texts]),
        "num_texts": len(texts),
    }


def navigation_scores(instructed: Sequence[Instructed]) -> Scores:
    """Of plans before junctions."""
    by_direction = {
        direction: _mean([each.went == each.asked for each in instructed if each.asked == direction])
        for direction in DIRECTIONS
    }
    return {
        "navigation_success_rate": _mean([each.went == each.asked for each in instructed]),
        "navigation_by_direction": by_direction,
        "navigation_against_approach": _mean(
            [each.went == each.asked for each in instructed if each.asked != each.approach]
        ),
        "num_instructed": len(instructed),
    }


def counterfactual_scores(without_lead: Sequence[WithoutLead]) -> Scores:
    """Of the planner and, beside it, of the expert."""

    def of(answers: Sequence[Answered]) -> Scores:
        return {
            "text_changes_rate": _mean([answer.has_new_cause for answer in answers]),
            "text_true_without_rate": _mean([answer.is_true_without for answer in answers]),
            "plan_moves_rate": _mean([answer.apart_m > MOVED_M for answer in answers]),
            "plan_moves_ahead_rate": _mean([answer.moved_m > MOVED_M for answer in answers]),
            "plan_moved_m": _mean([answer.moved_m for answer in answers]),
        }

    return {
        "instants": len(without_lead),
        "planner": of([each.planner for each in without_lead]),
        "expert": of([each.expert for each in without_lead]),
    }


def speed_scores(speed: Speed) -> Scores:
    """Of the planner alone; the counts do not depend on the machine."""
    seconds = {field.name: [getattr(stage, field.name) for stage in speed.stages] for field in fields(StageSeconds)}
    return {
        "plans_per_second": speed.plans_per_second,
        "threads": speed.threads,
        "seconds": {
            name: {
                "mean": _mean(values),
                "p50": float(np.percentile(values, 50)),
                "p95": float(np.percentile(values, 95)),
            }
            for name, values in seconds.items()
        },
        "tokens": {
            "prompt": _mean(speed.num_prompt_tokens),
            "reasoning": _mean(speed.num_reasoning_tokens),
            "trajectory": _mean(speed.num_trajectory_tokens),
        },
    }


def _of_scenario(found: Evaluation, name: str) -> Scores:
    driven = [each for each in found.driven if each.scenario == name]
    blind = driving_scores([each for each in found.driven_blind if each.scenario == name])
    ego_mlp: EgoMLP = found.ego_mlp
    return {
        **driving_scores(driven),
        **open_loop_scores([each for each in found.planned if each.scenario == name], ego_mlp),
        **text_scores([text for world in driven for text in world.texts]),
        "blind_collision_or_off_road_rate": blind["collision_or_off_road_rate"],
    }


def _mean(values: Sequence[float] | Sequence[bool]) -> float | None:
    return float(np.mean(values)) if len(values) else None
