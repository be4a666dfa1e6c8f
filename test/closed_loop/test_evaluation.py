"""The whole evaluation, its files, and what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from reasoning_vla_ros.closed_loop import EvaluationSettings, ExpertPlanners, ModelPlanners, evaluate_planner
from reasoning_vla_ros.closed_loop.command import evaluate_command
from reasoning_vla_ros.closed_loop.driving import DrivingTask
from reasoning_vla_ros.closed_loop.jobs import Workers
from reasoning_vla_ros.closed_loop.scores import scores_of
from reasoning_vla_ros.planning.settings import PlannerSettings

KEYS = {
    "episodes",
    "collision_rate",
    "off_road_rate",
    "progress_ratio",
    "min_ade_3s",
    "baseline_min_ade_3s",
    "blind_min_ade_3s",
    "reasoning_true_rate",
    "reasoning_consistent_rate",
    "navigation_success_rate",
    "plans_per_second",
}


def test_an_evaluation_from_start_to_files(tiny: EvaluationSettings, fakes: SimpleNamespace, tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=120)
    source = fakes.Fake(fakes.straight_on)
    copy = tmp_path / "new/copy.json"
    evaluate_command(source, tiny, num_jobs=1, threads=1, json_path=copy, output=tmp_path / "out", console=console)
    scores = json.loads(copy.read_text())
    assert set(scores) >= KEYS
    assert json.loads((tmp_path / "out/scores.json").read_text()) == scores
    assert (scores["model"], scores["episodes"], scores["blind_episodes"]) == ("fake", 2, 2)
    assert set(scores["baseline_min_ade_3s"]) == {"constant_velocity", "constant_turn_rate", "ego_mlp"}
    assert set(scores["by_scenario"]) == {"curves", "intersection"}
    assert scores["plans_per_second"] > 0
    assert scores["counterfactual"]["expert"].keys() == scores["counterfactual"]["planner"].keys()
    assert None not in [scores[key] for key in KEYS]
    episodes = [json.loads(line) for line in (tmp_path / "out/episodes.jsonl").read_text().splitlines()]
    assert [(each["scenario"], each["is_blind"]) for each in episodes] == [
        ("curves", False), ("intersection", False), ("curves", True), ("intersection", True),
    ]  # fmt: skip
    assert (
        len((tmp_path / "out/texts.jsonl").read_text().splitlines()) == scores["num_texts"] + scores["open_loop_plans"]
    )
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Driving: 2 worlds done" in output
    assert "- constant turn rate" in output


def test_scenarios_without_a_junction_have_no_navigation_score(
    tiny: EvaluationSettings, fakes: SimpleNamespace
) -> None:
    settings = replace(tiny, scenarios=("curves",), episode_s=0.5, ego_mlp_drives=1, ego_mlp_steps=5)
    scores = scores_of(evaluate_planner(fakes.Fake(fakes.straight_on), settings))
    assert scores["navigation_success_rate"] is None
    assert scores["num_instructed"] == 0


def test_jobs_change_nothing(tiny: EvaluationSettings) -> None:
    tasks = [DrivingTask(name, 3) for name in ("curves", "highway")]
    settings = replace(tiny, episode_s=0.5)
    here = Workers(ExpertPlanners(), settings).run(tasks)
    with Workers(ExpertPlanners(), settings, 2) as workers:
        there = workers.run(tasks)
    for one, other in zip(here, there, strict=True):
        assert (one.result.poses_in_map == other.result.poses_in_map).all()
        assert one.texts == other.texts
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Workers(ExpertPlanners(), settings, 0)


def test_a_model_drives(tiny: EvaluationSettings, small_model_dir: Path) -> None:
    source = ModelPlanners(str(small_model_dir), PlannerSettings(temperature=0.0, max_reasoning_tokens=2), "cpu")
    driven = DrivingTask("curves", 3).run(source, replace(tiny, episode_s=0.5))
    assert driven.num_plans == 2
    assert source.planner(None) is source.planner(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"episode_s": float("nan")}, "episode_s must be at least 0.1 s and finite, got nan"),
        ({"scenarios": ("moon",)}, r"no scenarios \['moon'\]"),
        ({"drive_s": 5.0}, "episode_s must be more than"),
    ],
)
def test_settings_are_checked(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EvaluationSettings(**fields)
