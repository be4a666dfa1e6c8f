"""The parameters' table, without ROS."""

from __future__ import annotations

import dataclasses

import pytest

from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.planning.settings import PlannerSettings
from reasoning_vla_ros.ros.model_loading import trained_frames_at
from reasoning_vla_ros.ros.parameters import (
    ParameterError,
    PlannerParameters,
    parameter_specs,
    parameters_from,
    parse_cameras,
)


def test_every_default_passes_its_own_check() -> None:
    assert [spec.name for spec in parameter_specs() if spec.problem(spec.default)] == []


def test_every_parameter_is_described() -> None:
    for spec in parameter_specs():
        assert spec.description.endswith("."), spec.name
        assert (spec.minimum is None) == (spec.maximum is None), spec.name
        assert (spec.minimum is None) == (spec.type_name not in ("integer", "double")), spec.name


def test_defaults_are_those_of_planning() -> None:
    config = PlannerParameters().observation_config()
    assert config == ObservationConfig(cameras=config.cameras)
    assert PlannerParameters().planner_settings() == PlannerSettings()


def test_frames_are_those_of_the_models_training_unless_told() -> None:
    assert trained_frames_at(DEFAULT_MODEL) == (2, 0.8)
    for told, needed in (({}, (2, 0.8)), ({"num_frames": 3}, (3, 0.8)), ({"frame_dt_s": 0.2}, (2, 0.2))):
        config = PlannerParameters(**told).observation_config(trained_frames_at(DEFAULT_MODEL))
        assert (config.num_frames, config.frame_dt_s) == needed


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        parameters_from({"num_samples": 0, "dtype": "int3", "top_p": 0.5})
    assert "num_samples: needed 1..256, got 0" in str(caught.value)
    assert "dtype: needed one of auto, bfloat16, float16, float32, got 'int3'" in str(caught.value)
    assert "top_p" not in str(caught.value)


def test_integer_for_a_double_says_what_to_write() -> None:
    with pytest.raises(ParameterError, match=r"deadline_s: needed a double \(write 3\.0\), got 3"):
        parameters_from({"deadline_s": 3})


def test_bool_is_no_integer() -> None:
    with pytest.raises(ParameterError, match="num_samples: needed a integer, got True"):
        parameters_from({"num_samples": True})


def test_unknown_name_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"unknown parameters num_sample, known are .*num_samples"):
        parameters_from({"num_sample": 1})


def test_cameras() -> None:
    assert parse_cameras(["cross_left:0", "front_tele:6"]) == ((0, "cross_left"), (6, "front_tele"))
    for entry in ("front", "front:", ":1", "front:x", "front-left:1", "a/b:1", "front:-1"):
        with pytest.raises(ParameterError, match="name:id"):
            parse_cameras([entry])
    with pytest.raises(ParameterError, match="distinct names"):
        parse_cameras(["front:0", "front:1"])


@pytest.mark.parametrize("empty", [None, (), [], b""])
def test_no_camera_says_what_an_entry_looks_like(empty: object) -> None:
    with pytest.raises(ParameterError, match='cameras: needed a string_array of at least one entry like "front:1"'):
        parameters_from({"cameras": empty})


def test_parameters_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PlannerParameters().seed = 1  # type: ignore[misc]


def test_the_planner_is_loaded_as_the_parameters_say(monkeypatch: pytest.MonkeyPatch) -> None:
    from reasoning_vla_ros.planning import Planner
    from reasoning_vla_ros.ros.model_loading import load_planner

    asked: dict[str, object] = {}
    monkeypatch.setattr(Planner, "from_pretrained", lambda path, **arguments: asked.update(arguments, path=path))
    load_planner(
        parameters_from(
            {"model_path": "m", "vlm_path": "v", "dtype": "float16", "quantization": "int4", "offload": "cpu"}
        )
    )
    names = ("path", "vlm", "dtype", "quantization", "offload", "tokenizer")
    assert [asked[name] for name in names] == ["m", "v", "float16", "int4", "cpu", None]
    with pytest.raises(ParameterError, match="quantization: needed one of none, int8, int4, got 'fp8'"):
        parameters_from({"quantization": "fp8"})
