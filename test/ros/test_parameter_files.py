"""The committed YAML file and schema are those of the table."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from reasoning_vla_ros.ros.parameter_files import CONFIG_FILE, SCHEMA_FILE, config_yaml, schema_json
from reasoning_vla_ros.ros.parameters import PlannerParameters, parameters_from

REPO = Path(__file__).resolve().parents[2]


def test_committed_files_are_up_to_date() -> None:
    hint = "run: python -m reasoning_vla_ros.ros.parameter_files"
    assert (REPO / CONFIG_FILE).read_text(encoding="utf-8") == config_yaml(), hint
    assert (REPO / SCHEMA_FILE).read_text(encoding="utf-8") == schema_json(), hint


def test_yaml_file_gives_the_defaults() -> None:
    values = yaml.safe_load(config_yaml())["/**"]["ros__parameters"]
    assert parameters_from(values) == PlannerParameters()


def test_yaml_file_fits_the_schema() -> None:
    schema = json.loads(schema_json())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(config_yaml()), schema)


@pytest.mark.parametrize(
    ("name", "value"), [("num_samples", 0), ("dtype", "int3"), ("cameras", []), ("unknown", 1), ("autostart", "yes")]
)
def test_schema_refuses(name: str, value: object) -> None:
    document = yaml.safe_load(config_yaml())
    document["/**"]["ros__parameters"][name] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(schema_json()))
