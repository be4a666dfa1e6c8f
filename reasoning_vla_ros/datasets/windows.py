"""Long recordings cut into histories and futures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.planning.ego_history import MAX_SPEED_MPS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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

    @property
    def known_s(self) -> Floats:
        """Seconds after the first sample: float64 nanoseconds since the epoch would round by hundreds of them."""
        return np.asarray((self.stamps_ns - self.stamps_ns[0]) * 1e-9)


def cut_poses(tracks: Sequence[Track], windows: Windows, skipped: Skips, name: str) -> TrajectorySet:
    """Histories and futures in the ego frame at t0, float32, interpolated by time as `planning.EgoHistory` does.

    No window lies over a gap or a jump of the odometry; how many were left out for it is counted.

    Raises:
        DataError: no window at all.
    """
    positions, rotations = [], []
    cuts = []
    for track in tracks:
        xyz = track.values[:, :3]
        speeds_mps = np.linalg.norm(np.diff(xyz, axis=0), axis=1) / np.diff(track.known_s)
        cut = _cut(track, windows, skipped, np.flatnonzero(speeds_mps > MAX_SPEED_MPS))
        cuts.append(cut)
        positions.append(_interpolated(track.known_s, xyz, cut.wanted_s))
        slerp = Slerp(track.known_s, Rotation.from_quat(track.values[:, 3:]))
        rotations.append(slerp(cut.wanted_s.reshape(-1)).as_matrix().reshape(*cut.wanted_s.shape, 3, 3))
    _require_rows(cuts, tracks, windows, skipped, name)
    at = windows.history_steps - 1
    in_odom, rot_in_odom = np.concatenate(positions), np.concatenate(rotations)
    rot0 = rot_in_odom[:, at, None]
    # The subtraction comes first: odometry may lie far from its origin.
    all_xyz = torch.from_numpy((in_odom - in_odom[:, at, None])[..., None, :] @ rot0)[..., 0, :].float()
    all_rot = torch.from_numpy(np.swapaxes(rot0, -1, -2) @ rot_in_odom).float()
    past, future = slice(None, windows.history_steps), slice(windows.history_steps, None)
    poses_by_part = all_xyz[:, past], all_rot[:, past], all_xyz[:, future], all_rot[:, future]
    return TrajectorySet(*poses_by_part, windows.dt_s, name, *_where(cuts), tuple(skipped.lines()))


def cut_joints(tracks: Sequence[Track], windows: Windows, skipped: Skips, name: str) -> TrajectorySet:
    """Histories and chunks of joint positions, float32, linear between samples; as `cut_poses` otherwise."""
    cuts = [_cut(track, windows, skipped, np.array([], np.int64)) for track in tracks]
    _require_rows(cuts, tracks, windows, skipped, name)
    rows = [_interpolated(track.known_s, track.values, cut.wanted_s) for track, cut in zip(tracks, cuts, strict=True)]
    values = torch.from_numpy(np.concatenate(rows)).float()
    past, future = values[:, : windows.history_steps], values[:, windows.history_steps :]
    return TrajectorySet(past, None, future, None, windows.dt_s, name, *_where(cuts), tuple(skipped.lines()))


@dataclass(frozen=True)
class _Cut:
    """Windows of a track, seconds after its first sample: t0_s [W], and the instants of each, wanted_s [W, Th + T]."""

    t0_s: Floats
    wanted_s: Floats


def _cut(track: Track, windows: Windows, skipped: Skips, jumps: Ints) -> _Cut:
    """The windows that lie over no gap, and over none of the jumps (each behind the sample of that index)."""
    known_s = track.known_s
    t0_ns = np.array(list(windows.starts_ns(track.stamps_ns)), np.int64)
    wanted_s = (t0_ns[:, None] - track.stamps_ns[0] + windows.offsets_ns) * 1e-9
    good = np.ones(len(t0_ns), bool)
    for reason, places in {"gap": np.flatnonzero(np.diff(known_s) > windows.max_gap_s), "jump": jumps}.items():
        for place in places:
            over = good & (known_s[place] < wanted_s[:, -1]) & (known_s[place + 1] > wanted_s[:, 0])
            good &= ~over
            for _ in range(int(over.sum())):
                skipped.add(
                    f"window over a {reason}",
                    f"{known_s[place + 1] - known_s[place]:.3f} s from one sample to the next at "
                    f"{track.stamps_ns[place] * 1e-9:.3f} s, allowed {windows.max_gap_s} s and {MAX_SPEED_MPS:.0f} m/s",
                )
    return _Cut((t0_ns - track.stamps_ns[0])[good] * 1e-9, wanted_s[good])


def _interpolated(known_s: Floats, values: Floats, wanted_s: Floats) -> Floats:
    """Values [N, D] linearly at instants [W, S]: [W, S, D]."""
    return np.stack([np.interp(wanted_s, known_s, column) for column in values.T], -1)


def _where(cuts: Sequence[_Cut]) -> tuple[torch.Tensor, torch.Tensor]:
    group = np.repeat(np.arange(len(cuts)), [len(cut.t0_s) for cut in cuts])
    return torch.from_numpy(group), torch.from_numpy(np.concatenate([cut.t0_s for cut in cuts]))


def _require_rows(cuts: Sequence[_Cut], tracks: Sequence[Track], windows: Windows, skipped: Skips, name: str) -> None:
    if not any(len(cut.t0_s) for cut in cuts):
        spans = [f"{track.known_s[-1]:.2f} s" for track in tracks]
        raise DataError(
            f"{name} gives no window: one needs {windows.length_s:.2f} s without a gap of more than "
            f"{windows.max_gap_s} s, got stretches of {', '.join(spans[:5]) or 'nothing'}"
            f"{' and others' if len(spans) > 5 else ''} ({'; '.join(skipped.lines()) or 'nothing skipped'})"
        )
