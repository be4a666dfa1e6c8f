"""Plans on held-out drives of the expert, with pictures and without, beside what was driven."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.closed_loop.planner_source import PlannerSource, blinded
from reasoning_vla_ros.closed_loop.reasoning import CheckedText, check_text
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.simulation.drive_samples import sample_at
from reasoning_vla_ros.simulation.drives import DT_S, make_drive
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.world import World


@dataclass(frozen=True)
class PlannedInstant:
    """A plan and what was driven, in base_link at t0, metres.

    Attributes:
        scenario, seed, step: of the drive.
        history_xyz [T, 3], history_rot [T, 3, 3]: of the ego up to t0, at 0.1 s.
        driven_xyz: float64 [64, 3] at 0.1 s.
        plan_xyz: float64 [64, 3] at the same times; zero where the plan could not be decoded.
        blind_xyz: the same of the plan with black pictures; None where none was made.
        is_valid: whether a candidate is selected.
        text: checked.
    """

    scenario: str
    seed: int
    step: int
    history_xyz: NDArray[np.float64]
    history_rot: NDArray[np.float64]
    driven_xyz: NDArray[np.float64]
    plan_xyz: NDArray[np.float64]
    blind_xyz: NDArray[np.float64] | None
    is_valid: bool
    text: CheckedText


@dataclass(frozen=True)
class OpenLoopTask:
    """Plan along one drive of the expert; blind as well, where it is not disturbed."""

    scenario: str
    seed: int
    is_disturbed: bool = False

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> list[PlannedInstant]:
        """See :class:`PlannedInstant`."""
        drives = settings.drives(1.0 if self.is_disturbed else 0.0)
        stride = round(settings.stride_s / DT_S)
        kept: dict[int, tuple[World, ExpertDriver]] = {}

        def keep(step: int, world: World, expert: ExpertDriver) -> None:
            if step >= drives.first_step and (step - drives.first_step) % stride == 0:
                kept[step] = world.copy(), copy.copy(expert)

        drive = make_drive(self.scenario, self.seed, drives, keep)
        view = settings.view()
        instants = []
        for step in (step for step in drive.sample_steps if step in kept):
            world, expert = kept[step]
            sample = sample_at(drive, step, drives, view)
            observation = as_seen(sample.observation, settings)
            seed = plan_seed(self.seed, observation.t0_ns)
            plan = source.planner(world, expert).plan(observation, settings.num_samples, seed=seed)
            blind = None
            if not self.is_disturbed:
                blind = source.planner(world, expert).plan(blinded(observation), settings.num_samples, seed=seed)
            instants.append(
                PlannedInstant(
                    self.scenario,
                    self.seed,
                    step,
                    observation.history_xyz.astype(np.float64),
                    observation.history_rot.astype(np.float64),
                    sample.future_xyz.astype(np.float64),
                    waypoints(plan, len(sample.future_xyz)),
                    None if blind is None else waypoints(blind, len(sample.future_xyz)),
                    plan.selected >= 0,
                    check_text(plan, world.state(), world.road.sight),
                )
            )
        return instants


def as_seen(observation: Observation, settings: EvaluationSettings) -> Observation:
    """The observation with its camera under the planner's id and name for it."""
    ((camera_id, name),) = settings.observation.cameras
    return replace(observation, cameras=(replace(observation.cameras[0], camera_id=camera_id, name=name),))


def waypoints(plan: Plan, count: int) -> NDArray[np.float64]:
    """The shown candidate at 0.1 s, 0.2 s, …, [count, 3]; a plan that could not be decoded stays where it is.

    Raises:
        ValueError: a plan that does not reach that far.
    """
    xyz = plan.xyz[plan.shown].astype(np.float64)
    times_s, wanted_s = np.arange(len(xyz) + 1) * plan.dt_s, np.arange(1, count + 1) * DT_S
    if wanted_s[-1] > times_s[-1] + 1e-6:
        raise ValueError(f"plans must reach {wanted_s[-1]:.1f} s, got {len(xyz)} waypoints at {plan.dt_s} s")
    if not np.isfinite(xyz).all():
        return np.zeros((count, 3))
    points = np.vstack([np.zeros(3), xyz])
    return np.stack([np.interp(wanted_s, times_s, points[:, axis]) for axis in range(3)], axis=1)
