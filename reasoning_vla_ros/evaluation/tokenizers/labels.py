"""Short names for tables and plots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec

# Arguments that say how long a row of ids is.
LENGTHS = {"num_tokens": "tokens", "num_codes": "codes"}


def labels(tokenizers: Sequence[str]) -> dict[str, str]:
    """Each spec's name, and of its arguments those that tell it from others of that name."""
    return {text: _label(spec, shown) for text, spec, shown in _told_apart(tokenizers)}


def families(tokenizers: Sequence[str]) -> dict[str, str]:
    """The same without the length, so that one name stands for a tokenizer at all lengths."""
    return {
        text: _label(_without_length(spec), [key for key in shown if key not in LENGTHS])
        for text, spec, shown in _told_apart(tokenizers)
    }


def _told_apart(tokenizers: Sequence[str]) -> list[tuple[str, TokenizerSpec, list[str]]]:
    """(as it was given, spec, arguments to show)."""
    specs = {text: TokenizerSpec.parse(text) for text in tokenizers}
    found = []
    for text, spec in specs.items():
        alike = [other for other in specs.values() if other.name == spec.name]
        differing = [key for key in spec.arguments if len({str(other.arguments.get(key)) for other in alike}) > 1]
        found.append((text, spec, differing))
    return found


def _label(spec: TokenizerSpec, shown: Sequence[str]) -> str:
    name = spec.name if "+" in spec.name else Path(spec.name).name
    told = [_argument(key, spec.arguments[key]) for key in shown]
    return f"{name} ({', '.join(told)})" if told else name


def _argument(key: str, value: Any) -> str:
    if key in LENGTHS:
        return f"{value} {LENGTHS[key]}"
    words = key.replace("_", " ")
    return words if value is True else f"{words} {value}"


def _without_length(spec: TokenizerSpec) -> TokenizerSpec:
    """A fitted tokenizer's name ends in its length, as in driving-klt-8."""
    return spec if "+" in spec.name else TokenizerSpec(re.sub(r"-\d+$", "", spec.name), spec.arguments, spec.fit)
