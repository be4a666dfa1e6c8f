"""Chunks of actions from a LeRobot-style data set: meta/info.json and episodes in Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.datasets.windows import Floats

INFO = Path("meta/info.json")
# Versions 2 and 3 of the format: a file an episode, and files of many episodes.
PATTERNS = ("data/chunk-*/episode_*.parquet", "data/chunk-*/file-*.parquet")


def from_lerobot(
    folder: str | Path,
    *,
    horizon: int = 50,
    stride: int = 10,
    key: str = "action",
    state_key: str = "observation.state",
) -> TrajectorySet:
    """Chunks of `horizon` steps within an episode, in the data set's own units and rate.

    The history is the state at the chunk's first step where it has as many numbers as an action, else the action
    before that step. A chunk never reaches over the end of an episode, nor over missing frames.

    Args:
        folder: with meta/info.json (its `fps`) and data/chunk-*/episode_*.parquet or file-*.parquet.
        horizon: steps of a chunk.
        stride: steps from one chunk's beginning to the next one's.
        key, state_key: columns of the actions and of the state.

    Raises:
        DataError: files or columns that are missing or do not fit, or no chunk at all.
        ImportError: pyarrow is not installed.
    """
    folder = Path(folder)
    if horizon < 1 or stride < 1:
        raise ValueError(f"horizon and stride must be at least 1, got {horizon} and {stride}")
    dt_s = 1 / _frames_per_second(folder)
    files = sorted(file for pattern in PATTERNS for file in folder.glob(pattern))
    if not files:
        raise DataError(f"{folder} has no {' or '.join(PATTERNS)}")
    skipped = Skips()
    chunks: list[Floats] = []
    histories: list[Floats] = []
    where: list[tuple[int, float]] = []
    for file in files:
        table = _Columns(file, key, state_key)
        for episode in np.unique(table.episode):
            rows = np.flatnonzero(table.episode == episode)
            time_s, actions = table.time_s[rows], table.actions[rows]
            states = None if table.states is None else table.states[rows]
            first = 0 if states is not None else 1
            missing = np.flatnonzero(np.abs(np.diff(time_s) - dt_s) > dt_s / 2)
            for begin in range(first, len(rows) - horizon + 1, stride):
                if np.any((missing >= begin - first) & (missing < begin + horizon - 1)):
                    skipped.add("chunk over missing frames", f"episode {episode} of {file.name}")
                    continue
                chunks.append(actions[begin : begin + horizon])
                histories.append(actions[begin - 1 : begin] if states is None else states[begin : begin + 1])
                where.append((int(episode), float(time_s[begin] - time_s[0])))
            if len(rows) < horizon + first:
                skipped.add("episode shorter than a chunk", f"{len(rows)} steps in episode {episode}")
    if not chunks:
        reasons = "; ".join(skipped.lines()) or "no rows"
        raise DataError(f"{folder} gives no chunk of {horizon} steps ({reasons})")
    if len(widths := {chunk.shape[1] for chunk in chunks}) > 1:
        raise DataError(f"{folder}: {key} needs one width throughout, got {sorted(widths)}")
    group, t0_s = zip(*where, strict=True)
    past, future = (torch.from_numpy(np.stack(parts)).float() for parts in (histories, chunks))
    return TrajectorySet(
        past, None, future, None, dt_s, folder.name, torch.tensor(group), torch.tensor(t0_s, dtype=torch.float64),
        tuple(skipped.lines()),
    )  # fmt: skip


def _frames_per_second(folder: Path) -> float:
    path = folder / INFO
    if not path.is_file():
        raise DataError(f"{folder} has no {INFO}, so it is no LeRobot data set")
    info = json.loads(path.read_text(encoding="utf-8"))
    fps = info.get("fps") if isinstance(info, dict) else None
    if not isinstance(fps, int | float) or not fps > 0:
        raise DataError(f"{path} needs fps, a positive number of frames a second, got {fps!r}")
    return float(fps)


class _Columns:
    """The columns of one file that are needed: episode [N], time_s [N], actions [N, D], states [N, D] or None."""

    def __init__(self, file: Path, key: str, state_key: str) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ImportError(
                "LeRobot data is in Parquet files, which need pyarrow: pip install 'reasoning_vla_ros[lerobot]'"
            ) from error
        try:
            has = list(parquet.read_schema(file).names)
            needed = [key, "episode_index", "timestamp"]
            if missing := [name for name in needed if name not in has]:
                raise DataError(f"{file} has no column {', '.join(missing)}; it has {has}")
            table = parquet.read_table(file, columns=[*needed, *([state_key] if state_key in has else [])])
        except pyarrow.ArrowException as error:
            raise DataError(f"{file} needs to be a Parquet file: {error}") from error
        columns: dict[str, Any] = {name: table[name].to_numpy() for name in table.column_names}
        self.episode = np.asarray(columns["episode_index"]).reshape(-1)
        self.time_s = np.asarray(columns["timestamp"], np.float64).reshape(-1)
        self.actions = _rectangle(columns[key], f"{file}: {key}")
        states = _rectangle(columns[state_key], f"{file}: {state_key}") if state_key in columns else None
        self.states = states if states is not None and states.shape == self.actions.shape else None


def _rectangle(column: Any, name: str) -> Floats:
    """Lists of numbers [N] as float64 [N, D]."""
    rows = [np.atleast_1d(np.asarray(row, np.float64)) for row in column]
    if len(shapes := {row.shape for row in rows}) != 1 or rows[0].ndim != 1:
        raise DataError(f"{name} needs lists of one length, got {sorted(map(str, shapes))}")
    values = np.stack(rows)
    if not np.isfinite(values).all():
        raise DataError(f"{name} needs finite numbers, got {int((~np.isfinite(values)).sum())} that are not")
    return values
