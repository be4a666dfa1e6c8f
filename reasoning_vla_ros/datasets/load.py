"""Trajectories from whatever holds them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from reasoning_vla_ros.bags.reader import BAG_SUFFIXES
from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.from_bag import from_bag
from reasoning_vla_ros.datasets.from_lerobot import INFO, from_lerobot
from reasoning_vla_ros.datasets.from_npz import from_npz
from reasoning_vla_ros.datasets.synthetic_arms import synthetic_arms
from reasoning_vla_ros.datasets.synthetic_driving import synthetic_driving
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet, join

SYNTHETIC = {"driving": synthetic_driving, "arms": synthetic_arms}
DEFAULT_COUNT = 4000
ACCEPTED = (
    "a bag (rosbag2 folder, .mcap, .db3), an .npz file, a LeRobot folder (with meta/info.json), "
    "synthetic:driving[:count[:seed]] or synthetic:arms[:count[:seed]]"
)

Source = str | Path


def load_trajectories(source: Source | Sequence[Source], **options: Any) -> TrajectorySet:
    """Trajectories from a source, or several sources joined.

    Args:
        source: a bag, an .npz file, a LeRobot folder, or `synthetic:driving[:count[:seed]]` and
            `synthetic:arms[:count[:seed]]` for made-up ones (4000 with seed 0 by default); or a list of such.
        **options: of the loader: see `from_bag`, `from_npz`, `from_lerobot`, `synthetic_driving`, `synthetic_arms`.
            Of several sources each gets those that it takes.

    Raises:
        DataError: no such source, options that no source's loader takes, or data that gives no trajectories.
    """
    if not isinstance(source, str | Path):
        takes = [loader_options(one) for one in source]
        _require_known(options, {key for keys in takes for key in keys}, ", ".join(map(str, source)))
        sets = [
            load_trajectories(one, **{key: value for key, value in options.items() if key in keys})
            for one, keys in zip(source, takes, strict=True)
        ]
        if not sets:
            raise DataError(f"needed at least one source: {ACCEPTED}")
        if len(sets) == 1:
            return sets[0]
        try:
            return join(sets, " + ".join(one.name for one in sets))
        except ValueError as error:
            raise DataError(f"{', '.join(map(str, source))}: {error}") from error
    load, arguments = _loader(source)
    _require_known(options, loader_options(source), str(source))
    try:
        return load(*arguments, **options)
    except TypeError as error:
        raise DataError(f"{source} with the options {options}: {error}") from error


def loader_options(source: Source) -> list[str]:
    """Names of the options that a source's loader takes; errors as `load_trajectories`."""
    parameters = inspect.signature(_loader(source)[0]).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _require_known(options: dict[str, Any], takes: Iterable[str], source: str) -> None:
    if unknown := sorted(set(options) - set(takes)):
        raise DataError(f"{source} takes the options {sorted(takes)}, got {unknown}")


def _loader(source: Source) -> tuple[Callable[..., TrajectorySet], tuple[Any, ...]]:
    if isinstance(source, str) and source.startswith("synthetic:"):
        return _synthetic(source)
    path = Path(source)
    if path.suffix == ".npz" and path.is_file():
        return from_npz, (path,)
    if (path / INFO).is_file():
        return from_lerobot, (path,)
    if path.suffix in BAG_SUFFIXES and path.is_file():
        return from_bag, (path,)
    if path.is_dir() and any(file.suffix in BAG_SUFFIXES or file.name == "metadata.yaml" for file in path.iterdir()):
        return from_bag, (path,)
    raise DataError(f"{source} {'is none of them' if path.exists() else 'does not exist'}; a source is {ACCEPTED}")


def _synthetic(source: str) -> tuple[Callable[..., TrajectorySet], tuple[int, int]]:
    kind, *numbers = source.split(":")[1:]
    if kind not in SYNTHETIC or len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
        raise DataError(f"{source!r} is not understood; a source is {ACCEPTED}")
    count, seed, *_ = [*map(int, numbers), *(DEFAULT_COUNT, 0)[len(numbers) :]]
    if count < 1:
        raise DataError(f"{source!r} needs a count of at least 1")
    return SYNTHETIC[kind], (count, seed)
