"""The world as others take it up: what is on the road and the road itself, without anything that is our own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.scene_markers import SceneRoad, SceneThing
from reasoning_vla_ros.simulation.scene_ground import Ground
from reasoning_vla_ros.simulation.world_state import HEIGHTS_M, LaneGeometry, WorldState


def things_of(state: WorldState) -> tuple[SceneThing, ...]:
    """Vehicles and obstacles of a world, in the map frame."""
    return tuple(
        SceneThing(
            thing.id,
            thing.kind,
            thing.xy,
            thing.yaw_rad,
            (thing.length_m, thing.width_m, HEIGHTS_M[thing.kind]),
            thing.is_braking and not thing.is_obstacle,
        )
        for thing in state.things
    )


def road_of(lanes: tuple[LaneGeometry, ...]) -> SceneRoad:
    """Asphalt and paint of lanes, in the map frame."""
    return SceneRoad(np.concatenate([_strip(lane) for lane in lanes]), Ground.of(lanes).lines)


def _strip(lane: LaneGeometry) -> NDArray[np.float64]:
    left, right = lane.left, lane.right
    return np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
