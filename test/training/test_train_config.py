"""The config file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reasoning_vla_ros.training import TrainConfig, TrainingError, read_config
from reasoning_vla_ros.training.config_files import config_from_dict

REPO = Path(__file__).resolve().parents[2]


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(
        "model: some/model\nmixed_precision: no\nsteps: 7\ndata:\n  bags: [a.mcap, b]\n  instruction: Straight on\n"
        "optimizer:\n  learning_rate: 1e-3\n  weight_decay: 0\n"
    )
    config = read_config(path)
    assert (config.model, config.steps, config.mixed_precision) == ("some/model", 7, "no")
    assert config.data.bags == ("a.mcap", "b")
    assert config.optimizer.learning_rate == 0.001
    assert config.optimizer.weight_decay == 0.0
    assert config.lora == TrainConfig().lora


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"step": 3}, "unknown key step; known: model, new_model, vlm, output, mode, steps"),
        ({"lora": {"r": 3, "q": 1}}, "unknown keys lora.r, lora.q; known: lora.rank, lora.alpha"),
        ({"steps": 0}, "steps is 0, needed at least 1"),
        ({"steps": 2.5}, "steps is 2.5, needed a whole number"),
        ({"steps": True}, "steps is True, needed a whole number"),
        ({"mode": "head"}, r"mode is 'head', needed one of \['expert', 'lora', 'full'\]"),
        ({"data": {"bags": "one.mcap"}}, "data.bags is 'one.mcap', needed a list of texts"),
        ({"data": {"held_out": 1.0}}, "data.held_out is 1.0, needed at least 0 and below 1"),
        ({"data": 3}, "data must hold keys and values, got 3"),
        ({"optimizer": {"learning_rate": "fast"}}, "optimizer.learning_rate is 'fast', needed a number"),
        ({"optimizer": {"learning_rate": ".nan"}}, "optimizer.learning_rate is '.nan', needed a number"),
        ({"gradient_checkpointing": 1}, "gradient_checkpointing is 1, needed true or false"),
        ({"batch_size": 3, "micro_batch_size": 2}, "batch_size is 3, needed a multiple of micro_batch_size, 2"),
        ({"lora": {"targets": []}}, r"lora.targets is \[\], needed at least one name"),
        ({"new_model": {"deepstack_layers": ["1"]}}, "needed a list of whole numbers"),
        ({"new_model": {"text_tokens": "letters"}}, r"new_model.text_tokens is 'letters', needed one of \['bytes'"),
        ({"new_model": {"traj_tokenizer": "klt"}}, "new_model.traj_tokenizer must hold keys and values"),
        ({"new_model": {}, "model": "some/model"}, "not both"),
        ({"saved_dtype": "float16", "mode": "lora"}, "saved_dtype float16 is for mode full"),
        ({"data": {"drives": {"stride": 0}}}, "data.drives.stride is 0, needed at least 1"),
        ({"data": {"drives": {}, "bags": ["a"]}}, "data.drives or from data.bags, not from both"),
        ({"data": {"reasoning_file": "a", "reasoning_topic": "/b"}}, "not from both"),
    ],
)
def test_bad_values_are_told_with_what_is_needed(content: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        config_from_dict(content)


def test_a_number_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "nan.yaml"
    path.write_text("loss:\n  flow: .nan\n")
    with pytest.raises(TrainingError, match=r"nan.yaml: loss.flow is nan, needed at least 0 and finite"):
        read_config(path)


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [", "just text"])
def test_what_is_no_config(tmp_path: Path, content: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(content)
    with pytest.raises(TrainingError, match=r"train\.yaml"):
        read_config(path)


@pytest.mark.parametrize("path", sorted((REPO / "config/train").glob("*.yaml")), ids=lambda path: path.name)
def test_the_files_in_the_repository_are_read(path: Path) -> None:
    assert read_config(path).mode == {"tiny": "full", "tiny_corrected": "full"}.get(path.stem, path.stem)


def test_a_new_model_s_config_is_nested() -> None:
    config = config_from_dict(
        {"new_model": {"deepstack_layers": [1], "traj_tokenizer": {"name": "driving-klt-8"}, "text_tokens": "phrases"}}
    )
    assert config.new_model is not None
    assert config.new_model.deepstack_layers == (1,)
    assert config.new_model.traj_tokenizer == {"name": "driving-klt-8"}


def test_configs_and_fits_load_no_transformers() -> None:
    """They take seconds to import, which fitting a tokenizer need not wait for."""
    code = (
        "import sys, reasoning_vla_ros.training as training\n"
        "assert training.TrainConfig() and training.fit_tokenizer_command\n"
        "sys.exit(bool({'transformers', 'accelerate', 'peft'} & sys.modules.keys()))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO)


@pytest.mark.parametrize(
    ("corrections", "message"),
    [
        ({"count": 3}, "corrections.model is empty, needed who drives"),
        ({"model": "m", "count": -1}, "corrections.count is -1, needed at least 0"),
        ({"model": "m", "count": 1, "repeat": 0}, "corrections.repeat is 0, needed at least 1"),
        ({"model": "m", "count": 1, "seed": 1}, "corrections.seed is 1, needed another seed"),
    ],
)
def test_corrections_that_are_refused(corrections: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        config_from_dict({"data": {"drives": {"corrections": corrections}}})
