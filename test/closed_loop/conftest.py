"""Planners with known answers, and small settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.world import World

TIMES_S = np.arange(1, 65) * 0.1
TEXT = "The road ahead is free, so keep the speed and keep the lane."


def arc_plan(observation: Observation, speed_mps: float, curvature_1pm: float = 0.0, text: str = TEXT) -> Plan:
    """A plan along an arc at a constant speed."""
    yaw = curvature_1pm * speed_mps * TIMES_S
    steps = speed_mps * 0.1 * np.stack([np.cos(yaw), np.sin(yaw), np.zeros(64)], axis=1)
    return Plan(
        t0_ns=observation.t0_ns,
        xyz=np.cumsum(steps, axis=0)[None].astype(np.float32),
        rot=yaw_to_matrix(yaw)[None].astype(np.float32),
        speed_mps=np.full((1, 64), speed_mps, np.float32),
        dt_s=0.1,
        v0_mps=observation.speed_mps,
        score=np.zeros(1, np.float32),
        valid=np.ones(1, np.bool_),
        invalid_reasons=("",),
        selected=0,
        reasoning=(text,),
        meta_actions=("",),
        reasoning_complete=(True,),
    )


@dataclass(frozen=True)
class Fake:
    """A planner, and its own source, that answers by a function of the observation."""

    answer: Callable[[Observation], Plan]
    name: str = "fake"

    def planner(self, world: World, expert: ExpertDriver | None = None) -> Fake:
        return self

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: Callable[[str, bool], None] | None = None,
        seed: int | None = None,
    ) -> Plan:
        return self.answer(observation)


def straight_on(observation: Observation) -> Plan:
    return arc_plan(observation, observation.speed_mps or 0.0)


def undecodable(observation: Observation) -> Plan:
    plan = straight_on(observation)
    return replace(plan, xyz=np.full_like(plan.xyz, np.nan), valid=np.zeros(1, np.bool_), selected=-1)


@pytest.fixture(scope="session")
def fakes() -> SimpleNamespace:
    """What the tests make planners of."""
    return SimpleNamespace(Fake=Fake, arc_plan=arc_plan, straight_on=straight_on, undecodable=undecodable)


@pytest.fixture(scope="session")
def tiny() -> EvaluationSettings:
    return EvaluationSettings(
        episodes=1,
        scenarios=("curves", "intersection"),
        episode_s=3.0,
        camera=PinholeCamera(16, 8, 100.0, (1.6, 0.0, 1.4)),
        drive_s=13.0,
        ego_mlp_drives=4,
        ego_mlp_steps=60,
    )
