"""Trajectories with their histories, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    """

    hist_xyz: torch.Tensor
    hist_rot: torch.Tensor | None
    fut_xyz: torch.Tensor
    fut_rot: torch.Tensor | None
    dt_s: float
    name: str = ""

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

    def __len__(self) -> int:
        return len(self.fut_xyz)

    def __getitem__(self, rows: slice | torch.Tensor) -> TrajectorySet:
        """Some of the rows, by a slice, indices or flags."""
        return TrajectorySet(*(None if t is None else t[rows] for t in self.tensors()), self.dt_s, self.name)  # type: ignore[arg-type]

    @property
    def is_driving(self) -> bool:
        """Poses of a vehicle rather than joint positions."""
        return self.fut_rot is not None

    @property
    def horizon(self) -> int:
        """T, waypoints of each future."""
        return self.fut_xyz.shape[1]

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor | None]:
        """(hist_xyz, hist_rot, fut_xyz, fut_rot): what a TrajectoryTokenizer encodes."""
        return self.hist_xyz, self.hist_rot, self.fut_xyz, self.fut_rot

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
    joined = [None if column[0] is None else torch.cat(column) for column in columns]  # type: ignore[arg-type]
    return TrajectorySet(*joined, first.dt_s, name or first.name)  # type: ignore[arg-type]
