"""YAML files and dataclasses."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from reasoning_vla_ros.training.config import TrainConfig
from reasoning_vla_ros.training.errors import TrainingError

T = TypeVar("T")


def read_config(path: Path | str) -> TrainConfig:
    """The training config of a YAML file; what it leaves out keeps its default.

    Raises:
        TrainingError: no YAML mapping, an unknown key, or a value of the wrong type or range.
        OSError: the file can't be read.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise TrainingError(f"{path} must hold keys and values, got {content!r}")
    try:
        return config_from_dict(content)
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from error


def config_from_dict(content: Mapping[str, Any]) -> TrainConfig:
    """A config from nested mappings. Raises TrainingError as `read_config` does."""
    return _build(TrainConfig, content, "")


def _build(kind: type[T], content: Mapping[str, Any], where: str) -> T:
    assert is_dataclass(kind)
    known = [field.name for field in fields(kind)]
    if unknown := [str(key) for key in content if key not in known]:
        raise TrainingError(
            f"unknown {'keys' if len(unknown) > 1 else 'key'} {', '.join(where + key for key in unknown)}; "
            f"known: {', '.join(where + name for name in known)}"
        )
    hints = get_type_hints(kind)
    values = {key: _value(hints[key], value, where + key) for key, value in content.items()}
    try:
        return kind(**values)
    except TrainingError:
        raise
    except ValueError as error:  # of a config that is not the training's own
        raise TrainingError(f"{where.rstrip('.')}: {error}") from error


def _value(hint: Any, value: Any, name: str) -> Any:
    """The value as its field's type. Numbers may be written as `1e-4`, which YAML takes for text."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise TrainingError(f"{name} must hold keys and values, got {value!r}")
        return _build(hint, value, f"{name}.")  # type: ignore[arg-type]
    origin, choices = get_origin(hint), get_args(hint)
    if origin is Literal:
        # YAML takes a bare no for false.
        value = "no" if value is False and "no" in choices else value
        if value not in choices:
            raise TrainingError(f"{name} is {value!r}, needed one of {list(choices)}")
        return value
    if origin in (Union, types.UnionType):  # of one type and None
        return None if value is None else _value(choices[0], value, name)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise TrainingError(f"{name} must hold keys and values, got {value!r}")
        return dict(value)
    if origin is tuple:
        kind = choices[0]
        if not isinstance(value, (list, tuple)) or any(type(each) is not kind for each in value):
            raise TrainingError(f"{name} is {value!r}, needed a list of {'texts' if kind is str else 'whole numbers'}")
        return tuple(value)
    return _plain(hint, value, name)


def _plain(kind: type, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError as error:
            raise TrainingError(f"{name} is {value!r}, needed a number") from error
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        needed = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
        raise TrainingError(f"{name} is {value!r}, needed {needed}")
    return value
