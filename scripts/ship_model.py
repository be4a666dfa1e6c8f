#!/usr/bin/env python3
"""Puts a trained small model into the package, with a model card of how it was made and how it drives.

    python scripts/ship_model.py output/tiny scores.json

`output/tiny` is what `reasoning-vla train --config config/train/tiny.yaml --output output/tiny` wrote, and scores.json
what `reasoning-vla simulate --model output/tiny/model --evaluate N --json scores.json` wrote.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import safe_open

from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL, shipped_model_path

CARD = Path(__file__).with_name("model_card.md.in")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--processes", default="two CPU cores")
    parser.add_argument("--name", default=DEFAULT_MODEL)
    chosen = parser.parse_args()
    folder = shipped_model_path(chosen.name)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(chosen.trained / "model", folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    card = model_card(chosen.name, folder, chosen.trained, json.loads(chosen.scores.read_text()), chosen.processes)
    (folder / "README.md").write_text(card, encoding="utf-8")
    print(f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.1f} MB")


def model_card(name: str, folder: Path, trained: Path, scores: dict[str, Any], processes: str) -> str:
    config = json.loads((trained / "config.json").read_text())
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    drives = config["data"]["drives"]
    with safe_open(folder / "model.safetensors", "pt") as file:
        count = sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118 (no mapping)
    return CARD.read_text(encoding="utf-8").format(
        name=name,
        parameters=count / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        trajectory_tokens=json.loads((folder / "config.json").read_text())["tokens_per_future_traj"],
        count=drives["count"],
        seed=drives["seed"],
        disturbed=drives["disturbed_share"],
        samples=config["steps"] * config["batch_size"],
        steps=config["steps"],
        batch_size=config["batch_size"],
        train_seed=config["seed"],
        minutes=sum(entry.get("seconds", 0.0) for entry in log) / 60,
        processes=processes,
        episodes=scores["episodes"],
        per_scenario=scores["episodes"] // len(scores["by_scenario"]),
        score_seed=scores["seed"],
        scores="\n".join(f"| `{key}` | {_cell(scores[key])} |" for key in HEADLINE if key in scores),
    )


HEADLINE = (
    "collision_rate",
    "off_road_rate",
    "progress_ratio",
    "min_ade_3s",
    "baseline_min_ade_3s",
    "blind_min_ade_3s",
    "blind_collision_or_off_road_rate",
    "reasoning_true_rate",
    "reasoning_consistent_rate",
    "navigation_success_rate",
    "plans_per_second",
)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(each)}" for key, each in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
