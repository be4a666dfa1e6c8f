"""The command `reasoning-vla simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner, Result

from reasoning_vla_ros.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *(str(argument) for argument in arguments)])


def test_the_expert_drives_one_world(tmp_path: Path) -> None:
    result = run(
        "--oracle", "--scenario", "curves", "--seed", 4, "--duration", 1.5, "--json", tmp_path / "new/drive.json",
        "--film", tmp_path / "films/drive.mp4",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    output = " ".join(result.output.split())
    assert "curves, seed 4: drove on;" in output
    assert "4 plans, 4 valid" in output
    scores = json.loads((tmp_path / "new/drive.json").read_text())
    assert (scores["model"], scores["scenario"], scores["collision_rate"]) == ("expert", "curves", 0.0)
    film = cv2.VideoCapture(str(tmp_path / "films/drive.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 15


def test_a_model_drives(small_model_dir: Path) -> None:
    result = run(
        "--model", small_model_dir, "--scenario", "curves", "--duration", 0.5, "--max-reasoning-tokens", 2,
        "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2 plans" in " ".join(result.output.split())


def test_drives_are_recorded(tmp_path: Path) -> None:
    result = run("--record", tmp_path, "--drives", 1, "--scenario", "merge", "--duration", 1.0)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["merge_0000.mcap"]
    again = run("--record", tmp_path, "--drives", 1, "--scenario", "merge", "--duration", 1.0)
    assert again.exit_code == 2
    assert "exists already" in " ".join(again.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--oracle", "--model", "m"], "needed --model or --oracle, not both"),
        (["--oracle", "--record", "{tmp}"], "--record is of the expert"),
        (["--oracle", "--evaluate", "1", "--film", "{tmp}/drive.mp4"], "--film is of one drive"),
        (["--oracle", "--scenario", "moon"], "no scenarios ['moon']"),
        (["--oracle", "--duration", "0"], "episode_s must be at least 0.1 s and finite, got 0.0"),
        (["--oracle", "--frame-step", "0.25"], "multiple of 0.1 s, got 0.25"),
        (["--model", "/nowhere/at/all", "--scenario", "curves", "--duration", "0.5"], "does not exist"),
    ],
)
def test_bad_input_ends_with_a_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit)
