"""All scores of a planner in the driving world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console

from reasoning_vla_ros.closed_loop.counterfactual import CounterfactualTask, WithoutLead
from reasoning_vla_ros.closed_loop.driving import DrivenWorld, DrivingTask
from reasoning_vla_ros.closed_loop.ego_mlp import EgoMLP, Motions, MotionTask
from reasoning_vla_ros.closed_loop.jobs import Task, Workers
from reasoning_vla_ros.closed_loop.navigation import DIRECTIONS, Instructed, NavigationTask
from reasoning_vla_ros.closed_loop.open_loop import OpenLoopTask, PlannedInstant
from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.seeds import ego_mlp_seed, evaluation_seed
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.closed_loop.speed import Speed, measure_speed
from reasoning_vla_ros.evaluation.progress import reporting

Result = TypeVar("Result")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found, before anything is averaged; :func:`closed_loop.scores.scores_of` does that.

    Attributes:
        name: of the planner.
        settings: of the evaluation.
        driven, driven_blind: closed-loop drives; the blind ones are of the first worlds of each scenario.
        planned, planned_disturbed: instants of the expert's drives.
        ego_mlp: the baseline, trained.
        instructed: before junctions.
        without_lead: counterfactuals.
        speed: of the planner alone.
    """

    name: str
    settings: EvaluationSettings
    driven: tuple[DrivenWorld, ...]
    driven_blind: tuple[DrivenWorld, ...]
    planned: tuple[PlannedInstant, ...]
    planned_disturbed: tuple[PlannedInstant, ...]
    ego_mlp: EgoMLP
    instructed: tuple[Instructed, ...]
    without_lead: tuple[WithoutLead, ...]
    speed: Speed


def evaluate_planner(
    source: PlannerSource,
    settings: EvaluationSettings | None = None,
    *,
    num_jobs: int = 1,
    threads: int = 2,
    console: Console | None = None,
) -> Evaluation:
    """Drive, plan and ask; the same planner and settings give the same scores, whatever the number of jobs.

    Args:
        source: of planners.
        settings: what is done.
        num_jobs: processes; each loads the planner and uses one thread.
        threads: with which the speed of planning is measured, in this process.
        console: where progress goes; None for silence.

    Raises:
        ValueError: settings that are out of bounds.
    """
    chosen = settings or EvaluationSettings()
    names, seed = chosen.scenarios, chosen.seed

    def worlds(count: int) -> list[tuple[str, int]]:
        """So many of each scenario; those of one do not depend on which others there are, nor on the count."""
        return [(name, index) for index in range(count) for name in names]

    driving = [DrivingTask(name, evaluation_seed(seed, "driving", index)) for name, index in worlds(chosen.episodes)]
    blind = [DrivingTask(task.scenario, task.seed, True) for task in driving[: chosen.fewer_episodes * len(names)]]
    planning = [
        OpenLoopTask(name, evaluation_seed(seed, "open loop", index)) for name, index in worlds(chosen.episodes)
    ]
    disturbed = [
        OpenLoopTask(name, evaluation_seed(seed, "disturbed", index), True)
        for name, index in worlds(chosen.fewer_episodes)
    ]
    motions = [MotionTask(names[index % len(names)], ego_mlp_seed(index)) for index in range(chosen.ego_mlp_drives)]
    junctions = [
        NavigationTask(evaluation_seed(seed, "navigation", index), DIRECTIONS[index % len(DIRECTIONS)])
        for index in range(chosen.episodes if "intersection" in names else 0)
    ]
    leads = [
        CounterfactualTask(name, evaluation_seed(seed, "counterfactual", index))
        for name, index in worlds(chosen.episodes)
    ]
    with Workers(source, chosen, num_jobs) as workers, reporting(console, unit="worlds") as reporter:

        def done(title: str, tasks: Sequence[Task[Result]]) -> list[Result]:
            reporter.start(title, len(tasks))
            results = workers.run(tasks, reporter.advance)
            reporter.finish()
            return results

        driven = done("Driving", driving)
        driven_blind = done("Driving blind", blind)
        planned = _flat(done("Planning on held-out drives", planning))
        planned_disturbed = _flat(done("Planning on disturbed drives", disturbed))
        instructed = _flat(done("Instructions at junctions", junctions))
        without_lead = _flat(done("Without the lead vehicle", leads))
        known = Motions.join(done("Drives for the ego-history baseline", motions))
    return Evaluation(
        name=source.name,
        settings=chosen,
        driven=tuple(driven),
        driven_blind=tuple(driven_blind),
        planned=tuple(planned),
        planned_disturbed=tuple(planned_disturbed),
        ego_mlp=EgoMLP(known, chosen.ego_mlp_steps),
        instructed=tuple(instructed),
        without_lead=tuple(without_lead),
        speed=measure_speed(source, chosen, threads),
    )


def _flat(parts: Sequence[Sequence[Result]]) -> list[Result]:
    return [each for part in parts for each in part]
