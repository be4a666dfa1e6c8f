"""Whether the plan goes where the instruction says: the same pictures and motion with three instructions.

Before a junction without other traffic, so that the way is all that there is to decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reasoning_vla_ros.closed_loop.open_loop import as_seen
from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.simulation.drive_samples import observation_at
from reasoning_vla_ros.simulation.drives import make_drive
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.navigation_text import navigation_text
from reasoning_vla_ros.simulation.scenarios import ScenarioSettings
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import Direction

DIRECTIONS: tuple[Direction, ...] = ("left", "straight", "right")
# From base_link to the waiting line. Over 30 worlds, approached on each of the three routes, the expert's plans from 6
# to 21 m before the line turn by 72° to 91° and end 8 to 37 m to the side where they turn, and by 0° within 0.1 m
# where they go straight, at least 52 m on. The bounds lie about half way.
INSTANTS_M = (21.0, 12.0)
TURNED_RAD, TURNED_M = np.deg2rad(45.0), 4.0
STRAIGHT_RAD, STRAIGHT_M = np.deg2rad(20.0), 2.0
ON_JUNCTION_M = 5.0


@dataclass(frozen=True)
class Instructed:
    """One plan.

    Attributes:
        seed: of the world.
        distance_m: from base_link to the waiting line.
        approach: the way that the expert was about to take, which its speed may give away.
        asked: what the instruction says.
        went: where the plan goes, None for neither way.
    """

    seed: int
    distance_m: float
    approach: Direction
    asked: Direction
    went: Direction | None


@dataclass(frozen=True)
class NavigationTask:
    """Plan before one junction, at two instants with three instructions each."""

    seed: int
    approach: Direction
    scenario: str = "intersection"

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> list[Instructed]:
        """See :class:`Instructed`."""
        road = ScenarioSettings(num_vehicles=0, direction=self.approach)
        drives = replace(settings.drives(0.0), scenarios=(self.scenario,), settings=road)
        kept: dict[int, World] = {}
        coming = list(INSTANTS_M)

        def keep(step: int, world: World, expert: ExpertDriver) -> None:
            junction = world.junction()
            if step < drives.first_step or not coming or junction is None or junction.distance_m > coming[0]:
                return
            del coming[0]
            kept[step] = world.copy()

        drive = make_drive(self.scenario, self.seed, drives, keep)
        view = settings.view()
        found = []
        for step, world in kept.items():
            junction = world.junction()
            assert junction is not None
            seen = as_seen(observation_at(drive, step, drives, view), settings)
            for asked in DIRECTIONS:
                twin = world.copy()
                twin.take_route(asked)
                observation = replace(seen, instruction=navigation_text(twin.state()))
                seed = plan_seed(self.seed, observation.t0_ns)
                plan = source.planner(twin).plan(observation, settings.num_samples, seed=seed)
                went = way_of(plan, junction.distance_m)
                found.append(Instructed(self.seed, junction.distance_m, self.approach, asked, went))
        return found


def way_of(plan: Plan, to_line_m: float) -> Direction | None:
    """Where the shown candidate goes at a junction whose waiting line is `to_line_m` ahead; None for no clear way."""
    xyz = plan.xyz[plan.shown].astype(np.float64)
    if not np.isfinite(xyz).all():
        return None
    yaw = np.unwrap(np.append(0.0, matrix_to_yaw(plan.rot[plan.shown].astype(np.float64))))
    turned_rad, forward_m, left_m = float(yaw[-1]), float(xyz[-1, 0]), float(xyz[-1, 1])
    if turned_rad > TURNED_RAD and left_m > TURNED_M:
        return "left"
    if turned_rad < -TURNED_RAD and left_m < -TURNED_M:
        return "right"
    is_across = forward_m > to_line_m + ON_JUNCTION_M
    return "straight" if is_across and abs(turned_rad) < STRAIGHT_RAD and abs(left_m) < STRAIGHT_M else None
