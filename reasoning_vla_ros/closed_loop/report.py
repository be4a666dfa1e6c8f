"""Scores on the console and in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from reasoning_vla_ros.closed_loop.driving import DrivenWorld
from reasoning_vla_ros.closed_loop.evaluation import Evaluation

# What a line is called, the score's key, and how it is written.
LINES = (
    ("collision", "collision_rate", "{:.0%}"),
    ("off the road", "off_road_rate", "{:.0%}"),
    ("either, blind", "blind_collision_or_off_road_rate", "{:.0%}"),
    ("progress", "progress_ratio", "{:.2f}"),
    ("valid plans", "valid_rate", "{:.0%}"),
    ("true reasons", "reasoning_true_rate", "{:.0%}"),
    ("fit the plan", "reasoning_consistent_rate", "{:.0%}"),
    ("navigation", "navigation_success_rate", "{:.0%}"),
    ("plans a second", "plans_per_second", "{:.2f}"),
    ("minADE 3 s (m)", "min_ade_3s", "{:.2f}"),
    ("- blind", "blind_min_ade_3s", "{:.2f}"),
)


def print_scores(scores: dict[str, Any], console: Console) -> None:
    """The headline, of all scenarios and of each."""
    parts = {"all": scores, **scores["by_scenario"]}
    table = Table("", title=f"{scores['model']}: {scores['episodes']} drives, seed {scores['seed']}")
    for name in parts:
        table.add_column(name, justify="right")
    for label, key, form in LINES:
        table.add_row(label, *(_written(part.get(key), form) for part in parts.values()))
    for name in scores["baseline_min_ade_3s"]:
        label = f"- {name.replace('_', ' ')}"
        table.add_row(label, *(_written(part["baseline_min_ade_3s"][name], "{:.2f}") for part in parts.values()))
    console.print(table)


def write_scores(path: Path, scores: dict[str, Any]) -> None:
    """As JSON, in a folder that is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")


def write_details(folder: Path, scores: dict[str, Any], found: Evaluation) -> None:
    """scores.json; episodes.jsonl with what came of each drive; texts.jsonl with each text and what is not so."""
    write_scores(folder / "scores.json", scores)
    _write_lines(folder / "episodes.jsonl", [_episode(each) for each in (*found.driven, *found.driven_blind)])
    texts = [
        {"part": part, "scenario": scenario, "seed": seed, **vars(text)}
        for part, scenario, seed, text in (
            *(("closed loop", each.scenario, each.seed, text) for each in found.driven for text in each.texts),
            *(("open loop", each.scenario, each.seed, each.text) for each in found.planned),
        )
    ]
    _write_lines(folder / "texts.jsonl", texts)
    _write_lines(folder / "instructions.jsonl", [vars(each) for each in found.instructed])
    without = [
        {**vars(each), "planner": vars(each.planner), "expert": vars(each.expert)} for each in found.without_lead
    ]
    _write_lines(folder / "without_lead.jsonl", without)


def _episode(driven: DrivenWorld) -> dict[str, Any]:
    result = driven.result
    return {
        "scenario": driven.scenario,
        "seed": driven.seed,
        "is_blind": driven.is_blind,
        "has_collided": result.has_collided,
        "has_left_road": result.has_left_road,
        "has_finished": result.has_finished,
        "duration_s": round(result.duration_s, 3),
        "progress_m": result.progress_m,
        "expert_progress_m": driven.expert.progress_m,
        "min_gap_m": result.min_gap_m,
        "num_plans": driven.num_plans,
        "num_valid": driven.num_valid,
    }


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _written(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)
