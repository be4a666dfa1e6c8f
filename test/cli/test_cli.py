"""The command `reasoning-vla`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reasoning_vla_ros.cli import app
from reasoning_vla_ros.simulation.rendered_drive import render_drive
from reasoning_vla_ros.simulation.road_view import PinholeCamera


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    render_drive(path, duration_s=3.0, camera=PinholeCamera(width=160, height=96))
    return path


def test_every_command_has_help() -> None:
    for command in (
        (),
        ("demo",),
        ("evaluate",),
        ("import-kitti",),
        ("make-model",),
        ("bench",),
        ("tokenizers", "list"),
    ):
        result = run(*command, "--help")
        assert result.exit_code == 0, command
        assert "Usage" in result.output


def test_tokenizers_list(tmp_path: Path) -> None:
    result = run("tokenizers", "list", "--json", tmp_path / "names.json")
    assert result.exit_code == 0
    assert "unicycle" in result.output
    assert "uniform" in json.loads((tmp_path / "names.json").read_text())["action_tokenizers"]


def test_a_made_model_evaluates(tmp_path: Path, bag: Path) -> None:
    assert run("make-model", tmp_path / "model").exit_code == 0
    result = run(
        "evaluate", bag, "--model", tmp_path / "model", "--output", tmp_path / "out", "--max-plans", 2,
        "--max-reasoning-tokens", 2, "--num-samples", 2, "--json", tmp_path / "copy.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "never trained" in result.output
    metrics = json.loads((tmp_path / "copy.json").read_text())
    assert metrics == json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["overall"]["num_plans"] == 2
    assert "constant velocity" in metrics["overall"]["methods"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "metrics.json",
        "pictures",
        "plans.mcap",
        "report.html",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "{empty}"], "holds no config.json"),
        (["--model", "/nowhere/at/all"], "does not exist"),
        (["--model", "{model}", "--tokenizer", "nope:X"], "tokenizer 'nope:X'"),
        (["--model", "{model}", "--tokenizer", "unicycle+uniform"], "3000 future"),
        (["--model", "{model}", "--temperature", "inf"], "finite, got inf"),
        (["--model", "{model}", "--dtype", "int8"], "dtype must be auto"),
    ],
)
def test_bad_input_is_a_message_and_not_a_traceback(
    options: list[str], message: str, bag: Path, small_model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    filled = [option.format(empty=tmp_path / "empty", model=small_model_dir) for option in options]
    result = run("evaluate", bag, "--output", tmp_path / "out", *filled)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit)


def test_a_missing_bag_is_named(tmp_path: Path, small_model_dir: Path) -> None:
    result = run("evaluate", tmp_path / "none.mcap", "--model", small_model_dir, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "none.mcap does not exist" in "".join(result.output.split("\n"))
