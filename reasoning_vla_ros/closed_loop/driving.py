"""The planner at the wheel, beside the expert in the same world from the same instant on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.closed_loop.planner_source import PlannerSource, blinded
from reasoning_vla_ros.closed_loop.reasoning import CheckedText, check_text
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.evaluation.metrics.plan_deviation import plan_deviation
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.ros.model_loading import PlannerLike
from reasoning_vla_ros.simulation.episode import EpisodeResult, run_episode
from reasoning_vla_ros.simulation.planner_driver import PlannerDriver, drive_until_first_plan
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import WorldState


class WatchedPlanner:
    """Passes observations on to a planner, and keeps each plan with the world at its t0.

    Args:
        planner: that plans.
        world: what the observations are of.
        is_blind: whether the planner gets black pictures.
    """

    def __init__(self, planner: PlannerLike, world: World, is_blind: bool = False) -> None:
        self.planner, self.world, self.is_blind = planner, world, is_blind
        self.plans: list[tuple[WorldState, Plan]] = []

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: Callable[[str, bool], None] | None = None,
        seed: int | None = None,
    ) -> Plan:
        """The planner's plan."""
        seen = blinded(observation) if self.is_blind else observation
        plan = self.planner.plan(seen, num_samples, deadline_s=deadline_s, on_text=on_text, seed=seed)
        self.plans.append((self.world.state(), plan))
        return plan


@dataclass(frozen=True)
class DrivenWorld:
    """What came of one world.

    Attributes:
        scenario, seed, is_blind: of the task.
        result: of the planner's drive, from the instant at which its first plan took effect.
        expert: of the expert's, from there on.
        num_plans, num_valid: plans, and those with a selected candidate.
        texts: of the plans, checked.
        deviations_m: plan deviation of each plan from the one before, metres.
    """

    scenario: str
    seed: int
    is_blind: bool
    result: EpisodeResult
    expert: EpisodeResult
    num_plans: int
    num_valid: int
    texts: tuple[CheckedText, ...]
    deviations_m: tuple[float, ...]


@dataclass(frozen=True)
class DrivingTask:
    """Drive one world."""

    scenario: str
    seed: int
    is_blind: bool = False

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> DrivenWorld:
        """See :class:`DrivenWorld`."""
        return drive_world(World(self.scenario, self.seed), source, settings, self.is_blind)


def drive_world(
    world: World,
    source: PlannerSource,
    settings: EvaluationSettings,
    is_blind: bool = False,
    keep_steps: bool = False,
) -> DrivenWorld:
    """Let the planner drive a world, and the expert a copy of it; see :class:`DrivenWorld`.

    Args:
        world: is moved on.
        source, settings: as said.
        is_blind: give the planner black pictures.
        keep_steps: keep the steps of the planner's drive, for a film.
    """
    watched = WatchedPlanner(source.planner(world), world, is_blind)
    driver = PlannerDriver(
        watched,
        settings.observation,
        plan_period_s=settings.plan_period_s,
        latency_s=settings.latency_s,
        num_samples=settings.num_samples,
        seed=world.seed,
    )
    views = {settings.observation.cameras[0][1]: settings.view()}
    expert = drive_until_first_plan(world, driver, views)
    twin = world.copy()
    result = run_episode(world, driver, settings.episode_s, views=views, keep_steps=keep_steps)
    reference = run_episode(twin, expert, settings.episode_s)
    placed = [_in_map(state, plan) for state, plan in watched.plans if plan.selected >= 0]
    return DrivenWorld(
        scenario=world.setup.scenario.name,
        seed=world.seed,
        is_blind=is_blind,
        result=result,
        expert=reference,
        num_plans=len(watched.plans),
        num_valid=len(placed),
        texts=tuple(check_text(plan, state, world.road.sight) for state, plan in watched.plans),
        deviations_m=tuple(plan_deviation(*first, *second) for first, second in pairwise(placed)),
    )


def _in_map(state: WorldState, plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Waypoints [T, 3] in the map, and their stamps."""
    pose = state.ego.pose_in_map
    xyz = plan.xyz[plan.selected].astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
    return xyz, plan.stamps_ns()
