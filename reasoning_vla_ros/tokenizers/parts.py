"""What action spaces and action tokenizers have in common: a name and a constructor that can be written down."""

from __future__ import annotations

import inspect
import json
from typing import Any, ClassVar


class Part:
    """Something that `{"name": cls.name, **part.get_config()}` describes and rebuilds.

    `name` is the registered name, or else `module:Class`.
    `argument_aliases` maps other spellings of constructor arguments, as configs use them, to the constructor's own.
    """

    name: ClassVar[str]
    argument_aliases: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = f"{cls.__module__}:{cls.__qualname__}"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain JSON-able values, read from the attributes of the same names.

        Raises:
            TypeError: an argument that is not kept as an attribute, or a value that JSON cannot hold.
        """
        names = constructor_arguments(type(self))
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise TypeError(f"{self.name} must keep its constructor arguments as attributes; missing: {missing}")
        return plain({name: getattr(self, name) for name in names}, self.name)

    def to_config(self) -> dict[str, Any]:
        """`get_config` with the name."""
        return {"name": self.name, **self.get_config()}


def constructor_arguments(factory: Any) -> list[str]:
    """Names of the arguments that a class or function takes by name, without `*args` and `**kwargs`."""
    if inspect.isclass(factory) and factory.__init__ is object.__init__:
        return []
    parameters = inspect.signature(factory).parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def plain(config: dict[str, Any], owner: str) -> dict[str, Any]:
    """The config as JSON would give it back: tuples become lists.

    Raises:
        TypeError: a value that JSON cannot hold.
    """
    try:
        copy: dict[str, Any] = json.loads(json.dumps(config))
    except TypeError as error:
        raise TypeError(f"the config of {owner} must hold plain JSON values, got {config}: {error}") from error
    return copy
