"""Long recordings cut into histories and futures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.planning.ego_history import EgoHistory
from reasoning_vla_ros.planning.errors import HistoryGapError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Longer than any recording: no pose is dropped for its age.
FOREVER_S = 1e9


@dataclass(frozen=True)
class Windows:
    """How to cut.

    Attributes:
        history_steps: poses up to and including t0.
        future_steps: waypoints after t0.
        dt_s: seconds between them.
        stride_s: seconds from one t0 to the next, at least; t0 is the stamp of a sample, so that it is exact there.
        max_gap_s: the widest gap between two samples that is interpolated over.
    """

    history_steps: int = 16
    future_steps: int = 64
    dt_s: float = 0.1
    stride_s: float = 0.5
    max_gap_s: float = 0.25

    def __post_init__(self) -> None:
        for label in ("history_steps", "future_steps"):
            if getattr(self, label) < 1:
                raise ValueError(f"{label} must be at least 1, got {getattr(self, label)}")
        for label in ("dt_s", "stride_s", "max_gap_s"):
            if not (value := getattr(self, label)) > 0 or not np.isfinite(value):
                raise ValueError(f"{label} must be positive, got {value}")

    @property
    def offsets_ns(self) -> Ints:
        """Instants of a window after t0, [history_steps + future_steps]."""
        steps = np.arange(1 - self.history_steps, self.future_steps + 1)
        return np.rint(steps * self.dt_s * 1e9).astype(np.int64)

    @property
    def length_s(self) -> float:
        """Seconds from the first pose of the history to the last waypoint."""
        return (self.history_steps + self.future_steps - 1) * self.dt_s

    def starts_ns(self, stamps_ns: Ints) -> Iterator[int]:
        """Every t0 that ascending samples have room for."""
        offsets_ns = self.offsets_ns
        due_ns = int(stamps_ns[0]) - int(offsets_ns[0])
        for stamp_ns in stamps_ns.tolist():
            if stamp_ns > int(stamps_ns[-1]) - int(offsets_ns[-1]):
                return
            if stamp_ns >= due_ns:
                yield stamp_ns
                due_ns = stamp_ns + round(self.stride_s * 1e9)


@dataclass(frozen=True)
class Track:
    """Samples of one continuous stretch of a recording, their stamps rising.

    Attributes:
        stamps_ns: [N].
        values: float64 [N, D]: xyz in metres and quaternion (x, y, z, w) of a vehicle (D = 7), or joint positions.
        names: of the joints, or of the frames.
    """

    stamps_ns: Ints
    values: Floats
    names: tuple[str, ...] = ()


def cut_poses(tracks: Sequence[Track], windows: Windows, skipped: Skips, name: str) -> TrajectorySet:
    """Histories and futures in the ego frame at t0, float32, interpolated by time as for the planner.

    No window lies over a gap or a jump of the odometry; how many were left out for it is counted.

    Raises:
        DataError: no window at all.
    """
    rows: list[tuple[Floats, Floats]] = []
    where: list[tuple[int, float]] = []
    for number, track in enumerate(tracks):
        poses = EgoHistory(keep_s=FOREVER_S, max_gap_s=windows.max_gap_s)
        for stamp_ns, value in zip(track.stamps_ns.tolist(), track.values, strict=True):
            poses.add(stamp_ns, value[:3], value[3:])
        for t0_ns in windows.starts_ns(track.stamps_ns):
            try:
                xyz, rot = poses.poses_in_odom(t0_ns + windows.offsets_ns)
            except HistoryGapError as error:
                skipped.add("window over a gap or jump", error)
                continue
            at = windows.history_steps - 1
            # The subtraction comes first: odometry may lie far from its origin.
            rows.append(((xyz - xyz[at]) @ rot[at], rot[at].T @ rot))
            where.append((number, (t0_ns - int(track.stamps_ns[0])) * 1e-9))
    _require_rows(rows, tracks, windows, skipped, name)
    all_xyz, all_rot = (torch.from_numpy(np.stack(column)).float() for column in zip(*rows, strict=True))
    past, future = slice(None, windows.history_steps), slice(windows.history_steps, None)
    poses_by_part = all_xyz[:, past], all_rot[:, past], all_xyz[:, future], all_rot[:, future]
    return TrajectorySet(*poses_by_part, windows.dt_s, name, *_where(where), tuple(skipped.lines()))


def cut_joints(tracks: Sequence[Track], windows: Windows, skipped: Skips, name: str) -> TrajectorySet:
    """Histories and chunks of joint positions, float32, linear between samples; as `cut_poses` otherwise."""
    rows: list[Floats] = []
    where: list[tuple[int, float]] = []
    for number, track in enumerate(tracks):
        # Seconds since the first sample: float64 nanoseconds since the epoch would round by hundreds of nanoseconds.
        known_s = (track.stamps_ns - track.stamps_ns[0]) * 1e-9
        wide = np.flatnonzero(np.diff(known_s) > windows.max_gap_s)
        for t0_ns in windows.starts_ns(track.stamps_ns):
            wanted_s = (t0_ns - track.stamps_ns[0] + windows.offsets_ns) * 1e-9
            over = wide[(known_s[wide] < wanted_s[-1]) & (known_s[wide + 1] > wanted_s[0])]
            if len(over):
                gap_s = known_s[over[0] + 1] - known_s[over[0]]
                skipped.add("window over a gap", f"{gap_s:.3f} s without a sample, at most {windows.max_gap_s} s")
                continue
            rows.append(np.stack([np.interp(wanted_s, known_s, column) for column in track.values.T], -1))
            where.append((number, float((t0_ns - track.stamps_ns[0]) * 1e-9)))
    _require_rows(rows, tracks, windows, skipped, name)
    values = torch.from_numpy(np.stack(rows)).float()
    past, future = values[:, : windows.history_steps], values[:, windows.history_steps :]
    return TrajectorySet(past, None, future, None, windows.dt_s, name, *_where(where), tuple(skipped.lines()))


def _where(where: list[tuple[int, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    group, t0_s = zip(*where, strict=True)
    return torch.tensor(group), torch.tensor(t0_s, dtype=torch.float64)


def _require_rows(rows: Sequence[object], tracks: Sequence[Track], windows: Windows, skipped: Skips, name: str) -> None:
    if not rows:
        spans = [f"{(int(t.stamps_ns[-1]) - int(t.stamps_ns[0])) * 1e-9:.2f} s" for t in tracks if len(t.stamps_ns)]
        raise DataError(
            f"{name} gives no window: one needs {windows.length_s:.2f} s without a gap of more than "
            f"{windows.max_gap_s} s, got stretches of {', '.join(spans[:5]) or 'nothing'}"
            f"{' and others' if len(spans) > 5 else ''} ({'; '.join(skipped.lines()) or 'nothing skipped'})"
        )
