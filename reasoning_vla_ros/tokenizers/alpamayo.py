"""Configs of the public Alpamayo models: hydra's `_target_` dicts, through a fixed table.

A `_target_` is only looked up here, never imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.delta_xyz_space import DeltaXyzActionSpace
from reasoning_vla_ros.tokenizers.parts import constructor_arguments
from reasoning_vla_ros.tokenizers.trajectory_tokenizer import TrajectoryTokenizer
from reasoning_vla_ros.tokenizers.unicycle_space import UnicycleActionSpace
from reasoning_vla_ros.tokenizers.uniform import UniformActionTokenizer

HYDRA_KEYS = ("_target_", "_recursive_", "_convert_")


def delta_tokenizer(
    ego_xyz_min: Sequence[float] = (-4.0, -4.0, -10.0),
    ego_xyz_max: Sequence[float] = (4.0, 4.0, 10.0),
    ego_yaw_min: float = -math.pi,
    ego_yaw_max: float = math.pi,
    num_bins: int = 1000,
    predict_yaw: bool = False,
    load_weights: bool = False,
) -> TrajectoryTokenizer:
    """Alpamayo's DeltaTrajectoryTokenizer as delta_xyz with uniform; `load_weights` has no effect, as there."""
    space = DeltaXyzActionSpace(ego_xyz_min, ego_xyz_max, ego_yaw_min, ego_yaw_max, predict_yaw)
    action_range = space.tokenizer_defaults["action_range"]
    return TrajectoryTokenizer(space, UniformActionTokenizer(space.action_dim, num_bins, action_range))


def discrete_tokenizer(
    action_space_cfg: Mapping[str, Any] | ActionSpace,
    dims_min: Sequence[float],
    dims_max: Sequence[float],
    num_bins: int,
    load_weights: bool = False,
) -> TrajectoryTokenizer:
    """Alpamayo's DiscreteTrajectoryTokenizer as its action space with uniform; `load_weights` has no effect."""
    space = action_space_cfg if isinstance(action_space_cfg, ActionSpace) else build_target(action_space_cfg)
    if not isinstance(space, ActionSpace):
        raise TypeError(f"action_space_cfg must describe an action space, got {dict(action_space_cfg)}")  # type: ignore[arg-type]
    if not len(dims_min) == len(dims_max) == space.action_dim:
        raise ValueError(f"dims_min and dims_max need {space.action_dim} numbers, got {dims_min} and {dims_max}")
    pairs = list(zip(dims_min, dims_max, strict=True))
    return TrajectoryTokenizer(space, UniformActionTokenizer(space.action_dim, num_bins, pairs))


def _table() -> dict[str, Callable[..., Any]]:
    paths: dict[str, Callable[..., Any]] = {
        "models.delta_tokenizer.DeltaTrajectoryTokenizer": delta_tokenizer,
        "action_space.DiscreteTrajectoryTokenizer": discrete_tokenizer,
        "action_space.discrete_action_space.DiscreteTrajectoryTokenizer": discrete_tokenizer,
        "action_space.UnicycleAccelCurvatureActionSpace": UnicycleActionSpace,
        "action_space.unicycle_accel_curvature.UnicycleAccelCurvatureActionSpace": UnicycleActionSpace,
    }
    return {f"{package}.{path}": build for package in ("alpamayo_r1", "alpamayo1_5") for path, build in paths.items()}


TARGETS = _table()


def build_target(config: Mapping[str, Any]) -> TrajectoryTokenizer | ActionSpace:
    """What a `_target_` dict describes.

    Raises:
        ValueError: no `_target_`, or one that is not in the table.
        TypeError: arguments that it does not have, or lacks.
    """
    target = config.get("_target_")
    if target not in TARGETS:
        raise ValueError(f"unknown _target_ {target!r}; known: {sorted(TARGETS)}")
    build = TARGETS[target]
    arguments = {key: value for key, value in config.items() if key not in HYDRA_KEYS}
    known = constructor_arguments(build)
    if unknown := sorted(set(arguments) - set(known)):
        raise TypeError(f"unknown arguments {unknown} for {target}; it takes {known}")
    built: TrajectoryTokenizer | ActionSpace = build(**arguments)
    return built
