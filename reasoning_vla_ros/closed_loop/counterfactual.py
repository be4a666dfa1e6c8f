"""What text and plan become when the vehicle that the expert goes by is not there."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np

from reasoning_vla_ros.closed_loop.open_loop import as_seen, waypoints
from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.settings import HORIZON, EvaluationSettings
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.simulation.claims import claims_in
from reasoning_vla_ros.simulation.drive_samples import observation_at
from reasoning_vla_ros.simulation.drives import DT_S, Drive, make_drive
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.expert_planner import ExpertPlanner
from reasoning_vla_ros.simulation.reason_checker import DISTANCE_M, DISTANCE_SHARE, is_true
from reasoning_vla_ros.simulation.world import World

NEAR_M = 35.0  # a lead further away changes little of the next 6.4 s
APART_S = 3.0
MOST_A_DRIVE = 3
MOVED_M = 1.0  # less is within what plans of neighbouring instants differ by


@dataclass(frozen=True)
class Answered:
    """Text and plan with and without the lead vehicle, of the planner or of the expert.

    Attributes:
        text, text_without: reasons.
        is_true_without: whether the second is true of the world without it.
        moved_m: how much further ahead the second plan ends, metres.
        apart_m: between the two ends.
    """

    text: str
    text_without: str
    is_true_without: bool
    moved_m: float
    apart_m: float

    @property
    def has_new_cause(self) -> bool:
        """Whether another cause comes first, or one of that kind at another distance."""
        before, after = claims_in(self.text).causes, claims_in(self.text_without).causes
        if not before or not after:
            return bool(before) != bool(after)
        first, second = before[0], after[0]
        if (first.kind, first.side) != (second.kind, second.side):
            return True
        if first.distance_m is None or second.distance_m is None:
            return first.distance_m is not second.distance_m
        return abs(first.distance_m - second.distance_m) > max(DISTANCE_M, DISTANCE_SHARE * first.distance_m)


@dataclass(frozen=True)
class WithoutLead:
    """One instant, `gap_m` behind the lead vehicle."""

    scenario: str
    seed: int
    step: int
    gap_m: float
    planner: Answered
    expert: Answered


@dataclass(frozen=True)
class CounterfactualTask:
    """Ask along one drive of the expert, where a vehicle ahead is its first cause."""

    scenario: str
    seed: int

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> list[WithoutLead]:
        """See :class:`WithoutLead`; empty where there is no such instant."""
        drives = settings.drives(0.0)
        kept: list[tuple[int, World, ExpertDriver, int, float]] = []

        def keep(step: int, world: World, expert: ExpertDriver) -> None:
            is_soon = bool(kept) and step - kept[-1][0] < round(APART_S / DT_S)
            if step < drives.first_step or is_soon or len(kept) == MOST_A_DRIVE:
                return
            cause = copy.copy(expert).decide(world).facts[0]
            if cause.kind.startswith("lead") and cause.subject_id is not None and (cause.distance_m or 0.0) < NEAR_M:
                kept.append((step, world.copy(), copy.copy(expert), cause.subject_id, cause.distance_m or 0.0))

        drive = make_drive(self.scenario, self.seed, drives, keep)
        view = settings.view()
        found = []
        for step, world, expert, lead_id, gap_m in kept:
            without = world.copy()
            without.remove_vehicle(lead_id)
            seen = as_seen(observation_at(drive, step, drives, view), settings)
            seen_without = as_seen(observation_at(_without(drive, lead_id), step, drives, view), settings)
            seed = plan_seed(self.seed, seen.t0_ns)
            plans = [
                source.planner(each, expert).plan(observation, settings.num_samples, seed=seed)
                for each, observation in ((world, seen), (without, seen_without))
            ]
            ideal = [ExpertPlanner(each, expert).plan(seen, seed=seed) for each in (world, without)]
            answers = [_answered(pair[0], pair[1], without) for pair in (plans, ideal)]
            found.append(WithoutLead(self.scenario, self.seed, step, gap_m, answers[0], answers[1]))
        return found


def _without(drive: Drive, vehicle_id: int) -> Drive:
    """The drive as it would have been drawn without a vehicle."""
    moments = []
    for moment in drive.moments:
        others = tuple(vehicle for vehicle in moment.state.vehicles if vehicle.id != vehicle_id)
        moments.append(replace(moment, state=replace(moment.state, vehicles=others)))
    return replace(drive, moments=tuple(moments))


def _answered(plan: Plan, plan_without: Plan, world_without: World) -> Answered:
    ends = [waypoints(each, HORIZON)[-1, :2] for each in (plan, plan_without)]
    text, text_without = (each.reasoning[each.shown] for each in (plan, plan_without))
    return Answered(
        text,
        text_without,
        is_true(text_without, world_without.state(), world_without.road.sight),
        float(ends[1][0] - ends[0][0]),
        float(np.linalg.norm(ends[1] - ends[0])),
    )
