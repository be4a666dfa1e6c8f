"""Trajectories from a NumPy file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.datasets.windows import Floats, Track, Windows, cut_poses
from reasoning_vla_ros.geometry.rotations import require_rotation, yaw_to_matrix

LAYOUTS = (
    "hist_xyz [B, Th, 3], hist_rot [B, Th, 3, 3] or hist_yaw [B, Th], fut_xyz [B, T, 3], fut_rot or fut_yaw, dt_s; "
    "or actions [B, T, D] and dt_s (and history [B, Th, D]); "
    "or one drive: time_s [N], xyz [N, 3] or [N, 2], and yaw [N], rot [N, 3, 3] or quat_xyzw [N, 4]"
)


def from_npz(
    path: str | Path,
    *,
    history_steps: int = 16,
    future_steps: int = 64,
    dt_s: float | None = None,
    stride_s: float = 0.5,
    max_gap_s: float = 0.25,
) -> TrajectorySet:
    """Trajectories from an .npz file in one of three layouts.

    - Windows: `hist_xyz` [B, Th, 3] metres in the ego frame at t0, the last pose at t0, with `hist_rot`
      [B, Th, 3, 3] or `hist_yaw` [B, Th] radians; `fut_xyz` [B, T, 3], the first waypoint one step after t0, with
      `fut_rot` or `fut_yaw`; `dt_s`.
    - Chunks of an arm: `actions` [B, T, D] and `dt_s`; `history` [B, Th, D], the last of it at t0, one step before the
      chunk. Without one the chunk's first step stands for it, and the set's notes say so.
    - One drive: `time_s` [N] seconds, `xyz` [N, 3] or [N, 2] metres in any fixed frame, and the orientation as
      `yaw` [N], `rot` [N, 3, 3] or `quat_xyzw` [N, 4]. It is cut into windows as a bag is.

    Windows and chunks may have `group` [B], the number of each row's recording or episode, and `t0_s` [B], seconds in
    it; without them all rows count as independent.

    Args:
        path: the file.
        history_steps, future_steps, stride_s, max_gap_s: see `from_bag`; for a drive only.
        dt_s: seconds between steps; 0.1 for a drive by default, else in place of the file's.

    Raises:
        DataError: another file, keys that make none of the layouts, or values that do not fit.
    """
    arrays = _read(Path(path))
    name = Path(path).name
    try:
        if {"hist_xyz", "fut_xyz"} <= set(arrays):
            return _windows(arrays, _step(arrays, dt_s), name)
        if "actions" in arrays:
            return _chunks(arrays, _step(arrays, dt_s), name)
        if {"xyz", "time_s"} <= set(arrays):
            windows = Windows(history_steps, future_steps, dt_s or 0.1, stride_s, max_gap_s)
            return _drive(arrays, windows, name)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    found = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items())
    raise DataError(f"{path} holds {found or 'nothing'}; needed {LAYOUTS}")


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (BadZipFile, ValueError, AttributeError) as error:
        raise DataError(f"{path} needs to be an .npz file of plain numbers: {error}") from error


def _step(arrays: dict[str, NDArray[Any]], dt_s: float | None) -> float:
    if dt_s is not None:
        return dt_s
    if "dt_s" not in arrays or arrays["dt_s"].size != 1:
        raise DataError("needed dt_s, the seconds between steps, as a single number in the file or as an option")
    return float(arrays["dt_s"].reshape(()))


def _windows(arrays: dict[str, NDArray[Any]], dt_s: float, name: str) -> TrajectorySet:
    hist_xyz, fut_xyz = (_numbers(arrays, key, (None, None, 3)) for key in ("hist_xyz", "fut_xyz"))
    hist_rot, fut_rot = _rotations(arrays, "hist", hist_xyz), _rotations(arrays, "fut", fut_xyz)
    at_t0 = np.abs(hist_xyz[:, -1]).max(initial=0), np.abs(hist_rot[:, -1] - np.eye(3)).max(initial=0)
    if max(at_t0) > 0.01:
        raise DataError(
            "windows are in the ego frame at t0, so the last pose of hist_xyz needs to be the origin without rotation; "
            f"it is up to {at_t0[0]:.3g} m off, its rotation matrix up to {at_t0[1]:.3g}"
        )
    past = torch.from_numpy(hist_xyz).float(), torch.from_numpy(hist_rot).float()
    future = torch.from_numpy(fut_xyz).float(), torch.from_numpy(fut_rot).float()
    return TrajectorySet(*past, *future, dt_s, name, *_groups(arrays, len(fut_xyz)))


def _chunks(arrays: dict[str, NDArray[Any]], dt_s: float, name: str) -> TrajectorySet:
    actions = _numbers(arrays, "actions", (None, None, None))
    dims = actions.shape[2]
    notes: tuple[str, ...] = ()
    if "history" in arrays:
        history = _numbers(arrays, "history", (len(actions), None, dims))
    else:
        history = actions[:, :1]
        notes = ("there is no history, so each chunk's own first step stands for it",)
    past, future = torch.from_numpy(history).float(), torch.from_numpy(actions).float()
    return TrajectorySet(past, None, future, None, dt_s, name, *_groups(arrays, len(actions)), notes)


def _drive(arrays: dict[str, NDArray[Any]], windows: Windows, name: str) -> TrajectorySet:
    time_s = _numbers(arrays, "time_s", (None,))
    count = len(time_s)
    xyz = _numbers(arrays, "xyz", (count, arrays["xyz"].shape[-1]))
    if xyz.shape[1] not in (2, 3):
        raise DataError(f"xyz needs the shape [{count}, 3] or [{count}, 2], got {list(xyz.shape)}")
    xyz = np.concatenate([xyz, np.zeros((count, 3 - xyz.shape[1]))], 1)
    if "quat_xyzw" in arrays:
        turned = Rotation.from_quat(_numbers(arrays, "quat_xyzw", (count, 4)))
    elif "rot" in arrays:
        rot = _numbers(arrays, "rot", (count, 3, 3))
        require_rotation(rot, "rot")
        turned = Rotation.from_matrix(rot)
    elif "yaw" in arrays:
        turned = Rotation.from_matrix(yaw_to_matrix(_numbers(arrays, "yaw", (count,))))
    else:
        raise DataError(f"a drive needs yaw [N], rot [N, 3, 3] or quat_xyzw [N, 4], got {sorted(arrays)}")
    stamps_ns = np.rint((time_s - time_s[:1]) * 1e9).astype(np.int64)
    skipped = Skips()
    newest = np.maximum.accumulate(stamps_ns)
    rising = np.concatenate([np.ones(min(count, 1), bool), stamps_ns[1:] > newest[:-1]])
    for index in np.flatnonzero(~rising):
        skipped.add("sample no newer than the one before", f"time_s {time_s[index]} at index {index}")
    track = Track(stamps_ns[rising], np.concatenate([xyz, turned.as_quat()], 1)[rising])
    if len(track.stamps_ns) < 2:
        raise DataError(f"a drive needs at least 2 samples with rising time_s, got {len(track.stamps_ns)}")
    return cut_poses([track], windows, skipped, name)


def _rotations(arrays: dict[str, NDArray[Any]], which: str, xyz: Floats) -> Floats:
    if f"{which}_rot" in arrays:
        rot = _numbers(arrays, f"{which}_rot", (*xyz.shape[:2], 3, 3))
        require_rotation(rot, f"{which}_rot")
        return rot
    if f"{which}_yaw" in arrays:
        return yaw_to_matrix(_numbers(arrays, f"{which}_yaw", xyz.shape[:2]))
    raise DataError(f"windows need {which}_rot [B, T, 3, 3] or {which}_yaw [B, T], got {sorted(arrays)}")


def _groups(arrays: dict[str, NDArray[Any]], count: int) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if "group" not in arrays:
        return None, None
    group = _numbers(arrays, "group", (count,))
    t0_s = _numbers(arrays, "t0_s", (count,)) if "t0_s" in arrays else np.zeros(count)
    return torch.from_numpy(group).long(), torch.from_numpy(t0_s)


def _numbers(arrays: dict[str, NDArray[Any]], key: str, shape: tuple[int | None, ...]) -> Floats:
    """An array in float64.

    Raises:
        DataError: it is missing, has another shape or holds something else than finite numbers.
    """
    if key not in arrays:
        raise DataError(f"needed {key}, got {sorted(arrays)}")
    array = arrays[key]
    fits = array.ndim == len(shape) and all(
        have > 0 and need in (None, have) for have, need in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("n" if need is None else str(need) for need in shape)
        raise DataError(f"{key} needs the shape [{wanted}], got {list(array.shape)}")
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum()) if array.dtype.kind == "f" else array.dtype
        raise DataError(f"{key} needs finite numbers, got {bad}{' that are not' if array.dtype.kind == 'f' else ''}")
    return array.astype(np.float64)
