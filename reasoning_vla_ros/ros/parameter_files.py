"""Parameter files and schemas of the nodes, written from their tables.

python -m reasoning_vla_ros.ros.parameter_files [ROOT]
"""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasoning_vla_ros.ros.follower_parameters import FollowerParameters
from reasoning_vla_ros.ros.parameter_specs import ParameterSpec, ParameterValues, specs_of
from reasoning_vla_ros.ros.parameters import PlannerParameters
from reasoning_vla_ros.ros.simulator_parameters import SimulatorParameters

_JSON_TYPES = {"bool": "boolean", "integer": "integer", "double": "number", "string": "string"}


@dataclass(frozen=True)
class ParameterFile:
    """The parameters of one node.

    Attributes:
        name: of the files, as in config/<name>.param.yaml and schema/<name>.schema.json.
        table: of the parameters.
        module: that the table is in.
        others_take_effect: what those wait for that are not dynamic.
    """

    name: str
    table: type[ParameterValues]
    module: str
    others_take_effect: str = "when the node starts"

    @property
    def config_path(self) -> Path:
        return Path(f"config/{self.name}.param.yaml")

    @property
    def schema_path(self) -> Path:
        return Path(f"schema/{self.name}.schema.json")

    def config_yaml(self) -> str:
        """All parameters with their defaults, for `ros2 run ... --ros-args --params-file`."""
        source = f"reasoning_vla_ros/ros/{self.module}.py"
        lines = [
            f"# Parameters of {self.name}_node with their defaults. Written from {source};",
            "# that one is to be edited. Those marked dynamic take effect at once, the others "
            f"{self.others_take_effect}.",
            "/**:",
            "  ros__parameters:",
        ]
        for spec in specs_of(self.table):
            lines += textwrap.wrap(_comment(spec), 112, initial_indent="    # ", subsequent_indent="    # ")
            lines.append(f"    {spec.name}: {_yaml_value(spec.default)}")
        return "\n".join(lines) + "\n"

    def schema_json(self) -> str:
        """JSON schema of that file."""
        parameters = {
            "type": "object",
            "properties": {spec.name: _property(spec) for spec in specs_of(self.table)},
            "additionalProperties": False,
        }
        schema = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": f"Parameters of {self.name}_node",
            "type": "object",
            "definitions": {self.name: parameters},
            "properties": {
                "/**": {
                    "type": "object",
                    "properties": {"ros__parameters": {"$ref": f"#/definitions/{self.name}"}},
                    "required": ["ros__parameters"],
                    "additionalProperties": False,
                }
            },
            "required": ["/**"],
            "additionalProperties": False,
        }
        return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


PARAMETER_FILES = (
    ParameterFile("planner", PlannerParameters, "parameters", "when the node is configured"),
    ParameterFile("follower", FollowerParameters, "follower_parameters"),
    ParameterFile("simulator", SimulatorParameters, "simulator_parameters"),
)


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
    for file in PARAMETER_FILES:
        for path, text in ((file.config_path, file.config_yaml()), (file.schema_path, file.schema_json())):
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
            print(root / path)


if __name__ == "__main__":
    main()
