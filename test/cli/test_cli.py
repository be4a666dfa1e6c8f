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
        ("film",),
        ("evaluate",),
        ("import-kitti",),
        ("make-model",),
        ("simulate",),
        ("bench",),
        ("tokenizers", "list"),
        ("tokenizers", "fit"),
        ("tokenizers", "compare"),
    ):
        result = run(*command, "--help")
        assert result.exit_code == 0, command
        assert "Usage" in result.output


def test_tokenizers_list(tmp_path: Path) -> None:
    result = run("tokenizers", "list", "--json", tmp_path / "names.json")
    assert result.exit_code == 0
    output = " ".join(result.output.split())
    assert "unicycle Actions (acceleration m/s^2, curvature 1/m)" in output
    # Brackets in a description are text, not markup.
    assert "scaled from their limits to [-1, 1]" in output
    assert "8 tokens for driving" in output
    assert "uniform" in json.loads((tmp_path / "names.json").read_text())["action_tokenizers"]


def test_a_tokenizer_is_fitted_saved_and_compared(tmp_path: Path) -> None:
    result = run(
        "tokenizers", "fit", "synthetic:driving:400", "--tokenizer", "pose+bspline", "--set", "from_zero=true",
        "--set", "num_control_points=6", "--output", tmp_path / "fit", "--json", tmp_path / "fit.json",
        "--load", "noise_m=0.01",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "fit.json").read_text())
    assert (figures["fitted_on"], figures["held_out"], figures["tokens_mean"]) == (320, 80, 18)
    assert 0.01 < figures["ade"] < 1
    result = run(
        "tokenizers", "compare", "synthetic:driving:60:1", "--tokenizer", tmp_path / "fit",
        "--tokenizer", "pose+truncated_dct,num_frequencies=6", "--fit-source", "synthetic:driving:300",
        "--json", tmp_path / "all.json", "--plot", tmp_path / "plot.svg", "--output", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "all.json").read_text())["rows"]
    assert [row["tokens_mean"] for row in rows] == [18, 18]
    assert 0.01 < rows[0]["ade"] < 1
    assert "truncated_dct" in (tmp_path / "plot.svg").read_text()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.json", "comparison.md", "comparison.png", "tokenizers",
    }  # fmt: skip
    assert len(list((tmp_path / "out/tokenizers").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nothing.mcap", "--tokenizer", "path+klt"], "nothing.mcap does not exist; a source is a bag"),
        (["fit", "synthetic:arms:80", "--tokenizer", "klt"], "named by its two parts"),
        (["fit", "synthetic:arms:80", "--tokenizer", "joint+uniform", "--set", "bins"], "once as key=value"),
        (["fit", "synthetic:arms:80", "--tokenizer", "joint+uniform", "--load", "topic=/a"], "takes the options []"),
        (["fit", "synthetic:arms:80", "--tokenizer", "pose+klt"], "needs the shape [..., T, 3]"),
        (["compare", "synthetic:arms:80", "--tokenizer", "joint+nothing"], "unknown action tokenizer"),
        (["compare", "synthetic:arms:80", "--plot", "a.doc"], "--plot needs a file ending in"),
        (["compare", "synthetic:arms:80", "--fit-source", "synthetic:driving:80"], "need the same kind"),
    ],
)
def test_bad_tokenizer_commands_end_with_a_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    output = ["--output", tmp_path / "out"] if arguments[0] == "fit" else []
    result = run("tokenizers", *arguments, *output)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit)


def test_a_made_model_evaluates(tmp_path: Path, bag: Path) -> None:
    assert run("make-model", tmp_path / "model").exit_code == 0
    result = run(
        "evaluate", bag, "--model", tmp_path / "model", "--output", tmp_path / "out", "--max-plans", 2,
        "--max-reasoning-tokens", 2, "--num-samples", 2, "--json", tmp_path / "copy.json", "--rig", "kitti",
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
        (["--model", "{model}", "--quantization", "int2"], "quantization must be one of"),
        (["--model", "{model}", "--device", "cpu", "--offload", "cpu"], "offload cpu moves weights from a GPU"),
        (["--model", "{model}", "--rig", "kitty"], "no rig has the name 'kitty'"),
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
