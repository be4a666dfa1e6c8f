"""The model in the box, at the wheel: what everything else is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.closed_loop.planner_source import blinded
from reasoning_vla_ros.closed_loop.settings import FRONT_OBSERVATION
from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL
from reasoning_vla_ros.planning import Planner, PlannerSettings
from reasoning_vla_ros.simulation.drive_samples import DriveSamples
from reasoning_vla_ros.simulation.drives import DriveSettings, make_drives
from reasoning_vla_ros.simulation.planner_driver import PlannerDriver, drive_by_plans
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.simulation.world import World


@pytest.fixture(scope="module")
def planner() -> Planner:
    return Planner.from_pretrained(
        DEFAULT_MODEL, device="cpu", settings=PlannerSettings(temperature=0.0, max_reasoning_tokens=64)
    )


def _samples(num_drives: int, seed: int, settings: DriveSettings) -> DriveSamples:
    return DriveSamples(make_drives(num_drives, seed, settings), settings)


@pytest.fixture(scope="module")
def samples() -> list[Any]:
    """Undisturbed instants that the model was not trained on."""
    drives = _samples(3, 7000, DriveSettings(("highway", "curves", "intersection"), 14.0, disturbed_share=0.0))
    return [drives[index] for index in range(0, len(drives), len(drives) // 12)]


def error_m(planner: Planner, observation: Any, driven: np.ndarray) -> float:
    plan = planner.plan(observation, seed=0)
    return float(np.linalg.norm((plan.xyz[plan.shown] - driven)[:30, :2], axis=1).mean())


def test_it_looks_where_it_drives(planner: Planner, samples: list[Any]) -> None:
    """Nearer to the expert than constant velocity is, and far off with black pictures."""
    times_s = 0.1 * np.arange(1, 31)
    seen, blind, carried_on = [], [], []
    for sample in samples:
        observation = sample.observation
        seen.append(error_m(planner, observation, sample.future_xyz))
        blind.append(error_m(planner, blinded(observation), sample.future_xyz))
        way = np.stack([observation.speed_mps * times_s, 0 * times_s], axis=1)
        carried_on.append(float(np.linalg.norm(way - sample.future_xyz[:30, :2], axis=1).mean()))
    assert np.mean(seen) < 0.7 * np.mean(carried_on)
    assert np.mean(blind) > 1.5 * np.mean(seen)


def test_it_says_why(planner: Planner, samples: list[Any]) -> None:
    plans = [planner.plan(sample.observation, seed=0) for sample in samples]
    assert all(plan.selected == 0 and plan.reasoning_complete == (True,) for plan in plans)
    assert all(", so " in plan.reasoning[0] and plan.reasoning[0].endswith(".") for plan in plans)
    assert all(plan.meta_actions[0].startswith("longitudinal: ") for plan in plans)
    assert len({plan.reasoning[0] for plan in plans}) > 3


def test_it_stays_on_the_road(planner: Planner) -> None:
    world = World("curves", 11)
    driver = PlannerDriver(planner, FRONT_OBSERVATION)
    result = drive_by_plans(world, driver, {"front": SceneView()}, 8.0)
    assert not result.has_collided
    assert not result.has_left_road
    assert result.progress_m > 40
    assert driver.num_plans >= 12


def test_the_instruction_is_read(planner: Planner) -> None:
    """The same pictures and motion, another instruction, another way."""
    drives = _samples(1, 7003, DriveSettings(("intersection",), 14.0, disturbed_share=0.0))
    near = [
        index
        for index, (drive, step) in enumerate(drives.index)
        if (junction := drives.drives[drive].moments[step].state.junction) is not None and 8 < junction.distance_m < 16
    ]
    observation = drives[near[0]].observation
    limit = observation.instruction.partition(" Limit")[2]
    ends = {}
    for way in ("left", "right"):
        told = replace(observation, instruction=f"Turn {way} at the next junction. Limit{limit}")
        plan = planner.plan(told, seed=0)
        ends[way] = float(plan.xyz[plan.shown][-1, 1])
    assert ends["left"] > ends["right"] + 4.0


def test_medians_of_levels_jump_less_than_modes(planner: Planner, samples: list[Any]) -> None:
    """Both are plans of the same distribution; over the samples the medians are no worse."""
    steady = Planner(planner.model, replace(planner.settings, level_choice="median"))
    modes = [error_m(planner, sample.observation, sample.future_xyz) for sample in samples]
    medians = [error_m(steady, sample.observation, sample.future_xyz) for sample in samples]
    assert modes != medians
    assert np.mean(medians) < 1.1 * np.mean(modes)
