"""The `_target_` dicts of Alpamayo's configs, through a fixed table; nothing that a checkpoint names is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from reasoning_vla_ros.models.action_projection import PerWaypointActionProjection
from reasoning_vla_ros.models.flow_matching import FlowMatching
from reasoning_vla_ros.tokenizers.alpamayo import HYDRA_KEYS
from reasoning_vla_ros.tokenizers.parts import constructor_arguments

_PATHS: dict[str, Callable[..., Any]] = {
    "diffusion.FlowMatching": FlowMatching,
    "diffusion.flow_matching.FlowMatching": FlowMatching,
    "models.action_in_proj.PerWaypointActionInProjV2": PerWaypointActionProjection,
}
PARTS: dict[str, Callable[..., Any]] = {
    **{f"{package}.{path}": part for package in ("alpamayo_r1", "alpamayo1_5") for path, part in _PATHS.items()},
    "torch.nn.Linear": nn.Linear,
}


def build_part(config: Mapping[str, Any] | None, default: str, field: str, **arguments: Any) -> Any:
    """What a `_target_` dict describes.

    Args:
        config: the dict; None, or one without `_target_`, means `default`.
        field: the config's field that holds it, for messages.
        arguments: what the model gives the part besides.

    Raises:
        ValueError: a `_target_` that is not in the table.
        TypeError: arguments that the part does not have.
    """
    config = dict(config or {})
    target = config.get("_target_", default)
    if target not in PARTS:
        raise ValueError(f"{field}: unknown _target_ {target!r}; known: {sorted(PARTS)}")
    given = {key: value for key, value in config.items() if key not in HYDRA_KEYS}
    known = constructor_arguments(PARTS[target])
    if unknown := sorted(set(given) - set(known)):
        raise TypeError(f"{field}: unknown arguments {unknown} for {target}; it takes {known}")
    return PARTS[target](**{**arguments, **given})
