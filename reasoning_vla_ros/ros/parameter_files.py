"""config/planner.param.yaml and schema/planner.schema.json, written from the parameters' table.

python -m reasoning_vla_ros.ros.parameter_files [ROOT]
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from reasoning_vla_ros.ros.parameters import ParameterSpec, parameter_specs

CONFIG_FILE = Path("config/planner.param.yaml")
SCHEMA_FILE = Path("schema/planner.schema.json")
_JSON_TYPES = {"bool": "boolean", "integer": "integer", "double": "number", "string": "string"}


def config_yaml() -> str:
    """All parameters with their defaults, for `ros2 run ... --ros-args --params-file`."""
    lines = [
        "# Parameters of planner_node with their defaults. Written from reasoning_vla_ros/ros/parameters.py;",
        "# that one is to be edited. Those marked dynamic take effect at once, the others when the node is configured.",
        "/**:",
        "  ros__parameters:",
    ]
    for spec in parameter_specs():
        lines += textwrap.wrap(_comment(spec), 112, initial_indent="    # ", subsequent_indent="    # ")
        lines.append(f"    {spec.name}: {_yaml_value(spec.default)}")
    return "\n".join(lines) + "\n"


def schema_json() -> str:
    """JSON schema of that file."""
    specs = parameter_specs()
    parameters = {
        "type": "object",
        "properties": {spec.name: _property(spec) for spec in specs},
        "additionalProperties": False,
    }
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Parameters of planner_node",
        "type": "object",
        "definitions": {"planner": parameters},
        "properties": {
            "/**": {
                "type": "object",
                "properties": {"ros__parameters": {"$ref": "#/definitions/planner"}},
                "required": ["ros__parameters"],
                "additionalProperties": False,
            }
        },
        "required": ["/**"],
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _comment(spec: ParameterSpec) -> str:
    notes = []
    if spec.choices:
        notes.append("one of " + ", ".join(spec.choices))
    if spec.minimum is not None and spec.maximum is not None:
        notes.append(f"{spec.minimum:g}..{spec.maximum:g}")
    if spec.dynamic:
        notes.append("dynamic")
    return spec.description + (f" [{'; '.join(notes)}]" if notes else "")


def _yaml_value(value: Any) -> str:
    # JSON is YAML, and it keeps the point of 1.0, without which ROS takes it for an integer.
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _property(spec: ParameterSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"description": spec.description}
    if spec.type_name == "string_array":
        entry |= {"type": "array", "items": {"type": "string"}, "minItems": 1, "default": list(spec.default)}
    else:
        entry |= {"type": _JSON_TYPES[spec.type_name], "default": spec.default}
    if spec.choices:
        entry["enum"] = list(spec.choices)
    if spec.minimum is not None:
        entry["minimum"] = spec.minimum
    if spec.maximum is not None:
        entry["maximum"] = spec.maximum
    return entry


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    for file, text in ((CONFIG_FILE, config_yaml()), (SCHEMA_FILE, schema_json())):
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")
        print(root / file)


if __name__ == "__main__":
    main()
