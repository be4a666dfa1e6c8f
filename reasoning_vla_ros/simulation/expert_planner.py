"""The expert's own future as plans: the best that a planner could do, and a measure of the loop around it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.simulation.expert import ExpertDriver, relative_to
from reasoning_vla_ros.simulation.reasons import reason_text
from reasoning_vla_ros.simulation.world import World

NUM_POINTS = 64
DT_S = 0.1


class ExpertPlanner:
    """Plans what the expert would drive in the next 6.4 s, with the traffic as it will then be.

    It looks into the world, not at the observation. What the expert has set out to do, such as a lane change, it goes
    on with in the next plan.

    Its reasoning is the expert's, in the wording of the plan's seed.

    Args:
        world: as it is at the observation's instant.
        driver: the expert that has driven so far, with what it has set out to do; a new one by default.
    """

    def __init__(self, world: World, driver: ExpertDriver | None = None) -> None:
        self.world = world
        self._memory: list[tuple[float, ExpertDriver]] = [(-1.0, copy.copy(driver) if driver else ExpertDriver())]

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: Callable[[str, bool], None] | None = None,
        seed: int | None = None,
    ) -> Plan:
        """The plan, as `planning.Planner.plan` gives it, with the one candidate."""
        now_s, ego = self.world.time_s, self.world.ego
        expert = copy.copy([driver for time_s, driver in self._memory if time_s <= now_s + 1e-6][-1])
        world, self._memory = self.world.copy(), []
        poses, speeds = [], []
        decisions = []
        for _ in range(NUM_POINTS):
            self._memory.append((world.time_s, copy.copy(expert)))
            decisions.append(expert.decide(world))
            world.step(decisions[-1].command, DT_S)
            poses.append((*world.ego.xy, world.ego.yaw_rad))
            speeds.append(world.ego.speed_mps)
        xyz, yaw = relative_to(np.array(poses), ego.xy, ego.yaw_rad)
        return Plan(
            t0_ns=observation.t0_ns,
            xyz=xyz[None].astype(np.float32),
            rot=yaw_to_matrix(yaw)[None].astype(np.float32),
            speed_mps=np.array(speeds, np.float32)[None],
            dt_s=DT_S,
            v0_mps=ego.speed_mps,
            score=np.zeros(1, np.float32),
            valid=np.ones(1, np.bool_),
            invalid_reasons=("",),
            selected=0,
            reasoning=(reason_text(decisions[0], seed or 0),),
            meta_actions=(str(decisions[0].meta_action),),
            reasoning_complete=(True,),
            seed=seed or 0,
        )
