"""Names of action spaces, action tokenizers and whole trajectory tokenizers.

A name is a registered one, one of the entry-point group, or `package.module:Class`. The last imports code, so it is
for strings that a person wrote, never for what a checkpoint says.
"""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer

ENTRY_POINT_GROUP = "reasoning_vla_ros.trajectory_tokenizers"


class Registry:
    """Classes of one kind by name.

    Args:
        kind: what messages call them.
        base: the class that they extend.
    """

    def __init__(self, kind: str, base: type) -> None:
        self.kind = kind
        self.base = base
        self._classes: dict[str, Any] = {}

    def register(self, name: str, cls: Any = None) -> Any:
        """Registers a class under a name; as a decorator when the class is left out.

        Raises:
            ValueError: a name that is taken by another class, or holds one of `+:/`.
            TypeError: a class of another kind.
        """
        if cls is None:
            return lambda decorated: self.register(name, decorated)
        if not name or set(name) & set("+:/\\"):
            raise ValueError(f"a name of {self.kind} must not be empty nor hold any of + : / \\, got {name!r}")
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise TypeError(f"{name!r} must be a subclass of {self.base.__name__}, got {cls!r}")
        if self._classes.get(name, cls) is not cls:
            raise ValueError(f"the {self.kind} {name!r} is already registered as {self._classes[name]!r}")
        self._classes[name] = cls
        cls.name = name
        return cls

    def names(self) -> list[str]:
        """Registered names, sorted."""
        return sorted(self._classes)

    def resolve(self, name: str, *, allow_imports: bool) -> Any:
        """The class of a name.

        Raises:
            ValueError: an unknown name, or a dotted path where those are not allowed.
            ImportError: a dotted path that cannot be imported.
            TypeError: what it names is of another kind.
        """
        if name in self._classes:
            return self._classes[name]
        found: Any = None
        for entry_point in plugins():
            if name in (entry_point.name, entry_point.value):
                found = entry_point.load()
        if found is None and ":" in name:
            if not allow_imports:
                raise ValueError(
                    f"{self.kind} {name!r} would import code that a file names; register it, install it as an entry "
                    f"point of {ENTRY_POINT_GROUP!r}, or allow imports"
                )
            found = import_dotted(name)
        if found is None:
            raise ValueError(
                f"unknown {self.kind} {name!r}; known: {self.names() + entry_point_names()}, or module:Class"
            )
        if not (isinstance(found, type) and issubclass(found, self.base)):
            raise TypeError(f"{name!r} must name a subclass of {self.base.__name__}, got {found!r}")
        return found


action_spaces = Registry("action space", ActionSpace)
action_tokenizers = Registry("action tokenizer", ActionTokenizer)
register_action_space = action_spaces.register
register_action_tokenizer = action_tokenizers.register


def plugins() -> list[EntryPoint]:
    """Entry points of the group; read anew each time, so that a package installed later is seen."""
    return list(entry_points(group=ENTRY_POINT_GROUP))


def entry_point_names() -> list[str]:
    return sorted({entry_point.name for entry_point in plugins()})


def import_dotted(path: str) -> Any:
    """What `package.module:Name` names.

    Raises:
        ImportError: no such module, or no such name in it.
    """
    module_name, _, attribute = path.partition(":")
    found: Any = importlib.import_module(module_name)
    for step in attribute.split("."):
        if not hasattr(found, step):
            raise ImportError(f"module {module_name!r} has no {attribute!r}")
        found = getattr(found, step)
    return found
