"""Tokenizers as a line of text, built for the trajectories at hand, and fitted to them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.tokenizers import TrajectoryTokenizer, create_tokenizer
from reasoning_vla_ros.tokenizers.parts import constructor_arguments
from reasoning_vla_ros.tokenizers.registry import action_spaces, action_tokenizers

# Share of a joint's range in the data by which its limits are wider.
LIMIT_MARGIN = 0.05
# How the `fit` methods call the function that hears of their progress.
PROGRESS_ARGUMENTS = ("on_round", "on_stage", "on_epoch")

OnFit = Callable[[str], None]


@dataclass(frozen=True)
class TokenizerSpec:
    """What `space+tokenizer[,argument=value…]`, a whole tokenizer's name or a saved folder says.

    Attributes:
        name: as `create_tokenizer` takes it.
        arguments: of the parts.
        fit: whether it is fitted to data; by default what is made of two parts is, and the rest is as it was saved.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    fit: bool = True

    @classmethod
    def parse(cls, text: str) -> TokenizerSpec:
        """Reads `path+klt,num_tokens=8,max_error=0.5`; `fit=false` leaves a pair of parts as it is constructed."""
        name, *assignments = re.split(r",(?=\s*[A-Za-z_]\w*\s*=)", text.strip())
        arguments = parse_arguments(assignments)
        fit = arguments.pop("fit", "+" in name)
        if not name or not isinstance(fit, bool):
            raise ValueError(
                f"a tokenizer is named 'space+tokenizer,argument=value' with fit=true or false, got {text!r}"
            )
        return cls(name, arguments, fit)

    def __str__(self) -> str:
        assigned = [f"{key}={json.dumps(value)}" for key, value in self.arguments.items()]
        default = "+" in self.name
        return ",".join([self.name, *assigned, *([] if self.fit == default else [f"fit={json.dumps(self.fit)}"])])


def parse_arguments(assignments: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as a dict; values are JSON (numbers, true, [1, 2]) or else text.

    Raises:
        ValueError: a text without `=`, or a key that stands twice.
    """
    arguments: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or not key or key in arguments:
            raise ValueError(f"an argument is given once as key=value, got {assignment!r}")
        try:
            arguments[key] = json.loads(value)
        except json.JSONDecodeError:
            arguments[key] = value
    return arguments


def build_tokenizer(spec: TokenizerSpec, data: TrajectorySet) -> TrajectoryTokenizer:
    """A tokenizer for trajectories like these: steps, their length and joint limits come from the data.

    An argument goes to the part that takes it, or to both.

    Raises:
        ValueError: unknown names or arguments, or ones that the parts refuse.
    """
    try:
        if "+" not in spec.name:
            return create_tokenizer(spec.name, **spec.arguments)
        space_name, tokenizer_name = spec.name.split("+", 1)
        space = action_spaces.resolve(space_name, allow_imports=True)
        tokenizer = action_tokenizers.resolve(tokenizer_name, allow_imports=True)
        taken = {part: [*constructor_arguments(part), *part.argument_aliases] for part in (space, tokenizer)}
        if unknown := sorted(set(spec.arguments) - set(taken[space]) - set(taken[tokenizer])):
            raise ValueError(
                f"unknown arguments {unknown}; {space_name!r} takes {taken[space]}, "
                f"{tokenizer_name!r} takes {taken[tokenizer]}"
            )
        of_data = {key: value for key, value in _from_data(data).items() if key in taken[space]}
        given = [{key: v for key, v in spec.arguments.items() if key in taken[part]} for part in (space, tokenizer)]
        return create_tokenizer(
            {
                "action_space": {"name": space_name, **of_data, **given[0]},
                "action_tokenizer": {"name": tokenizer_name, **given[1]},
            }
        )
    except (TypeError, ValueError, ImportError, FileNotFoundError) as error:
        raise ValueError(f"tokenizer {spec}: {error}") from error


def fit_tokenizer(
    tokenizer: TrajectoryTokenizer, data: TrajectorySet, *, seed: int = 0, on_progress: OnFit | None = None
) -> None:
    """Fits a tokenizer to data.

    Args:
        tokenizer: changed in place.
        data: what to fit to.
        seed: for tokenizers whose fit is random.
        on_progress: hears a few words now and then.

    Raises:
        DataError: a fit that the data does not suffice for.
    """
    takes = inspect.signature(tokenizer.action_tokenizer.fit).parameters
    arguments: dict[str, Any] = {"seed": seed} if "seed" in takes else {}
    if on_progress is not None:
        for name in set(PROGRESS_ARGUMENTS) & set(takes):
            arguments[name] = lambda done, *rest, name=name: on_progress(f"{name.removeprefix('on_')} {done}")
    try:
        tokenizer.fit(*data.tensors(), **arguments)
    except ValueError as error:
        raise DataError(f"{tokenizer.action_tokenizer.name} can't be fitted to {data.name}: {error}") from error


def _from_data(data: TrajectorySet) -> dict[str, Any]:
    """Arguments of action spaces that follow from data, under all the names that spaces have for them."""
    arguments: dict[str, Any] = {
        "horizon": data.horizon,
        "n_waypoints": data.horizon,
        "dt_s": data.dt_s,
        "dt": data.dt_s,
    }
    if not data.is_driving:
        positions = data.fut_xyz.double().flatten(0, 1)
        lower, upper = positions.amin(0), positions.amax(0)
        # A joint that never moves still needs limits apart.
        margin = LIMIT_MARGIN * torch.where(upper > lower, upper - lower, 1.0)
        arguments |= {"lower": (lower - margin).tolist(), "upper": (upper + margin).tolist()}
    return arguments
