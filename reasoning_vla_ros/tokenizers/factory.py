"""Builds tokenizers from what a person, a config or a saved folder says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.action_tokenizer import CONFIG_FILE as ACTION_TOKENIZER_FILE
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, read_json
from reasoning_vla_ros.tokenizers.alpamayo import build_target
from reasoning_vla_ros.tokenizers.parts import Part, constructor_arguments
from reasoning_vla_ros.tokenizers.registry import (
    Registry,
    action_spaces,
    action_tokenizers,
    entry_point_names,
)
from reasoning_vla_ros.tokenizers.shipped import load_shipped, shipped_names
from reasoning_vla_ros.tokenizers.trajectory_tokenizer import CONFIG_FILE, TrajectoryTokenizer

trajectory_tokenizers = Registry("trajectory tokenizer", TrajectoryTokenizer)
register_trajectory_tokenizer = trajectory_tokenizers.register

Spec = str | PathLike[str] | Mapping[str, Any]


def create_tokenizer(spec: Spec, *, allow_imports: bool | None = None, **kwargs: Any) -> TrajectoryTokenizer:
    """A trajectory tokenizer from a name, a config or a folder.

    `spec` is one of
    - `"unicycle+uniform"`: an action space and an action tokenizer, each a registered name, an entry point's name, or
      `package.module:Class`;
    - `"package.module:Class"`, a registered name, or an entry point's name: a whole TrajectoryTokenizer;
    - `"driving-klt-8"` and others of `shipped_names()`: one of this package, already fitted;
    - a folder that `save_pretrained` wrote;
    - a dict: `{"action_space": {"name": ...}, "action_tokenizer": {"name": ...}}` as `to_config` gives,
      `{"name": <any of the strings above>, ...arguments}`, or Alpamayo's `{"_target_": ...}`.

    Keyword arguments go to the part whose constructor has them, and override a dict's. What an action tokenizer's
    constructor takes and nobody gave (such as its range) comes from `ActionSpace.tokenizer_defaults`.

    Args:
        spec: see above.
        allow_imports: whether `package.module:Class` may import code. By default it may in a string or dict given
            here, and may not in a folder's files. Pass False for what comes from a checkpoint.
        **kwargs: arguments of the parts.

    Raises:
        ValueError: an unknown name, one that would need imports where those are not allowed, or arguments of a
            value that the part refuses.
        TypeError: arguments that no part takes, or that both take; something of another kind.
        FileNotFoundError: a folder without a tokenizer.
        ImportError: a dotted path that cannot be imported.
    """
    if isinstance(spec, Mapping):
        return _from_config({**spec, **kwargs}, allow_imports is not False)
    if isinstance(spec, PathLike) or _is_folder(spec):
        if kwargs:
            raise TypeError(f"a saved tokenizer takes no arguments, got {sorted(kwargs)}")
        return load_tokenizer(spec, bool(allow_imports))
    return _from_name(spec, kwargs, allow_imports is not False)


def create_action_space(spec: str | Mapping[str, Any], *, allow_imports: bool = True, **kwargs: Any) -> ActionSpace:
    """An action space from a name, `{"name": ...}` or Alpamayo's `{"_target_": ...}`; errors as `create_tokenizer`."""
    if isinstance(spec, Mapping) and "_target_" in spec:
        space = build_target({**spec, **kwargs})
        if not isinstance(space, ActionSpace):
            raise TypeError(f"{spec['_target_']!r} is a whole tokenizer, wanted an action space")
        return space
    name, arguments = _named(spec, kwargs, "action space")
    cls = action_spaces.resolve(name, allow_imports=allow_imports)
    space = cls(**_checked(cls, arguments))
    assert isinstance(space, ActionSpace)
    return space


