"""Trajectories with their histories, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch


@dataclass(frozen=True)
class TrajectorySet:
    """B trajectories of one length, each in the ego frame at its t0 (driving) or in joint space (arms).

    Attributes:
        hist_xyz: [B, Th, 3] metres, the last pose at t0; for arms joint positions [B, Th, D].
        hist_rot: [B, Th, 3, 3]; None for arms.
        fut_xyz: [B, T, 3] metres, the first waypoint `dt_s` after t0; for arms [B, T, D].
        fut_rot: [B, T, 3, 3]; None for arms.
        dt_s: seconds between waypoints.
        name: where they come from, for tables and messages.
        group: int64 [B], rows of the same number are cut from one recording or episode; None where that is unknown or
            all rows are independent.
        t0_s: float64 [B], seconds in the row's recording; goes with `group`.
        notes: what was left out of the data, and why.
    """

    hist_xyz: torch.Tensor
    hist_rot: torch.Tensor | None
    fut_xyz: torch.Tensor
    fut_rot: torch.Tensor | None
    dt_s: float
    name: str = ""
    group: torch.Tensor | None = None
    t0_s: torch.Tensor | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(tensor) for tensor in self.tensors() if tensor is not None}
        if len(lengths) != 1 or (self.hist_rot is None) != (self.fut_rot is None):
            raise ValueError(
                f"history and future need as many rows, and both rotations or none; got {sorted(lengths)} rows, "
                f"history with{'out' if self.hist_rot is None else ''} and "
                f"future with{'out' if self.fut_rot is None else ''} rotations"
            )
        if not self.dt_s > 0:
            raise ValueError(f"dt_s must be positive, got {self.dt_s}")
        where = {None if tensor is None else len(tensor) for tensor in (self.group, self.t0_s)}
        if where not in ({None}, lengths):
            raise ValueError(f"group and t0_s need {len(self)} numbers or neither, got {where}")

    def __len__(self) -> int:
        return len(self.fut_xyz)

    def __getitem__(self, rows: slice | torch.Tensor) -> TrajectorySet:
        """Some of the rows, by a slice, indices or flags."""
        columns: dict[str, Any] = {key: value for key, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return replace(self, **{key: value[rows] for key, value in columns.items()})

    @property
    def is_driving(self) -> bool:
        """Poses of a vehicle rather than joint positions."""
        return self.fut_rot is not None

    @property
    def horizon(self) -> int:
        """T, waypoints of each future."""
        return self.fut_xyz.shape[1]

    def tensors(self) -> tuple[torch.Tensor, Any, torch.Tensor, Any]:
        """(hist_xyz, hist_rot, fut_xyz, fut_rot): what a TrajectoryTokenizer encodes.

        Joint spaces, which alone take sets without rotations, do not read them.
        """
        return self.hist_xyz, self.hist_rot, self.fut_xyz, self.fut_rot

    def history(self) -> tuple[torch.Tensor, Any]:
        """(hist_xyz, hist_rot): what a TrajectoryTokenizer decodes with."""
        return self.hist_xyz, self.hist_rot

    def batches(self, size: int) -> Iterator[TrajectorySet]:
        """The rows in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


def join(sets: list[TrajectorySet], name: str = "") -> TrajectorySet:
    """Several sets as one.

    Raises:
        ValueError: no set, or sets of other steps or lengths.
    """
    kinds = {(s.dt_s, s.is_driving, tuple(s.hist_xyz.shape[1:]), tuple(s.fut_xyz.shape[1:])) for s in sets}
    if len(kinds) != 1:
        raise ValueError(f"sets can be joined when step, kind and lengths are the same; got {sorted(map(str, kinds))}")
    first = sets[0]
    columns = zip(*(s.tensors() for s in sets), strict=True)
    joined: list[Any] = [None if column[0] is None else torch.cat(column) for column in columns]
    hist_xyz, hist_rot, fut_xyz, fut_rot = joined
    notes = tuple(note for one in sets for note in one.notes)
    return TrajectorySet(
        hist_xyz, hist_rot, fut_xyz, fut_rot, first.dt_s, name or first.name, *_join_groups(sets), notes
    )


def _join_groups(sets: list[TrajectorySet]) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Groups without one number for two; rows of a set without groups become one group each of its own."""
    if all(one.group is None for one in sets):
        return None, None
    groups: list[torch.Tensor] = []
    times: list[torch.Tensor] = []
    first = 0
    for one in sets:
        numbers = torch.arange(len(one)) if one.group is None else one.group.unique(return_inverse=True)[1]
        groups.append(numbers + first)
        times.append(torch.zeros(len(one), dtype=torch.float64) if one.t0_s is None else one.t0_s)
        first += int(numbers.max()) + 1 if len(numbers) else 0
    return torch.cat(groups), torch.cat(times)
