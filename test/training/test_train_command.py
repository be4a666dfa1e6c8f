"""The command `reasoning-vla train`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from reasoning_vla_ros.cli import app
from reasoning_vla_ros.planning import Planner

REPO = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])


def write_config(path: Path, **fields: Any) -> Path:
    content: dict[str, Any] = {
        "mode": "lora",
        "steps": 2,
        "batch_size": 4,
        "device": "cpu",
        "lora": {"rank": 2},
        "data": {"stride": 10, "num_frames": 1, "held_out": 0.0, "missing_reasoning": "Go on."},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 1},
        "evaluation": {"samples": 2, "candidates": 2, "max_reasoning_tokens": 2},
    }
    path.write_text(yaml.safe_dump({**content, **fields}))
    return path


def test_a_run_from_a_bag_to_a_model_that_plans(drive_bag: Path, tiny_vla_dir: Path, tmp_path: Path) -> None:
    data = {"stride": 10, "num_frames": 1, "held_out": 0.2, "held_out_gap_s": 0.1, "missing_reasoning": "Go on."}
    config = write_config(tmp_path / "train.yaml", data=data, steps=9)
    arguments = ("--config", config, "--model", tiny_vla_dir, "--bags", drive_bag, "--output", tmp_path / "out")
    result = run(*arguments, "--steps", 2, "--json", tmp_path / "new/result.json")
    assert result.exit_code == 0, result.output
    output = " ".join(result.output.split())
    assert "mode lora:" in output
    assert "parameters are trained (" in output
    assert "step 2/2: loss " in output
    assert "before: loss_trajectory" in output
    assert "after: loss_trajectory" in output
    figures = json.loads((tmp_path / "new/result.json").read_text())
    assert figures["steps"] == 2
    assert 0 < figures["trainable_parameters"] < 0.1 * figures["parameters"]
    assert figures["training_samples"] == 5
    assert figures["after"]["samples"] == 1
    assert figures["after"]["min_ade_m"] > 0
    assert Planner.from_pretrained(figures["model_path"], device="cpu").model.config.untrained is False
    logged = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    assert [(entry["step"], "evaluation" in entry) for entry in logged] == [
        (0, True),
        (1, False),
        (2, False),
        (2, True),
    ]
    again = run(*arguments, "--steps", 2)
    assert again.exit_code == 2
    assert "holds checkpoints of an earlier run" in " ".join(again.output.split())
    assert run(*arguments, "--steps", 2, "--resume").exit_code == 0


def test_bags_of_their_own_are_evaluated_on(
    drive_bag: Path, other_bag: Path, tiny_vla_dir: Path, tmp_path: Path
) -> None:
    data = {"bags": [str(drive_bag)], "evaluation_bags": [str(other_bag)], "stride": 20, "num_frames": 1}
    config = write_config(tmp_path / "train.yaml", data=data, model=str(tiny_vla_dir), output=str(tmp_path / "out"))
    result = run("--config", config, "--steps", 1, "--json", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "result.json").read_text())
    assert figures["training_samples"] == 3
    assert figures["after"]["samples"] == 2
    # No text is known, so none is measured.
    assert "loss_text" not in figures["after"]


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({"step": 1}, [], "unknown key step; known: model"),
        ({}, [], "no model to train: give --model"),
        ({}, ["--model", "{model}"], "no data to train on: give --bags"),
        ({}, ["--model", "/nowhere/at/all", "--bags", "{bag}"], "does not exist"),
        ({}, ["--model", "{model}", "--bags", "nothing.mcap"], "nothing.mcap does not exist"),
        (
            {"mode": "expert"},
            ["--model", "{model}", "--bags", "{bag}"],
            "mode expert needs a model with an action expert",
        ),
        ({}, ["--model", "{model}", "--bags", "{bag}", "--resume"], "holds no checkpoint to resume from"),
        ({"batch_size": 3, "micro_batch_size": 2}, [], "batch_size is 3, needed a multiple of micro_batch_size, 2"),
        ({"data": {"rig": "none_such"}}, ["--model", "{model}", "--bags", "{bag}"], "none_such"),
        ({"data": {"rig": "kitti", "cameras": ["a"]}}, [], "data.rig (kitti) or data.cameras, not from both"),
        (
            {"data": {"cameras": ["side"]}},
            ["--model", "{model}", "--bags", "{bag}"],
            "a camera is given as name:id=topic",
        ),
        ({}, ["--model", "{model}", "--bags", "{bag}", "--json", "{folder}"], "is a folder, needed the name of a file"),
    ],
)
def test_bad_input_is_a_message_and_not_a_traceback(
    fields: dict[str, Any], options: list[str], message: str, drive_bag: Path, tiny_vla_dir: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "train.yaml", output=str(tmp_path / "out"), **fields)
    filled = [option.format(model=tiny_vla_dir, bag=drive_bag, folder=tmp_path) for option in options]
    result = run("--config", config, *filled)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit)


def test_two_processes_train_as_one(drive_bag: Path, tiny_alpamayo_dir: Path, tmp_path: Path) -> None:
    """Under torchrun, over gloo."""
    data = {"stride": 10, "num_frames": 1, "held_out": 0.2, "held_out_gap_s": 0.1, "missing_reasoning": "Go on."}
    config = write_config(tmp_path / "train.yaml", data=data, lora={"rank": 2, "train_expert": True})
    arguments = ["--config", config, "--model", tiny_alpamayo_dir, "--bags", drive_bag, "--output"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}",
        "-m", "reasoning_vla_ros.cli", "train", *arguments, tmp_path / "two", "--json", tmp_path / "two.json",
    ]  # fmt: skip
    done = subprocess.run(
        [str(part) for part in command], cwd=REPO, env={**os.environ}, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 process(es) on cpu, 2 x 1 samples each a step" in " ".join(done.stdout.split())
    assert done.stdout.count("mode lora:") == 1
    result = run(*arguments, tmp_path / "one", "--json", tmp_path / "one.json")
    assert result.exit_code == 0, result.output
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    for name in ("loss", "trajectory", "text", "flow", "gradient_norm", "learning_rate"):
        assert two["last"][name] == pytest.approx(one["last"][name], rel=1e-3), name
    for name, value in one["after"].items():
        assert two["after"][name] == pytest.approx(value, rel=1e-3), name
    weights = [load_file(tmp_path / name / "adapter/adapter_model.safetensors") for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        # Adam's first steps are as long for a tiny gradient, whose sign rounding may turn, as for a large one.
        apart = (weights[1][name] - value).abs()
        assert float(apart.median()) < 1e-5
        assert not torch.equal(value, torch.zeros_like(value))
