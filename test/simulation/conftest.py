"""A world state made by hand: a straight road along +x with two lanes, the ego in the right one at the origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from reasoning_vla_ros.simulation.world_state import (
    Conditions,
    EgoState,
    LaneGeometry,
    VehicleState,
    WorldState,
)

StateMaker = Callable[..., WorldState]
VehicleMaker = Callable[..., VehicleState]


@pytest.fixture(scope="session")
def make_vehicle() -> VehicleMaker:
    def make(x: float, y: float = 0.0, **changes: object) -> VehicleState:
        car = VehicleState(1, "car", (x, y), 0.0, 10.0, 0.0, False, 4.6, 1.9, 0)
        return replace(car, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def make_state() -> StateMaker:
    x = np.arange(-20.0, 201.0, 2.0)

    def line(y: float) -> np.ndarray:
        return np.stack([x, np.full(len(x), y)], axis=1)

    lanes = (
        LaneGeometry(0, line(4.0), line(6.0), line(2.0), "solid", "none", 4.0, 15.0),
        LaneGeometry(1, line(0.0), line(2.0), line(-2.0), "dashed", "solid", 4.0, 15.0),
    )
    route = np.stack([np.arange(0.0, 111.0), np.zeros(111)], axis=1)

    def make(
        *vehicles: VehicleState, speed_mps: float = 12.0, conditions: Conditions | None = None, **changes: object
    ) -> WorldState:
        state = WorldState(
            time_s=0.0,
            ego=EgoState((0.0, 0.0), 0.0, speed_mps, 0.0, 0.0),
            vehicles=tuple(vehicle for vehicle in vehicles if not vehicle.is_obstacle),
            obstacles=tuple(vehicle for vehicle in vehicles if vehicle.is_obstacle),
            lanes=lanes,
            conditions=conditions or Conditions(),
            speed_limit_mps=15.0,
            route=route,
            side_routes={"left": route + np.array([0.0, 4.0]), "right": None},
            junction=None,
            navigation="Follow the road.",
        )
        return replace(state, **changes)  # type: ignore[arg-type]

    return make
