"""Where planners come from: a model that is loaded in each process, or the expert of each world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.settings import PlannerSettings
from reasoning_vla_ros.ros.model_loading import PlannerLike
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.expert_planner import ExpertPlanner
from reasoning_vla_ros.simulation.world import World


class PlannerSource(Protocol):
    """Makes planners. It is sent to other processes, so it can be pickled and holds no model."""

    @property
    def name(self) -> str:
        """For the report."""
        ...

    def planner(self, world: World, expert: ExpertDriver | None = None) -> PlannerLike:
        """A planner for a world, which is as it is at each observation's instant; most need neither.

        Args:
            world: what the observations are of.
            expert: who has driven so far.
        """
        ...


@dataclass(frozen=True)
class ModelPlanners:
    """The planner of a model, loaded once a process. Text and tokens are the most likely ones by default.

    Attributes:
        model: name, folder or hub id.
        settings: of the planner.
        device, dtype: see `Planner.from_pretrained`.
    """

    model: str
    settings: PlannerSettings = field(default_factory=lambda: PlannerSettings(temperature=0.0))
    device: str = "auto"
    dtype: str = "auto"

    @property
    def name(self) -> str:
        return self.model

    def planner(self, world: World, expert: ExpertDriver | None = None) -> PlannerLike:
        """See :class:`PlannerSource`; raises what `Planner.from_pretrained` does."""
        return _load(self)


@dataclass(frozen=True)
class ExpertPlanners:
    """The expert's own future as plans, with its reasons: the most that there is to reach."""

    name: str = "expert"

    def planner(self, world: World, expert: ExpertDriver | None = None) -> PlannerLike:
        """See :class:`PlannerSource`."""
        return ExpertPlanner(world, expert)


@lru_cache(maxsize=1)
def _load(source: ModelPlanners) -> PlannerLike:
    from reasoning_vla_ros.planning.planner import Planner

    return Planner.from_pretrained(source.model, device=source.device, dtype=source.dtype, settings=source.settings)


def blinded(observation: Observation) -> Observation:
    """The observation with black pictures."""
    cameras = tuple(replace(camera, images=np.zeros_like(camera.images)) for camera in observation.cameras)
    return replace(observation, cameras=cameras)