def create_action_tokenizer(
    spec: str | Mapping[str, Any] | PathLike[str], *, allow_imports: bool = True, **kwargs: Any
) -> ActionTokenizer:
    """An action tokenizer from a name, `{"name": ...}`, or (as a Path) a saved folder; errors as `create_tokenizer`."""
    if isinstance(spec, PathLike):
        return _load_action_tokenizer(Path(spec), allow_imports)
    name, arguments = _named(spec, kwargs, "action tokenizer")
    cls = action_tokenizers.resolve(name, allow_imports=allow_imports)
    tokenizer = cls(**_checked(cls, arguments))
    assert isinstance(tokenizer, ActionTokenizer)
    return tokenizer


def load_tokenizer(folder: str | PathLike[str], allow_imports: bool = False) -> TrajectoryTokenizer:
    """What `TrajectoryTokenizer.save_pretrained` wrote; see `TrajectoryTokenizer.from_pretrained`."""
    path = Path(folder)
    config = read_json(path / CONFIG_FILE)
    if "action_tokenizer" not in config:
        whole = _from_config(config, allow_imports)
        whole.action_tokenizer.load_tensors(path)
        return whole
    space = create_action_space(config["action_space"], allow_imports=allow_imports)
    tokenizer = _load_action_tokenizer(path, allow_imports)
    return _whole_class(config, allow_imports)(space, tokenizer)


def available_tokenizers() -> dict[str, list[str]]:
    """Names by kind: "action_spaces", "action_tokenizers" (any pair of the two goes), "trajectory_tokenizers",
    "shipped" (fitted ones) and "plugins" (entry points of other packages, not imported, so of whichever kind)."""
    return {
        "action_spaces": action_spaces.names(),
        "action_tokenizers": action_tokenizers.names(),
        "trajectory_tokenizers": trajectory_tokenizers.names(),
        "shipped": list(shipped_names()),
        "plugins": entry_point_names(),
    }


def _from_config(config: dict[str, Any], allow_imports: bool) -> TrajectoryTokenizer:
    if "_target_" in config:
        built = build_target(config)
        if not isinstance(built, TrajectoryTokenizer):
            raise TypeError(f"{config['_target_']!r} is an action space, wanted a whole tokenizer")
        return built
    if "action_space" in config and "action_tokenizer" in config:
        if unknown := sorted(set(config) - {"name", "action_space", "action_tokenizer"}):
            raise TypeError(f"a tokenizer's config has action_space and action_tokenizer, got also {unknown}")
        space = create_action_space(config["action_space"], allow_imports=allow_imports)
        name, arguments = _named(config["action_tokenizer"], {}, "action tokenizer")
        cls = action_tokenizers.resolve(name, allow_imports=allow_imports)
        tokenizer = cls(**_with_defaults(cls, _checked(cls, arguments), space))
        return _whole_class(config, allow_imports)(space, tokenizer)
    name, arguments = _named(config, {}, "tokenizer")
    if _is_folder(name):
        raise ValueError(f"a config names tokenizers, not folders; got {name!r}")
    return _from_name(name, arguments, allow_imports)


def _from_name(spec: str, kwargs: dict[str, Any], allow_imports: bool) -> TrajectoryTokenizer:
    if "+" not in spec:
        if spec in action_spaces.names() or spec in action_tokenizers.names():
            raise ValueError(f"{spec!r} is one part; name both, such as 'unicycle+uniform'")
        if spec in shipped_names():
            if kwargs:
                raise TypeError(f"the fitted tokenizer {spec!r} takes no arguments, got {sorted(kwargs)}")
            return load_shipped(spec)
        known = [*trajectory_tokenizers.names(), *entry_point_names(), *shipped_names()]
        if spec not in known and ":" not in spec:
            raise ValueError(
                f"unknown trajectory tokenizer {spec!r}; known: {known}, a pair such as 'unicycle+uniform', "
                "or module:Class"
            )
        cls = trajectory_tokenizers.resolve(spec, allow_imports=allow_imports)
        whole = cls(**_checked(cls, kwargs))
        assert isinstance(whole, TrajectoryTokenizer)
        return whole
    space_name, tokenizer_name = spec.split("+", 1)
    space_class = action_spaces.resolve(space_name, allow_imports=allow_imports)
    tokenizer_class = action_tokenizers.resolve(tokenizer_name, allow_imports=allow_imports)
    for_space, for_tokenizer = _route(space_class, tokenizer_class, kwargs)
    space = space_class(**for_space)
    return TrajectoryTokenizer(space, tokenizer_class(**_with_defaults(tokenizer_class, for_tokenizer, space)))


