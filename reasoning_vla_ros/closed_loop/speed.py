"""How fast a planner plans, by itself."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch

from reasoning_vla_ros.closed_loop.open_loop import as_seen
from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.seeds import evaluation_seed
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import StageSeconds
from reasoning_vla_ros.simulation.drive_samples import observation_at
from reasoning_vla_ros.simulation.drives import make_drive
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.world import World

NUM_WARM_UP, NUM_PLANS = 3, 20
STEPS_APART = 10


@dataclass(frozen=True)
class Speed:
    """Plans one after the other, in this process.

    Attributes:
        plans_per_second: one by the median of the wall-clock seconds of a plan, which what else the machine does moves
            less than their mean.
        threads: of PyTorch.
        stages: of each plan.
        num_prompt_tokens, num_reasoning_tokens, num_trajectory_tokens: of each plan.
    """

    plans_per_second: float
    threads: int
    stages: tuple[StageSeconds, ...]
    num_prompt_tokens: tuple[int, ...]
    num_reasoning_tokens: tuple[int, ...]
    num_trajectory_tokens: tuple[int, ...]


def measure_speed(source: PlannerSource, settings: EvaluationSettings, threads: int = 2) -> Speed:
    """Time 20 plans after 3 to warm up, at different instants of drives in all scenarios.

    Raises:
        ValueError: less than one thread.
    """
    if threads < 1:
        raise ValueError(f"the number of threads must be at least 1, got {threads}")
    seen = _instants(settings)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for number in range(NUM_WARM_UP):
            observation, world, expert = seen[number % len(seen)]
            source.planner(world, expert).plan(observation, settings.num_samples, seed=number)
        plans, took_s = [], []
        for number in range(NUM_PLANS):
            observation, world, expert = seen[number % len(seen)]
            planner, begin_s = source.planner(world, expert), time.perf_counter()
            plans.append(planner.plan(observation, settings.num_samples, seed=number))
            took_s.append(time.perf_counter() - begin_s)
    finally:
        torch.set_num_threads(before)
    return Speed(
        1.0 / float(np.median(took_s)),
        threads,
        tuple(plan.seconds for plan in plans),
        tuple(plan.num_prompt_tokens for plan in plans),
        tuple(max(plan.num_reasoning_tokens, default=0) for plan in plans),
        tuple(plan.num_trajectory_tokens for plan in plans),
    )


def _instants(settings: EvaluationSettings) -> list[tuple[Observation, World, ExpertDriver]]:
    drives, view = settings.drives(0.0), settings.view()
    count = -(-NUM_PLANS // len(settings.scenarios))
    seen = []
    for number, scenario in enumerate(settings.scenarios):
        kept: dict[int, tuple[World, ExpertDriver]] = {}

        def keep(
            step: int, world: World, expert: ExpertDriver, kept: dict[int, tuple[World, ExpertDriver]] = kept
        ) -> None:
            if step >= drives.first_step and (step - drives.first_step) % STEPS_APART == 0 and len(kept) < count:
                kept[step] = world.copy(), copy.copy(expert)

        drive = make_drive(scenario, evaluation_seed(settings.seed, "open loop", number), drives, keep)
        for step, pair in kept.items():
            seen.append((as_seen(observation_at(drive, step, drives, view), settings), *pair))
    return seen
