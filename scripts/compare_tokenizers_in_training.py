#!/usr/bin/env python3
"""Which trajectory tokenizer does a small model learn best? Trains the same model on the same samples for the same
number of steps with each, lets each drive, and prints a table in Markdown.

    python scripts/compare_tokenizers_in_training.py [--steps 600] [--evaluate 4] [--only path+fast]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from reasoning_vla_ros.cli.train import simulated_drives
from reasoning_vla_ros.datasets.training_samples import Samples
from reasoning_vla_ros.models.small_config import SmallModelConfig
from reasoning_vla_ros.training import TrainConfig, Trainer, read_config
from reasoning_vla_ros.training.new_model import make_new_model

CONFIG = Path(__file__).resolve().parents[1] / "config/train/tiny.yaml"
PATH = {"name": "path", "headings": False}
# As in the public Alpamayo checkpoints: accelerations and curvatures, two tokens a waypoint.
UNICYCLE = {"name": "unicycle", "accel_std": 1.0, "curvature_std": 0.02, "n_waypoints": 64, "dt": 0.1}
TOKENIZERS: dict[str, dict[str, Any] | None] = {
    "path+bspline": None,  # the config's own
    "driving-klt-8": {"name": "driving-klt-8"},
    "path+klt": {
        "action_space": PATH,
        "action_tokenizer": {"name": "klt", "num_tokens": 8, "max_tokens": 8},
        "fit": True,
    },
    "path+fast": {"action_space": PATH, "action_tokenizer": {"name": "fast"}, "fit": True},
    "unicycle+uniform": {
        "action_space": UNICYCLE,
        "action_tokenizer": {"name": "uniform", "num_bins": 255, "action_range": [[-6.0, 6.0], [-10.0, 10.0]]},
    },
}
COLUMNS = {
    "min_ade_3s": "ADE 3 s, m",
    "min_ade_6_4s": "ADE 6.4 s, m",
    "collision_or_off_road_rate": "collision or off the road",
    "progress_ratio": "progress",
    "reasoning_true_rate": "reasons true",
    "plans_per_second": "plans per second",
}


def train(name: str, config: TrainConfig, samples: Samples, output: Path, console: Console) -> tuple[int, float]:
    """Trains one, and returns its tokens a plan and the minutes it took."""
    chosen = TOKENIZERS[name]
    assert config.new_model is not None
    shape: SmallModelConfig = config.new_model if chosen is None else replace(config.new_model, traj_tokenizer=chosen)
    model = make_new_model(shape, samples, output / "new", config.seed)
    if not model.traj_tokenizer.action_tokenizer.ids_are_levels:
        config = replace(config, loss=replace(config.loss, smoothing_bins=0.0))
    begin = time.monotonic()
    Trainer(replace(config, output=str(output)), model, samples, console=console).train()
    return model.config.tokens_per_future_traj, (time.monotonic() - begin) / 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--evaluate", type=int, default=4, help="drives a scenario")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("output/tokenizers"))
    parser.add_argument("--only", nargs="*", choices=list(TOKENIZERS), default=list(TOKENIZERS))
    chosen = parser.parse_args()
    console = Console()
    config = replace(read_config(CONFIG), steps=chosen.steps)
    assert config.data.drives is not None
    samples, _ = simulated_drives(config.data.drives)
    rows = [["tokenizer", "tokens", "minutes", *COLUMNS.values()]]
    for name in chosen.only:
        folder = chosen.output / name
        console.rule(name)
        tokens, minutes = train(name, config, samples, folder, console)
        scores_path = folder / "scores.json"
        command = [
            "-m",
            "reasoning_vla_ros.cli",
            "simulate",
            "--model",
            str(folder / "model"),
            "--jobs",
            str(chosen.jobs),
        ]
        command += ["--evaluate", str(chosen.evaluate), "--seed", str(chosen.seed), "--json", str(scores_path)]
        subprocess.run([sys.executable, *command], check=True)
        scores = json.loads(scores_path.read_text())
        rows.append([name, str(tokens), f"{minutes:.0f}", *(f"{scores[key]:.3g}" for key in COLUMNS)])
    rows.insert(1, ["---"] * len(rows[0]))
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
