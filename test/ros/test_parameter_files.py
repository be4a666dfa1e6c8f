"""The committed YAML file and schema are those of the table."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from reasoning_vla_ros.ros.parameter_files import PARAMETER_FILES, ParameterFile
from reasoning_vla_ros.ros.parameter_specs import specs_of, values_from

REPO = Path(__file__).resolve().parents[2]
PLANNER = PARAMETER_FILES[0]
each_file = pytest.mark.parametrize("file", PARAMETER_FILES, ids=[file.name for file in PARAMETER_FILES])


@each_file
def test_committed_files_are_up_to_date(file: ParameterFile) -> None:
    hint = "run: python -m reasoning_vla_ros.ros.parameter_files"
    assert (REPO / file.config_path).read_text(encoding="utf-8") == file.config_yaml(), hint
    assert (REPO / file.schema_path).read_text(encoding="utf-8") == file.schema_json(), hint


@each_file
def test_yaml_file_gives_the_defaults(file: ParameterFile) -> None:
    values = yaml.safe_load(file.config_yaml())["/**"]["ros__parameters"]
    assert values_from(file.table, values) == file.table()


@each_file
def test_every_parameter_is_described(file: ParameterFile) -> None:
    for spec in specs_of(file.table):
        assert spec.description.endswith("."), spec.name
        assert (spec.minimum is None) == (spec.maximum is None), spec.name
        assert (spec.minimum is None) == (spec.type_name not in ("integer", "double")), spec.name


@each_file
def test_yaml_file_fits_the_schema(file: ParameterFile) -> None:
    schema = json.loads(file.schema_json())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(file.config_yaml()), schema)


@pytest.mark.parametrize(
    ("name", "value"), [("num_samples", 0), ("dtype", "int3"), ("cameras", []), ("unknown", 1), ("autostart", "yes")]
)
def test_schema_refuses(name: str, value: object) -> None:
    document = yaml.safe_load(PLANNER.config_yaml())
    document["/**"]["ros__parameters"][name] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(PLANNER.schema_json()))
