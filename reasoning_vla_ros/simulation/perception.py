"""What lies on a path ahead: shared by the expert, who acts on it, and the checker, who checks it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reasoning_vla_ros.simulation.footprints import corners
from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.sight import Sight
from reasoning_vla_ros.simulation.world_state import EgoState, VehicleState, WorldState

CLEARANCE_M = 0.35


@dataclass(frozen=True)
class OnPath:
    """Something on a path: gap from the ego's front bumper, speed along the path (0 if it comes towards the ego), and
    how far its middle lies to the left of the path."""

    thing: VehicleState
    gap_m: float
    speed_mps: float
    left_m: float


def visible(state: WorldState, sight: Sight) -> tuple[VehicleState, ...]:
    """Vehicles and obstacles in view."""
    ego_xy = np.array(state.ego.xy)
    return tuple(
        thing
        for thing in state.things
        if sight.sees(
            ego_xy,
            state.ego.yaw_rad,
            corners(thing.xy, thing.yaw_rad, thing.length_m, thing.width_m),
            np.array(thing.xy),
        )
    )


def on_path(things: Iterable[VehicleState], path: Path, ego: EgoState, ego_s_m: float, reach_m: float) -> list[OnPath]:
    """What stands or drives on a path within `reach_m` of the ego, the nearest first.

    A thing is on the path when its footprint comes within 0.35 m of the strip that the ego is going to need.
    """
    found = []
    for thing in things:
        dx, dy = thing.xy[0] - ego.xy[0], thing.xy[1] - ego.xy[1]
        if dx * dx + dy * dy > (reach_m + 10.0) ** 2:
            continue
        s_m, left_m = path.project(thing.xy)
        turn = thing.yaw_rad - float(path.yaw_rad[path.index(s_m)])
        cos, sin = abs(float(np.cos(turn))), abs(float(np.sin(turn)))
        half_width = (thing.length_m * sin + thing.width_m * cos) / 2
        half_length = (thing.length_m * cos + thing.width_m * sin) / 2
        gap_m = s_m - half_length - ego_s_m - ego.length_m / 2
        is_ahead = s_m > ego_s_m + 1.0 and gap_m < reach_m and s_m < path.length_m + 5.0
        if is_ahead and abs(left_m) < half_width + ego.width_m / 2 + CLEARANCE_M:
            found.append(OnPath(thing, gap_m, max(0.0, thing.speed_mps * float(np.cos(turn))), left_m))
    return sorted(found, key=lambda one: one.gap_m)
