"""A model at the wheel, and what the expert would do in its place: samples of where the model's own driving leads.

Dataset aggregation (DAgger: Ross, Gordon, Bagnell, "A Reduction of Imitation Learning and Structured Prediction to
No-Regret Online Learning", arXiv 1011.0686).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.closed_loop.jobs import Workers
from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.seeds import training_seed
from reasoning_vla_ros.closed_loop.settings import HORIZON, EvaluationSettings
from reasoning_vla_ros.simulation.drives import DT_S, Drive, Moment
from reasoning_vla_ros.simulation.episode import Sensed
from reasoning_vla_ros.simulation.expert import ExpertDriver, expert_poses
from reasoning_vla_ros.simulation.navigation_text import navigation_text
from reasoning_vla_ros.simulation.planner_driver import PlannerDriver
from reasoning_vla_ros.simulation.world import World

HANDOVER_S = (1.6, 10.0)  # until then the expert drives, so that not all drives are about how worlds begin
PLAN_PERIOD_S, LATENCY_S = (0.3, 0.6), (0.1, 0.3)  # of a drive; a node's vary as well


@dataclass(frozen=True)
class CorrectedDriveTask:
    """Let the model drive one world, and ask the expert every `stride` steps of 0.1 s."""

    scenario: str
    seed: int
    stride: int = 5

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> Drive:
        """The drive, with the expert's futures; it ends where the model hits something or leaves the road.

        States in which the expert would fail as well are no samples.
        """
        world, expert = World(self.scenario, self.seed), ExpertDriver()
        rng = np.random.default_rng([self.seed, 13])
        driver = PlannerDriver(
            source.planner(world),
            settings.observation,
            plan_period_s=round(float(rng.uniform(*PLAN_PERIOD_S)), 1),
            latency_s=float(rng.uniform(*LATENCY_S)),
            num_samples=settings.num_samples,
            seed=self.seed,
        )
        handover_s, name, view = float(rng.uniform(*HANDOVER_S)), settings.observation.cameras[0][1], settings.view()
        first_step = settings.drives(0.0).first_step
        poses = [(*world.ego.xy, world.ego.yaw_rad)]
        moments: list[Moment] = []
        corrections: dict[int, NDArray[np.float64]] = {}
        for step in range(round(settings.drive_s / DT_S)):
            state = world.state()
            before = copy.copy(expert)
            decision = expert.decide(world, state)
            moments.append(Moment.of(state, decision, np.random.default_rng([self.seed, step])))
            command = decision.command
            if state.time_s >= handover_s - settings.observation.num_history * DT_S - 1.0:
                images = {name: view.render(state)}
                sensed = Sensed(state.time_s, images, state.ego, np.array(poses), navigation_text(state))
                driver.sense(sensed)
                if driver.is_ready and state.time_s >= handover_s:
                    command = driver.command(sensed)
                    if step >= first_step and step % self.stride == 0:
                        future = expert_poses(world, before, HORIZON * DT_S)
                        if future is not None:
                            corrections[step] = future
            world.step(command, DT_S)
            poses.append((*world.ego.xy, world.ego.yaw_rad))
            if world.has_collided or world.has_left_road or world.is_finished:
                break
        return Drive(self.scenario, self.seed, tuple(moments), np.array(poses), tuple(corrections), corrections)


def make_corrected_drives(
    num_drives: int,
    seed: int,
    source: PlannerSource,
    settings: EvaluationSettings,
    *,
    stride: int = 5,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Drive]:
    """Drives of a model in worlds to train in, with the expert's corrections.

    Args:
        num_drives: how many; drive i is of scenario i modulo their number.
        seed: family of the worlds, see :mod:`closed_loop.seeds`.
        source: planners of the model.
        settings: the scenarios, what the planner sees, and `drive_s`, the length of a drive.
        stride: steps of 0.1 s between samples.
        jobs: processes that drive.
        on_progress: called with drives made and drives in all.

    Raises:
        ValueError: see :func:`closed_loop.seeds.training_seed`.
    """
    names = settings.scenarios
    tasks = [
        CorrectedDriveTask(names[index % len(names)], training_seed(seed, index), stride) for index in range(num_drives)
    ]
    num_done = 0

    def done(scenario: str) -> None:
        nonlocal num_done
        num_done += 1
        if on_progress is not None:
            on_progress(num_done, num_drives)

    with Workers(source, settings, jobs) as workers:
        return workers.run(tasks, done)
