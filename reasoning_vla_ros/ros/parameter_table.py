"""The parameters' table on a node: declared with descriptions and bounds, checked whenever one is set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Generic

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from reasoning_vla_ros.ros.parameter_specs import ParameterError, ParameterSpec, ValuesT, specs_of, values_from


class ParameterTable(Generic[ValuesT]):
    """Declares all parameters on a node and keeps their values.

    An unusable value from a launch or YAML file does not end the process: the parameter gets its default, and `read`
    fails with the reason until a usable value is set.

    Args:
        node: the node.
        table: the parameters.
        is_configured: whether only dynamic parameters may change now.
        others_take_effect: what the others wait for, and how to get there.
    """

    def __init__(
        self,
        node: Node,
        table: type[ValuesT],
        is_configured: Callable[[], bool],
        others_take_effect: str = "when the node is configured; clean it up first",
    ) -> None:
        self._others_take_effect = others_take_effect
        self._node = node
        self._table = table
        self._is_configured = is_configured
        self._specs = {spec.name: spec for spec in specs_of(table)}
        self._problems: dict[str, str] = {}
        self.values = table()
        for spec in self._specs.values():
            self._declare(spec)
        node.add_on_set_parameters_callback(self._on_set)

    def read(self) -> ValuesT:
        """All values, which `values` then holds too. Raises ParameterError with every problem there is."""
        if self._problems:
            raise ParameterError("; ".join(f"{name}: {problem}" for name, problem in self._problems.items()))
        self.values = values_from(self._table, {name: self._node.get_parameter(name).value for name in self._specs})
        return self.values

    def _declare(self, spec: ParameterSpec) -> None:
        default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        descriptor = _descriptor(spec)
        try:
            value = self._node.declare_parameter(spec.name, default, descriptor).value
        except ParameterException as error:  # a type or range that the file's value does not fit
            self._node.declare_parameter(spec.name, default, descriptor, ignore_override=True)
            self._problems[spec.name] = f"{spec.demand}; {error}"
            return
        if problem := spec.problem(value):
            self._problems[spec.name] = problem

    def _on_set(self, parameters: list[Any]) -> SetParametersResult:
        accepted = {}
        for parameter in parameters:
            spec = self._specs.get(parameter.name)
            if spec is None:
                continue
            problem = spec.problem(parameter.value)
            if not problem and self._is_configured() and not spec.dynamic:
                problem = f"takes effect {self._others_take_effect}"
            if problem:
                return SetParametersResult(successful=False, reason=f"{spec.name}: {problem}")
            accepted[spec.name] = parameter.value
        try:
            values = dataclasses.replace(self.values, **accepted)
        except ParameterError as error:  # values that are sound one by one, but not together
            return SetParametersResult(successful=False, reason=str(error))
        for name in accepted:
            self._problems.pop(name, None)
        if self._is_configured():
            self.values = values
        return SetParametersResult(successful=True)


def _descriptor(spec: ParameterSpec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=spec.description)
    if spec.choices:
        descriptor.additional_constraints = f"one of {', '.join(spec.choices)}"
    if spec.minimum is None or spec.maximum is None:
        return descriptor
    if spec.type_name == "integer":
        descriptor.integer_range = [IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)]
    else:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(spec.minimum), to_value=float(spec.maximum), step=0.0)
        ]
    return descriptor
