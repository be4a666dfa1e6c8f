"""docs/training.md shows what there is."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.main import get_command

from reasoning_vla_ros.cli import app
from reasoning_vla_ros.training import TrainConfig, read_config

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/training.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")
    exec(compile(example, "training.md", "exec"), {})


def test_the_settings_shown_are_the_defaults(tmp_path: Path) -> None:
    (shown,) = blocks("yaml")
    path = tmp_path / "shown.yaml"
    path.write_text(shown)
    assert replace(read_config(path), model="") == TrainConfig()


def test_the_commands_shown_can_be_parsed() -> None:
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    trains = [words[words.index("train") + 1 :] for words in commands if "train" in words]
    assert len(trains) == 5
    command = get_command(app).commands["train"]  # type: ignore[attr-defined]
    for words in trains:
        parsed = command.make_context("train", list(words)).params
        assert read_config(Path(__file__).resolve().parents[2] / parsed["config"]).mode in ("expert", "lora", "full")