def _whole_class(config: Mapping[str, Any], allow_imports: bool) -> type[TrajectoryTokenizer]:
    """TrajectoryTokenizer itself, or the subclass that a config names."""
    if "name" not in config:
        return TrajectoryTokenizer
    cls: type[TrajectoryTokenizer] = trajectory_tokenizers.resolve(config["name"], allow_imports=allow_imports)
    return cls


def _load_action_tokenizer(folder: Path, allow_imports: bool) -> ActionTokenizer:
    name = read_json(folder / ACTION_TOKENIZER_FILE).get("name")
    cls = action_tokenizers.resolve(str(name), allow_imports=allow_imports)
    tokenizer = cls.from_pretrained(folder)
    assert isinstance(tokenizer, ActionTokenizer)
    return tokenizer


def _named(spec: str | Mapping[str, Any], kwargs: dict[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, kwargs
    arguments = {**spec, **kwargs}
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise ValueError(f"a config of an {kind} needs a name, got {dict(spec)}")
    return name, arguments


def _is_folder(spec: str) -> bool:
    return (Path(spec) / CONFIG_FILE).is_file() or ((os.sep in spec or spec.startswith(".")) and ":" not in spec)


def _takes(cls: type[Part]) -> dict[str, str]:
    """The constructor's arguments, under their own and their alias spellings."""
    arguments = constructor_arguments(cls)
    aliases = getattr(cls, "argument_aliases", {})
    return {**{name: name for name in arguments}, **aliases}


def _checked(cls: type[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in the constructor's own spelling.

    Raises:
        TypeError: arguments that it does not have.
    """
    takes = _takes(cls)
    if unknown := sorted(set(arguments) - set(takes)):
        raise TypeError(f"unknown arguments {unknown}; {cls.name!r} takes {list(takes)}")
    return _own_spelling(takes, arguments)


def _own_spelling(takes: Mapping[str, str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    spelled: dict[str, Any] = {}
    for key, value in arguments.items():
        if takes[key] in spelled:
            raise TypeError(f"{key!r} gives {takes[key]!r} a second time; got {dict(arguments)}")
        spelled[takes[key]] = value
    return spelled


def _route(
    space: type[ActionSpace], tokenizer: type[ActionTokenizer], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Each argument to the part that takes it."""
    by_space, by_tokenizer = _takes(space), _takes(tokenizer)
    both = f"{space.name!r} takes {list(by_space)}, {tokenizer.name!r} takes {list(by_tokenizer)}"
    if unknown := sorted(set(kwargs) - set(by_space) - set(by_tokenizer)):
        raise TypeError(f"unknown arguments {unknown}; {both}")
    if shared := sorted(set(kwargs) & set(by_space) & set(by_tokenizer)):
        raise TypeError(f"both parts take {shared}; give them in a config dict of each part. {both}")
    return (
        _own_spelling(by_space, {key: value for key, value in kwargs.items() if key in by_space}),
        _own_spelling(by_tokenizer, {key: value for key, value in kwargs.items() if key in by_tokenizer}),
    )


def _with_defaults(cls: type[ActionTokenizer], arguments: dict[str, Any], space: ActionSpace) -> dict[str, Any]:
    takes = _takes(cls)
    defaults = {key: value for key, value in space.tokenizer_defaults.items() if key in takes and value is not None}
    return {**_own_spelling(takes, defaults), **arguments}
