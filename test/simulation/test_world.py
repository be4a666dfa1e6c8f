"""The world: the same seed gives the same states, y points to the left, and what is hit or left is noticed."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from reasoning_vla_ros.simulation.scenarios import SCENARIOS, ScenarioSettings
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand, WorldState

COMMANDS = [EgoCommand(float(np.sin(0.3 * step)), 0.002 * float(np.cos(0.2 * step))) for step in range(30)]


def moving_parts(state: WorldState) -> list[object]:
    return [state.time_s, asdict(state.ego), [asdict(vehicle) for vehicle in state.things], state.navigation]


def drive(world: World) -> list[list[object]]:
    states = []
    for command in COMMANDS:
        world.step(command, 0.1)
        states.append(moving_parts(world.state()))
    return states


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_seed_and_commands_give_the_same_states_bit_for_bit(name: str) -> None:
    assert drive(World(name, 3)) == drive(World(name, 3))


def test_another_seed_gives_another_world() -> None:
    assert drive(World("highway", 3)) != drive(World("highway", 4))


@pytest.mark.parametrize("name", ["merge", "intersection"])
def test_a_copy_goes_on_alike_and_leaves_the_original_as_it_was(name: str) -> None:
    world = World(name, 5)
    world.step(COMMANDS[0])
    before = moving_parts(world.state())
    ahead = drive(world.copy())
    assert moving_parts(world.state()) == before
    assert drive(world) == ahead


def test_positive_curvature_turns_left_towards_positive_y() -> None:
    world = World("highway", 0, ScenarioSettings(num_vehicles=0, obstacle_probability=0.0))
    start = world.state().ego
    for _ in range(10):
        world.step(EgoCommand(0.0, 0.01))
    state = world.state()
    assert state.ego.yaw_rad > start.yaw_rad
    assert state.ego.xy[1] > start.xy[1]
    np.testing.assert_allclose(state.ego.pose_in_map[:2, 0], [np.cos(state.ego.yaw_rad), np.sin(state.ego.yaw_rad)])


def test_edges_lie_on_their_sides_of_the_lane() -> None:
    for name in SCENARIOS:
        for lane in World(name, 1).lanes:
            along = lane.center[1] - lane.center[0]
            to_left = lane.left[0] - lane.center[0]
            assert along[0] * to_left[1] - along[1] * to_left[0] > 0
            np.testing.assert_allclose(np.hypot(*(lane.left - lane.right).T), lane.width_m, atol=1e-6)


def test_vehicles_drive_along_their_lanes_on_the_right() -> None:
    """On a road with a lane each way those that come towards the ego are to its left."""
    world = World("curves", 1, ScenarioSettings(num_lanes=1, num_vehicles=12))
    path = world.paths[0]
    sides = []
    for vehicle in world.state().vehicles:
        s_m, left_m = path.project(vehicle.xy)
        is_towards = np.cos(vehicle.yaw_rad - path.yaw_rad[path.index(s_m)]) < 0
        sides.append((bool(is_towards), round(left_m)))
    assert {(True, 4), (False, 0)} == set(sides)


def test_leaving_the_road_is_noticed() -> None:
    world = World("curves", 0, ScenarioSettings(num_vehicles=0, num_lanes=1))
    for _ in range(60):
        world.step(EgoCommand(1.0, -0.05))
    assert world.has_left_road
    assert not world.has_collided


def test_a_collision_is_noticed_and_is_none_without_the_vehicle() -> None:
    world = World("highway", 0, ScenarioSettings(num_vehicles=0, obstacle_probability=1.0))
    lane = int(np.argmin([abs(path.project(world.state().obstacles[0].xy)[1]) for path in world.paths]))
    twin = world.copy()
    for thing in twin.state().obstacles:
        twin.remove_vehicle(thing.id)
    for one in (world, twin):
        barrier = next(thing for thing in world.state().obstacles if thing.kind == "barrier")
        x, y = barrier.xy
        start = world.paths[lane].point(world.paths[lane].project((x, y))[0] - 30.0)
        one.ego = type(one.ego)((float(start[0]), float(start[1])), barrier.yaw_rad, 10.0, 0.0, 0.0)
        for _ in range(40):
            one.step(EgoCommand(0.0, 0.0))
    assert world.has_collided
    assert not twin.has_collided


def test_the_ego_keeps_to_its_limits_and_never_goes_backwards() -> None:
    world = World("highway", 2)
    speed = world.ego.speed_mps
    world.step(EgoCommand(-100.0, 5.0))
    assert world.ego.speed_mps == pytest.approx(speed - 0.7)
    assert world.ego.curvature_1pm * speed**2 < 6.1
    for _ in range(60):
        world.step(EgoCommand(-100.0, 0.0))
    assert world.ego.speed_mps == 0.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_vehicles": -1}, "num_vehicles must lie between 0 and 40, got -1"),
        ({"speed_limit_mps": float("nan")}, "speed_limit_mps must lie between 5.0 and 30.0, got nan"),
        ({"obstacle_probability": 1.5}, "obstacle_probability must lie between 0.0 and 1.0, got 1.5"),
        ({"weather": "snow"}, r"weather must be one of \('clear', 'fog', 'rain'\), got 'snow'"),
        ({"direction": "back"}, "direction must be one of"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ScenarioSettings(**settings)  # type: ignore[arg-type]


def test_what_a_scenario_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="there are highway, merge"):
        World("city", 0)
    with pytest.raises(ValueError, match="got direction 'left'"):
        World("curves", 0, ScenarioSettings(direction="left"))
    with pytest.raises(ValueError, match=r"num_lanes of highway must be one of \(2, 3, 4\), got 7"):
        World("highway", 0, ScenarioSettings(num_lanes=7))
    world = World("highway", 0)
    with pytest.raises(ValueError, match=r"dt_s must lie between 0.02 and 0.2, got 1.0"):
        world.step(EgoCommand(0.0, 0.0), 1.0)
    with pytest.raises(ValueError, match="must be finite"):
        world.step(EgoCommand(float("nan"), 0.0))
    with pytest.raises(ValueError, match="no vehicle with id 999"):
        world.remove_vehicle(999)
