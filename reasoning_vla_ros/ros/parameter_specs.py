"""Tables of a node's parameters: from one come declaration, checks, YAML file and schema.

A table is a frozen dataclass on :class:`ParameterValues`; each field carries its description, bounds and choices. A
parameter that is not dynamic takes effect when the node is configured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints


class ParameterError(ValueError):
    """Parameters that the node cannot work with; the message has each one's value and what it needed."""


def parameter(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
    check: Callable[[Any], str] | None = None,
) -> Any:
    """A field of the table. Bounds are inclusive; `check` tells what else is wrong with a value of the right type."""
    metadata = {
        "description": description,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "dynamic": dynamic,
        "check": check,
    }
    return field(default=default, metadata=metadata)


TYPE_NAMES = {
    bool: "bool",
    int: "integer",
    float: "double",
    str: "string",
    tuple[str, ...]: "string_array",
}


@dataclass(frozen=True)
class ParameterSpec:
    """One row of the table. `type_name` is bool, integer, double, string or string_array."""

    name: str
    type_name: str
    default: Any
    description: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    dynamic: bool
    check: Callable[[Any], str] | None

    @property
    def demand(self) -> str:
        """What a value has to be."""
        if self.type_name == "string_array":
            return f'needed a string_array of at least one entry like "{self.default[0]}"'
        bounds = f" within {self.minimum:g}..{self.maximum:g}" if self.minimum is not None else ""
        hint = ", written with a point as in 1.0" if self.type_name == "double" else ""
        return f"needed a {self.type_name}{bounds}{hint}"

    def problem(self, value: Any) -> str:
        """What is wrong with a value: what it was and what it should be. Empty when nothing is."""
        # ROS gives an empty list of a YAML file no type: it arrives as None, or as an array of bytes.
        if self.type_name == "string_array" and value in (None, (), [], b""):
            return f"{self.demand}, got none"
        if problem := self._type_problem(value):
            return problem
        if self.choices and value not in self.choices:
            return f"needed one of {', '.join(self.choices)}, got {value!r}"
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and not low <= value <= high:
            return f"needed {low:g}..{high:g}, got {value:g}"
        return self.check(value) if self.check is not None else ""

    def _type_problem(self, value: Any) -> str:
        fits = {
            "bool": isinstance(value, bool),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "double": isinstance(value, float) and math.isfinite(value),
            "string": isinstance(value, str),
            "string_array": isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value),
        }
        if fits[self.type_name]:
            return ""
        hint = f" (write {value}.0)" if self.type_name == "double" and isinstance(value, int) else ""
        return f"needed a {self.type_name}{hint}, got {value!r}"


@dataclass(frozen=True)
class ParameterValues:
    """Values of all parameters of a node, checked one by one when they are made. Lists are tuples."""

    def __post_init__(self) -> None:
        problems = [
            f"{spec.name}: {problem}"
            for spec in specs_of(type(self))
            if (problem := spec.problem(getattr(self, spec.name)))
        ]
        if problems:
            raise ParameterError("; ".join(problems))


ValuesT = TypeVar("ValuesT", bound=ParameterValues)


def specs_of(table: type[ParameterValues]) -> tuple[ParameterSpec, ...]:
    """The rows of a table, in the order of the fields."""
    types = get_type_hints(table)
    return tuple(
        ParameterSpec(name=entry.name, type_name=TYPE_NAMES[types[entry.name]], default=entry.default, **entry.metadata)
        for entry in dataclasses.fields(table)
    )


def values_from(table: type[ValuesT], values: Mapping[str, Any]) -> ValuesT:
    """Parameters of plain values, lists becoming tuples; what is left out has its default. Raises ParameterError."""
    known = {spec.name for spec in specs_of(table)}
    if unknown := sorted(set(values) - known):
        raise ParameterError(f"unknown parameters {', '.join(unknown)}, known are {', '.join(sorted(known))}")
    return table(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
