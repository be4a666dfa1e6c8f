"""A planner at the wheel in one process: what it sees, when its plans count, and that the loop itself costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.planning.plan import Plan, StageSeconds
from reasoning_vla_ros.planning.plan_follower import FollowerSettings
from reasoning_vla_ros.simulation.episode import run_episode
from reasoning_vla_ros.simulation.expert_planner import ExpertPlanner
from reasoning_vla_ros.simulation.planner_driver import START_NS, PlannerDriver, drive_by_plans
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scenarios import ScenarioSettings
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.simulation.world import World

CONFIG = ObservationConfig(((1, "front"),))
EMPTY = ScenarioSettings(num_vehicles=0, num_lanes=2, obstacle_probability=0.0)


class StraightPlanner:
    """Goes straight on at the speed it sees, or slower by `braking_mps2`."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.braking_mps2 = 0.0
        self.is_valid = True
        self.seeds: list[int | None] = []

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: Callable[[str, bool], None] | None = None,
        seed: int | None = None,
    ) -> Plan:
        self.observations.append(observation)
        self.seeds.append(seed)
        v0_mps = observation.speed_mps or 0.0
        times = np.arange(1, 65) * 0.1
        speed = np.maximum(v0_mps - self.braking_mps2 * times, 0.0)
        xyz = np.zeros((1, 64, 3), np.float32)
        xyz[0, :, 0] = np.cumsum((speed + np.append(v0_mps, speed[:-1])) / 2 * 0.1)
        return Plan(
            t0_ns=observation.t0_ns,
            xyz=xyz,
            rot=np.tile(np.eye(3, dtype=np.float32), (1, 64, 1, 1)),
            speed_mps=speed[None].astype(np.float32),
            dt_s=0.1,
            v0_mps=v0_mps,
            score=np.zeros(1, np.float32),
            valid=np.array([self.is_valid]),
            invalid_reasons=("" if self.is_valid else "too fast",),
            selected=0 if self.is_valid else -1,
            reasoning=(f"plan {len(self.observations)}",),
            meta_actions=("",),
            reasoning_complete=(True,),
            seconds=StageSeconds(total=0.7),
        )


def small_view() -> dict[str, SceneView]:
    return {"front": SceneView(PinholeCamera(16, 16, 100.0))}


def test_the_planner_sees_history_frames_and_navigation() -> None:
    world, planner = World("highway", 1, EMPTY), StraightPlanner()
    result = drive_by_plans(world, PlannerDriver(planner, CONFIG, latency_s=0.0), small_view(), 2.0)
    first = planner.observations[0]
    assert result.duration_s == pytest.approx(2.0)
    assert world.time_s == pytest.approx(2.0 + 1.5)  # the history was driven by the expert
    assert first.t0_ns == START_NS + 1_500_000_000
    assert first.cameras[0].images.shape == (4, 16, 16, 3)
    assert [first.t0_ns - stamp_ns for stamp_ns in first.cameras[0].stamps_ns] == [
        300_000_000,
        200_000_000,
        100_000_000,
        0,
    ]
    assert first.history_xyz.shape == (16, 3)
    assert "km/h" in first.instruction
    assert [(later.t0_ns - first.t0_ns) / 1e9 for later in planner.observations] == pytest.approx([0, 0.5, 1.0, 1.5])


@pytest.mark.parametrize(("latency_s", "after_s"), [(0.0, 0.0), (0.3, 0.3), (None, 0.7)])
def test_a_plan_takes_effect_a_latency_after_its_instant(latency_s: float | None, after_s: float) -> None:
    world, planner = World("highway", 1, EMPTY), StraightPlanner()
    follower = FollowerSettings(max_plan_age_s=0.0)
    driver = PlannerDriver(planner, CONFIG, follower=follower, latency_s=latency_s, plan_period_s=10.0)
    planner.braking_mps2 = 2.0
    result = drive_by_plans(world, driver, small_view(), 3.0)
    # The expert drives until then; its first moment of 3 s of braking is 1.5 s + the latency after the start.
    assert world.time_s == pytest.approx(1.5 + after_s + 3.0)
    assert result.texts[0] == (pytest.approx(1.5 + after_s), "plan 1")
    assert driver.followed is not None
    assert driver.followed.plan_age_s == pytest.approx(after_s + 2.9)
    assert world.ego.acceleration_mps2 == pytest.approx(-2.0, abs=0.3)


def test_no_plan_is_begun_while_one_is_on_its_way() -> None:
    driver = PlannerDriver(StraightPlanner(), CONFIG, latency_s=1.0, plan_period_s=0.5)
    drive_by_plans(World("highway", 1, EMPTY), driver, small_view(), 4.0)
    assert driver.num_plans == 5
    assert driver.num_late > 0


def test_stops_comfortably_when_no_plan_is_valid() -> None:
    world, planner = World("highway", 1, EMPTY), StraightPlanner()
    driver = PlannerDriver(planner, CONFIG, follower=FollowerSettings(max_plan_age_s=1.0), latency_s=0.0)
    drive_by_plans(world, driver, small_view(), 0.5)
    planner.is_valid = False
    speed_mps = world.ego.speed_mps
    run_episode(world, driver, 4.0, views=small_view())
    assert driver.num_invalid >= 7
    assert driver.problem == "the plan has no valid candidate: candidate 0: too fast"
    assert driver.followed is not None
    assert "max_plan_age_s allows 1.000 s" in driver.followed.reason
    assert world.ego.speed_mps < speed_mps - 5.0


def test_the_same_seed_drives_the_same_way() -> None:
    drives = []
    for seed in (4, 4, 5):
        planner = StraightPlanner()
        driver = PlannerDriver(planner, CONFIG, seed=seed)
        drives.append((drive_by_plans(World("curves", 1), driver, small_view(), 0.8).poses_in_map, planner.seeds))
    np.testing.assert_array_equal(drives[0][0], drives[1][0])
    assert drives[0][1] == drives[1][1]
    assert drives[0][1] != drives[2][1]


@pytest.mark.parametrize("scenario", ["curves", "intersection"])
def test_the_loop_drives_what_the_expert_would(scenario: str) -> None:
    """With the expert's own future as plans, 0.3 s late; measured over more seeds in docs/node.md."""
    world = World(scenario, 0)
    driver = PlannerDriver(ExpertPlanner(world), CONFIG, plan_period_s=1.0, latency_s=0.3)
    errors_m = []
    command = driver.command

    def watched(sensed):
        answer = command(sensed)
        assert driver.followed is not None
        assert driver.followed.reason == ""
        errors_m.append((driver.followed.lateral_error_m, driver.followed.place_error_m))
        return answer

    driver.command = watched  # type: ignore[method-assign]
    result = drive_by_plans(world, driver, small_view(), 4.0)
    assert (result.has_collided, result.has_left_road) == (False, False)
    assert result.progress_m > 10.0
    assert np.abs(errors_m).max(0) == pytest.approx([0.0, 0.0], abs=0.4)


@pytest.mark.parametrize("values", [{"plan_period_s": 0.0}, {"latency_s": -0.1}])
def test_settings_are_checked(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="plan_period_s must be positive and latency_s at least 0"):
        PlannerDriver(StraightPlanner(), CONFIG, **values)
