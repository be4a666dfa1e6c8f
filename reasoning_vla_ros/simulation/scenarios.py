"""The scenarios by name: roads, traffic, obstacles, light and weather, drawn by a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reasoning_vla_ros.simulation.junction_roads import intersection_map, roundabout_map
from reasoning_vla_ros.simulation.road_map import RoadMap
from reasoning_vla_ros.simulation.roads import curves_map, highway_map, merge_map
from reasoning_vla_ros.simulation.world_state import LIGHTS, WEATHERS, Conditions, Direction, Light, Weather

MAX_VEHICLES = 40
SPEED_LIMITS_MPS = (5.0, 30.0)


@dataclass(frozen=True)
class ScenarioSettings:
    """What a scenario is made of; None is drawn by the seed.

    Attributes:
        num_vehicles: besides the ego.
        num_lanes: the ego's way, side by side.
        speed_limit_mps: of the ego's road.
        obstacle_probability: that a lane is closed by a barrier ahead; where there are two lanes or more.
        brake_probability: that a vehicle brakes now and then.
        direction: of the ego's route, where there is a junction. On a merge, "right" starts on the ramp.
        light, weather: see :class:`Conditions`.
    """

    num_vehicles: int | None = None
    num_lanes: int | None = None
    speed_limit_mps: float | None = None
    obstacle_probability: float | None = None
    brake_probability: float = 0.5
    direction: Direction | None = None
    light: Light | None = None
    weather: Weather | None = None

    def __post_init__(self) -> None:
        _check_range("num_vehicles", self.num_vehicles, 0, MAX_VEHICLES)
        _check_range("speed_limit_mps", self.speed_limit_mps, *SPEED_LIMITS_MPS)
        _check_range("obstacle_probability", self.obstacle_probability, 0.0, 1.0)
        _check_range("brake_probability", self.brake_probability, 0.0, 1.0)
        _check_choice("direction", self.direction, ("left", "straight", "right"))
        _check_choice("light", self.light, LIGHTS)
        _check_choice("weather", self.weather, WEATHERS)


@dataclass(frozen=True)
class Scenario:
    """A kind of world.

    Attributes:
        name: as in the registry.
        build: of its map, from random numbers, number of lanes and speed limit.
        lanes: the numbers of lanes to choose from.
        speed_limits_mps: to choose from.
        vehicles: the fewest and the most.
        obstacle_probability: unless the settings say otherwise.
        directions: of the ego's routes, in their order.
        start_m: where the ego starts along its route, at the least and the most.
    """

    name: str
    build: Callable[[np.random.Generator, int, float], RoadMap]
    lanes: tuple[int, ...]
    speed_limits_mps: tuple[float, ...]
    vehicles: tuple[int, int]
    obstacle_probability: float
    directions: tuple[Direction, ...]
    start_m: tuple[float, float]


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("highway", highway_map, (2, 3, 4), (18.0, 20.0, 22.0), (6, 14), 0.35, ("straight",), (60.0, 120.0)),
        Scenario("merge", merge_map, (2,), (14.0, 16.0, 18.0), (6, 10), 0.0, ("straight", "right"), (40.0, 75.0)),
        Scenario(
            "roundabout", roundabout_map, (1,), (9.0, 11.0), (5, 9), 0.0, ("right", "straight", "left"), (20.0, 50.0)
        ),
        Scenario(
            "intersection",
            intersection_map,
            (1,),
            (9.0, 11.0, 13.0),
            (5, 9),
            0.0,
            ("left", "straight", "right"),
            (15.0, 45.0),
        ),
        Scenario("curves", curves_map, (1, 2), (12.0, 14.0, 16.0), (3, 7), 0.25, ("straight",), (20.0, 40.0)),
    )
}


@dataclass(frozen=True)
class Setup:
    """What the seed and the settings come to."""

    scenario: Scenario
    num_vehicles: int
    num_lanes: int
    speed_limit_mps: float
    obstacle_probability: float
    brake_probability: float
    direction: Direction
    conditions: Conditions


def find_scenario(name: str) -> Scenario:
    """The scenario of that name; a ValueError names those there are."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def draw_setup(scenario: Scenario, settings: ScenarioSettings, rng: np.random.Generator) -> Setup:
    """Draw what the settings leave open.

    Raises:
        ValueError: a direction that the scenario has no route for, or a number of lanes that it does not have.
    """
    if settings.direction is not None and settings.direction not in scenario.directions:
        raise ValueError(f"{scenario.name} has routes {scenario.directions}, got direction {settings.direction!r}")
    _check_choice(f"num_lanes of {scenario.name}", settings.num_lanes, scenario.lanes)
    drawn: Direction = scenario.directions[int(rng.integers(len(scenario.directions)))]
    num_vehicles = int(rng.integers(scenario.vehicles[0], scenario.vehicles[1] + 1))
    num_lanes, limit = int(rng.choice(scenario.lanes)), float(rng.choice(scenario.speed_limits_mps))
    light: Light = LIGHTS[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
    weather: Weather = WEATHERS[int(rng.choice(3, p=[0.6, 0.2, 0.2]))]
    fog_range_m = float(rng.uniform(70.0, 140.0))
    light, weather = settings.light or light, settings.weather or weather
    obstacle = settings.obstacle_probability
    return Setup(
        scenario,
        settings.num_vehicles if settings.num_vehicles is not None else num_vehicles,
        settings.num_lanes or num_lanes,
        settings.speed_limit_mps or limit,
        obstacle if obstacle is not None else scenario.obstacle_probability,
        settings.brake_probability,
        settings.direction or drawn,
        Conditions(light, weather, fog_range_m if weather == "fog" else 1000.0),
    )


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (np.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must lie between {low} and {high}, got {value}")


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value is not None and value not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")


ScenarioName = Literal["highway", "merge", "roundabout", "intersection", "curves"]
