"""What there is, in a line each."""

from __future__ import annotations

import inspect

from reasoning_vla_ros.tokenizers.factory import trajectory_tokenizers
from reasoning_vla_ros.tokenizers.registry import Registry, action_spaces, action_tokenizers, plugins
from reasoning_vla_ros.tokenizers.shipped import shipped_names


def describe_tokenizers() -> dict[str, dict[str, str]]:
    """By kind, as `available_tokenizers` has them, each name with a line about it.

    Of built-in parts it is the first sentence of the class's docstring; of a plugin, which is not imported for this,
    what its entry point names.
    """
    return {
        "action_spaces": _first_sentences(action_spaces),
        "action_tokenizers": _first_sentences(action_tokenizers),
        "trajectory_tokenizers": _first_sentences(trajectory_tokenizers),
        "shipped": shipped_names(),
        "plugins": {plugin.name: plugin.value for plugin in plugins()},
    }


def _first_sentences(registry: Registry) -> dict[str, str]:
    sentences = {}
    for name in registry.names():
        paragraph = (inspect.getdoc(registry.resolve(name, allow_imports=False)) or "").split("\n\n")[0]
        sentences[name] = " ".join(paragraph.split()).split(". ")[0].rstrip(".:")
    return sentences
