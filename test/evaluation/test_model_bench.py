"""Memory of the public models' shape, computed, and the benchmark of a whole model, on a small one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from reasoning_vla_ros.cli import app
from reasoning_vla_ros.evaluation.bench import model_speed
from reasoning_vla_ros.evaluation.bench.memory import BOARDS, USABLE, markdown_table, memory_needs, weight_bytes
from reasoning_vla_ros.evaluation.bench.model_command import speed_lines
from reasoning_vla_ros.models.release_shape import build_release_shape
from reasoning_vla_ros.planning.model_loading import load_model

REPO = Path(__file__).resolve().parents[2]


def test_the_documents_table_is_what_the_command_prints(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["memory", "--json", str(tmp_path / "memory.json")])
    assert result.exit_code == 0, result.output
    table = "\n".join(line for line in result.output.splitlines() if line.startswith("|"))
    assert "computed and not measured" in result.output
    assert table in (REPO / "docs/alpamayo.md").read_text()
    rows = json.loads((tmp_path / "memory.json").read_text())["rows"]
    assert [(row["weights_format"], row["num_samples"]) for row in rows] == [
        (name, count) for name in ("bfloat16", "int8", "int4") for count in (1, 6)
    ]


def test_memory_is_that_of_the_releases_shapes() -> None:
    one, six = memory_needs()[:2]
    assert sum(one.weights.values()) == 2 * 11_078_526_194
    # Keys and values of 36 layers of 8 heads of 128, in bfloat16.
    assert one.cache == (3006 + 256 + 64) * 36 * 2 * 8 * 128 * 2
    assert six.cache == 6 * one.cache
    assert one.total == sum(one.weights.values()) + one.cache + one.activations


def test_a_board_fits_when_a_margin_is_left() -> None:
    for need in memory_needs():
        assert need.boards == tuple(name for name, gib in BOARDS.items() if gib * 2**30 * USABLE >= need.total)
    huge = memory_needs(samples=[1000])[0]
    assert huge.boards == ()
    assert markdown_table([huge]).endswith("| none of them |")


def test_computed_bytes_of_eight_bits_are_the_real_ones(tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    build_release_shape("cpu", torch.bfloat16, "small").save_pretrained(tmp_path)
    quantized = load_model(str(tmp_path), device="cpu", dtype="bfloat16", quantization="int8")
    real = 0
    for parameter in quantized.parameters():
        parts = [getattr(parameter, name, None) for name in ("qdata", "scale", "zero_point")]
        real += sum(part.nbytes for part in parts if part is not None) or parameter.nbytes
    computed = weight_bytes(build_release_shape(shape="small"), "int8")
    assert sum(computed.values()) == pytest.approx(real, rel=0.001)  # torchao 0.18 keeps a few bytes more a row


def test_a_small_model_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_speed, "FRAMES", 1)
    monkeypatch.setattr(model_speed, "COPY_BYTES", 2**20)
    steps: list[str] = []
    result = model_speed.measure_model(
        "small", dtype=torch.float32, samples=(1, 2), text_tokens=3, flow_steps=2, repeats=1, on_step=steps.append
    )
    assert json.loads(json.dumps(result)) == result
    assert result["weight_bytes"] == 4 * result["parameters"]
    assert steps == ["a model of shape small", "bandwidth of the memory", "1 candidates", "2 candidates"]
    for row, count in zip(result["rows"], (1, 2), strict=True):
        assert row["num_samples"] == count
        assert 4 * 180 < row["prompt_tokens"] < 4 * 180 + 150
        assert row["text_steps"] == 3 + 2  # the end of the reasoning and the start of the trajectory follow
        assert row["peak_bytes"] is None
        seconds = row["seconds"]
        assert seconds["total"] >= seconds["encode"] + seconds["prefill"] + seconds["reason"] + seconds["act"]
        assert row["tokens_per_s"] == pytest.approx(row["text_steps"] / seconds["reason"])
        assert row["limit_tokens_per_s"] == pytest.approx(result["bandwidth_bytes_per_s"] / row["bytes_per_step"])
    table = speed_lines(result)[2:]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 4


def test_the_observation_is_what_the_public_models_take() -> None:
    observation = model_speed.made_up_observation()
    assert [camera.camera_id for camera in observation.cameras] == [0, 1, 2, 6]
    assert {image.shape for camera in observation.cameras for image in camera.images} == {(1080, 1920, 3)}


def test_bad_arguments_end_with_a_message() -> None:
    for arguments, message in (
        (["bench-model", "--shape", "9b"], "shape must be one of ['10b', 'small'], got '9b'"),
        (["bench-model", "--dtype", "int8"], "dtype must be one of"),
        (["memory", "--json", "."], "--json . is a folder"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert message in result.output
