"""A planner at the wheel, and its texts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from reasoning_vla_ros.closed_loop import EvaluationSettings, ExpertPlanners
from reasoning_vla_ros.closed_loop.driving import DrivingTask
from reasoning_vla_ros.closed_loop.jobs import Workers
from reasoning_vla_ros.closed_loop.reasoning import check_text
from reasoning_vla_ros.closed_loop.scores import driving_scores, text_scores
from reasoning_vla_ros.closed_loop.seeds import evaluation_seed
from reasoning_vla_ros.simulation.drive_samples import observation_at
from reasoning_vla_ros.simulation.drives import make_drive
from reasoning_vla_ros.simulation.scenarios import ScenarioSettings


def test_the_expert_by_its_own_plans_is_near_perfect(tiny: EvaluationSettings) -> None:
    settings = replace(tiny, episode_s=6.0)
    tasks = [DrivingTask(name, evaluation_seed(5, "driving", 0)) for name in ("curves", "intersection", "highway")]
    driven = Workers(ExpertPlanners(), settings).run(tasks)
    scores = driving_scores(driven)
    assert (scores["episodes"], scores["collision_rate"], scores["off_road_rate"]) == (3, 0.0, 0.0)
    assert scores["progress_ratio"] == pytest.approx(1.0, abs=0.03)
    assert scores["valid_rate"] == 1.0
    assert scores["plan_deviation_m"] < 0.3
    assert scores["driven_s"] == pytest.approx(18.0)
    assert scores["num_plans"] == 3 * 13  # the first takes effect after 0.2 s, then one each 0.5 s
    texts = text_scores([text for each in driven for text in each.texts])
    assert texts["num_texts"] == 39
    assert texts["reasoning_true_rate"] > 0.95
    assert texts["reasoning_consistent_rate"] > 0.9


def test_straight_on_leaves_the_road(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    settings = replace(tiny, episode_s=15.0)
    driven = DrivingTask("curves", evaluation_seed(0, "driving", 0)).run(fakes.Fake(fakes.straight_on), settings)
    assert driven.result.has_left_road
    assert not driven.expert.has_left_road
    assert driven.result.duration_s < 12.0
    assert driven.expert.duration_s == pytest.approx(15.0)
    scores = driving_scores([driven])
    assert scores["off_road_rate"] == scores["collision_or_off_road_rate"] == 1.0
    assert scores["progress_ratio"] < 0.8


def test_full_speed_ahead_runs_into_something(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    driven = DrivingTask("highway", 3).run(
        fakes.Fake(lambda seen: fakes.arc_plan(seen, 35.0)), replace(tiny, episode_s=15.0)
    )
    scores = driving_scores([driven])
    assert scores["collision_rate"] == 1.0
    assert scores["min_gap_m"]["min"] < 0.0 < scores["expert_min_gap_m"]["min"]


def test_blind_is_black(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    """A planner that stops unless it sees something."""

    def seeing(observation):
        brightness = observation.cameras[0].images.max()
        return fakes.arc_plan(observation, (observation.speed_mps or 0.0) if brightness else 0.0)

    task = DrivingTask("highway", evaluation_seed(0, "driving", 0))
    one, blind = (replace(task, is_blind=is_blind).run(fakes.Fake(seeing), tiny) for is_blind in (False, True))
    assert (one.is_blind, blind.is_blind) == (False, True)
    assert blind.result.progress_m < 0.7 * one.result.progress_m
    assert blind.expert.progress_m == one.expert.progress_m


def test_plans_that_are_not_valid_are_counted(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    driven = DrivingTask("curves", 7).run(fakes.Fake(fakes.undecodable), replace(tiny, episode_s=0.5))
    assert (driven.num_valid, driven.deviations_m) == (0, ())
    assert driving_scores([driven])["valid_rate"] == 0.0
    assert not any(text.is_consistent for text in driven.texts)


@pytest.mark.parametrize(
    ("text", "is_true", "is_consistent", "why"),
    [
        ("The road ahead is free, so keep the speed and keep the lane.", True, True, ""),
        ("The road ahead is free, so stop and keep the lane.", True, False, "stop: "),
        ("A roundabout is 20 m ahead, so keep the speed and keep the lane.", False, True, "no junction"),
        ("Bananas.", False, False, "no claim is understood; no action is understood"),
        ("", False, False, "no claim"),
    ],
)
def test_texts_against_world_and_plan(
    tiny: EvaluationSettings, fakes: SimpleNamespace, text: str, is_true: bool, is_consistent: bool, why: str
) -> None:
    drives = replace(tiny.drives(0.0), settings=ScenarioSettings(num_vehicles=0, obstacle_probability=0.0))
    worlds = []
    drive = make_drive("highway", 3, drives, lambda step, world, expert: worlds.append(world.copy()))
    plan = fakes.arc_plan(observation_at(drive, 40, drives, tiny.view()), worlds[40].ego.speed_mps, text=text)
    checked = check_text(plan, worlds[40].state(), worlds[40].road.sight)
    assert (checked.is_true, checked.is_consistent) == (is_true, is_consistent)
    assert why in checked.why
    assert bool(checked.why) == (not (is_true and is_consistent))
