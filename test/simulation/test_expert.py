"""The expert: safe, its texts true, and what it does depends on the lead vehicle and on the navigation."""

from __future__ import annotations

import numpy as np
import pytest

from reasoning_vla_ros.simulation.episode import EpisodeResult, Sensed, run_episode
from reasoning_vla_ros.simulation.expert import ExpertDriver, expert_future
from reasoning_vla_ros.simulation.navigation_text import wordings
from reasoning_vla_ros.simulation.reason_checker import is_true
from reasoning_vla_ros.simulation.scenarios import SCENARIOS, ScenarioSettings
from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand


@pytest.fixture(scope="module", params=SCENARIOS)
def drives(request: pytest.FixtureRequest) -> list[EpisodeResult]:
    return [run_episode(World(request.param, seed), ExpertDriver(), 10.0, keep_steps=True) for seed in (31, 32)]


def test_the_expert_hits_nothing_and_stays_on_the_road(drives: list[EpisodeResult]) -> None:
    for drive in drives:
        assert not drive.has_collided
        assert not drive.has_left_road
        assert drive.progress_m > 20.0
        assert drive.min_gap_m > 0.3
        assert drive.rms_lateral_acceleration_mps2 < 2.0


def test_its_texts_are_true(drives: list[EpisodeResult]) -> None:
    steps = [step for drive in drives for step in drive.steps[::3]]
    assert np.mean([is_true(step.text, step.state) for step in steps]) > 0.95


def test_its_drives_are_varied(drives: list[EpisodeResult]) -> None:
    decisions = [step.decision for drive in drives for step in drive.steps if step.decision]
    kinds = [decision.facts[0].kind for decision in decisions]
    assert len(set(kinds)) >= 3
    assert kinds.count("free_road") < 0.6 * len(kinds)
    assert len({decision.meta_action.longitudinal for decision in decisions}) >= 3


def test_the_future_is_what_is_driven() -> None:
    world = World("curves", 8)
    xyz, yaw = expert_future(world, ExpertDriver(), 3.0)
    driven, turned = run_episode(world, ExpertDriver(), 3.0).future(0, 30)
    np.testing.assert_array_equal(xyz, driven)
    np.testing.assert_array_equal(yaw, turned)
    assert xyz.shape == (30, 3)


def drive_to_junction(direction: str) -> World:
    world = World("intersection", 2, ScenarioSettings(num_vehicles=0, direction=direction))  # type: ignore[arg-type]
    driver = ExpertDriver()
    while (junction := world.junction()) is None or junction.distance_m > 8.0:
        world.step(driver.drive(world))
    return world


def test_navigation_decides_the_way_at_the_same_junction() -> None:
    futures = {direction: expert_future(drive_to_junction(direction)) for direction in ("left", "straight", "right")}
    assert futures["left"][1][-1] > 1.2
    assert abs(futures["straight"][1][-1]) < 0.1
    assert futures["right"][1][-1] < -1.2
    assert futures["left"][0][-1, 1] > 5.0 > -5.0 > futures["right"][0][-1, 1]
    for direction in ("left", "straight", "right"):
        world = World("intersection", 2, ScenarioSettings(direction=direction))  # type: ignore[arg-type]
        assert world.navigation in wordings("intersection", direction)  # type: ignore[arg-type]


def test_exits_of_a_roundabout_differ() -> None:
    ends = []
    for direction in ("right", "straight", "left"):
        world = World("roundabout", 4, ScenarioSettings(num_vehicles=0, direction=direction))
        run_episode(world, ExpertDriver(), 60.0)
        assert not world.has_left_road
        ends.append(world.ego.yaw_rad)
    np.testing.assert_allclose(np.cos(ends), np.cos([-np.pi / 2, 0.0, np.pi / 2]), atol=0.05)
    np.testing.assert_allclose(np.sin(ends), np.sin([-np.pi / 2, 0.0, np.pi / 2]), atol=0.05)


def test_without_the_lead_the_expert_drives_on() -> None:
    """The first drive of the seeds in which a lead brakes; it is taken out at that instant."""
    for seed in range(20):
        world, driver = (
            World("highway", seed, ScenarioSettings(brake_probability=1.0, obstacle_probability=0.0)),
            ExpertDriver(),
        )
        for _ in range(100):
            decision = driver.decide(world)
            fact = decision.facts[0]
            if fact.kind == "lead_braking" and decision.command.acceleration_mps2 < -1.5 and driver.target_lane is None:
                twin = world.copy()
                twin.remove_vehicle(fact.subject_id)  # type: ignore[arg-type]
                without = ExpertDriver().decide(twin)
                assert without.command.acceleration_mps2 > decision.command.acceleration_mps2 + 1.0
                assert without.facts[0].subject_id != fact.subject_id
                with_xyz, without_xyz = (expert_future(one, horizon_s=3.0)[0] for one in (world, twin))
                assert without_xyz[-1, 0] > with_xyz[-1, 0] + 1.0
                return
            world.step(decision.command)
    pytest.fail("no lead brakes in 20 seeds")


def test_the_expert_changes_lane_for_a_barrier() -> None:
    world = World("highway", 1, ScenarioSettings(num_vehicles=0, obstacle_probability=1.0, num_lanes=3))
    result = run_episode(world, ExpertDriver(), 25.0, keep_steps=True)
    assert not result.has_collided
    lateral = {step.decision.meta_action.lateral for step in result.steps if step.decision}
    assert lateral & {"change lane left", "change lane right"}
    assert any("blocks" in text or "closed" in text for _, text in result.texts)


class Blind:
    """Drives straight on by what it senses."""

    text = ""

    def __init__(self) -> None:
        self.seen: list[Sensed] = []

    def command(self, sensed: Sensed) -> EgoCommand:
        self.seen.append(sensed)
        return EgoCommand(0.0, 0.0)


def test_a_driver_gets_images_history_and_navigation_and_its_fault_ends_the_drive() -> None:
    driver = Blind()
    world = World("roundabout", 0, ScenarioSettings(num_vehicles=0))
    result = run_episode(world, driver, 30.0, dt_s=0.2, views={"front": SceneView()})
    assert result.has_left_road
    assert len(driver.seen) == len(result.poses_in_map) - 1 < 150
    last = driver.seen[-1]
    assert last.images["front"].shape == (FRONT_CAMERA.height, FRONT_CAMERA.width, 3)
    assert len(last.past_poses) == len(driver.seen)
    np.testing.assert_array_equal(last.past_poses[-1, :2], last.ego.xy)
    assert "exit" in last.navigation
    assert last.navigation.endswith("km/h.")


def test_a_future_beyond_the_drive_is_refused() -> None:
    result = run_episode(World("curves", 1), ExpertDriver(), 1.0)
    with pytest.raises(ValueError, match="30 points after step 0 are not there"):
        result.future(0, 30)
    with pytest.raises(ValueError, match="duration_s must be positive, got 0"):
        run_episode(World("curves", 1), ExpertDriver(), 0.0)
