"""What lies in a KITTI odometry folder: images, calibration, times and poses.

Layout after A. Geiger, P. Lenz, R. Urtasun, "Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite"
(CVPR 2012) and its odometry benchmark. Axes of its cameras: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from reasoning_vla_ros.bags.errors import BagError

# left folder -> (right folder, index of the left projection matrix, that of the right one)
_CAMERA_PAIRS = {
    "image_2": ("image_3", 2, 3),
    "image_0": ("image_1", 0, 1),
    "image_l": ("image_r", 0, 1),
}
# Text files round: KITTI's own rotations are orthonormal within 1e-6.
_ROTATION_TOLERANCE = 1e-2


class KittiError(BagError):
    """A KITTI folder that lacks something or does not fit together."""


@dataclass(frozen=True)
class KittiCamera:
    """One camera of the sequence.

    Attributes:
        projection: float64 [3, 4], pixels; its last column is relative to camera 0.
        images: file by frame number.
    """

    projection: NDArray[np.float64]
    images: dict[int, Path]

    @property
    def xyz_in_camera0(self) -> NDArray[np.float64]:
        """Optical centre in camera 0's frame, float64 [3], metres."""
        return np.asarray(-np.linalg.solve(self.projection[:, :3], self.projection[:, 3]), dtype=np.float64)


@dataclass(frozen=True)
class KittiFolder:
    """A sequence, read but for its pixels.

    Attributes:
        left, right: the cameras; `right` is None where the folder has no right images.
        times_s: float64 [T], seconds from the start of the sequence, increasing.
        camera_poses: float64 [N, 4, 4], N <= T, camera 0 in the frame of camera 0 at the start, KITTI axes, metres.
    """

    left: KittiCamera
    right: KittiCamera | None
    times_s: NDArray[np.float64]
    camera_poses: NDArray[np.float64]


def read_kitti_folder(folder: Path, *, poses: str, camera: str | None) -> KittiFolder:
    """Read a sequence; arguments as of :func:`reasoning_vla_ros.bags.kitti.import_kitti`.

    Raises:
        KittiError: something is missing, malformed or does not fit together.
    """
    if not folder.is_dir():
        raise KittiError(f"KITTI folder {folder} does not exist")
    times_file = _choose(folder, ["times_full*.txt", "times.txt"], "times")
    poses_file = (
        folder / poses
        if poses != "auto"
        else _choose(folder, ["poses_full*.txt", "poses.txt", f"../../poses/{folder.resolve().name}.txt"], "poses")
    )
    time_rows, time_numbers = _read_rows(times_file, columns=1)
    times_s = time_rows[:, 0]
    if not (np.diff(times_s) > 0).all():
        late = int(np.argmax(np.diff(times_s) <= 0)) + 1
        raise KittiError(
            f"{times_file}: times must increase, row {time_numbers[late]} holds {times_s[late]} after "
            f"{times_s[late - 1]}"
        )
    rows, row_numbers = _read_rows(poses_file, columns=12)
    if not 2 <= len(rows) <= len(times_s):
        raise KittiError(
            f"{poses_file} has {len(rows)} poses, needed at least 2 and no more than {times_file} has times, "
            f"which is {len(times_s)}"
        )
    camera_poses = np.tile(np.eye(4), (len(rows), 1, 1))
    camera_poses[:, :3] = rows.reshape(-1, 3, 4)
    _require_rotations(poses_file, camera_poses[:, :3, :3], row_numbers)
    left, right = _read_cameras(folder, camera, len(times_s))
    return KittiFolder(left, right, times_s, camera_poses)


def read_image(path: Path) -> NDArray[np.uint8]:
    """A PNG as uint8 [H, W] (grey) or [H, W, 3] (RGB).

    Raises:
        KittiError: it is damaged or neither 8-bit grey nor RGB.
    """
    try:
        with PilImage.open(path) as image:
            image.load()
            if image.mode not in ("L", "RGB"):
                raise KittiError(f"{path} has pixels of mode {image.mode}, needed 8-bit grey (L) or RGB")
            return np.asarray(image)
    except (OSError, SyntaxError, EOFError) as error:
        raise KittiError(f"{path} is not a readable image: {error}") from error


def _choose(folder: Path, patterns: list[str], what: str) -> Path:
    for pattern in patterns:
        found = sorted(folder.glob(pattern)) if "/" not in pattern else [folder / pattern]
        found = [file for file in found if file.is_file()]
        if len(found) > 1:
            raise KittiError(f"{folder} has several {what} files ({', '.join(f.name for f in found)}), needed one")
        if found:
            return found[0]
    raise KittiError(f"{folder} has no {what} file, needed one of {', '.join(patterns)}")


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text file that are not blank, with their numbers from 1."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise KittiError(f"{path} cannot be read as ASCII text: {error}") from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _read_rows(path: Path, *, columns: int) -> tuple[NDArray[np.float64], list[int]]:
    """A text file of numbers as float64 [rows, columns], and the number of each row's line."""
    lines = _read_lines(path)
    if not lines:
        raise KittiError(f"{path} is empty, needed rows of {columns} numbers")
    return np.array([_parse_row(path, *line, columns) for line in lines]), [number for number, _ in lines]


def _require_rotations(path: Path, rotations: NDArray[np.float64], numbers: list[int]) -> None:
    """Raises KittiError at the first of the matrices [N, 3, 3] that is no rotation: zero, scaled, skewed, mirrored."""
    off = np.abs(rotations @ np.swapaxes(rotations, 1, 2) - np.eye(3)).max(axis=(1, 2))
    determinants = np.linalg.det(rotations)
    bad = (off > _ROTATION_TOLERANCE) | (determinants <= 0)
    if bad.any():
        first = int(bad.argmax())
        raise KittiError(
            f"{path} row {numbers[first]}: needed a rotation (orthonormal, determinant 1), got determinant "
            f"{determinants[first]:.3g}, off orthonormal by {off[first]:.3g}"
        )


def _parse_row(path: Path, number: int, line: str, columns: int) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError as error:
        raise KittiError(f"{path} row {number}: needed {columns} numbers, got {line.strip()[:60]!r}") from error
    if len(values) != columns or not np.isfinite(values).all():
        raise KittiError(
            f"{path} row {number}: needed {columns} finite numbers, got {len(values)}: {line.strip()[:60]!r}"
        )
    return values


def _read_cameras(folder: Path, camera: str | None, num_times: int) -> tuple[KittiCamera, KittiCamera | None]:
    names = [camera] if camera is not None else list(_CAMERA_PAIRS)
    unknown = [name for name in names if name not in _CAMERA_PAIRS]
    chosen = next((name for name in names if (folder / name).is_dir()), None)
    if unknown or chosen is None:
        raise KittiError(
            f"{folder} has no left images in {' or '.join(names)}, needed one of {', '.join(_CAMERA_PAIRS)}"
        )
    right_name, left_index, right_index = _CAMERA_PAIRS[chosen]
    matrices = _read_calibration(folder / "calib.txt")
    left = KittiCamera(_matrix(matrices, left_index, folder), _list_images(folder / chosen, num_times))
    if not (folder / right_name).is_dir():
        return left, None
    right = KittiCamera(_matrix(matrices, right_index, folder), _list_images(folder / right_name, num_times))
    if missing := sorted(left.images.keys() ^ right.images.keys()):
        raise KittiError(
            f"{folder}: {len(left.images)} images in {chosen}, {len(right.images)} in {right_name}; needed the same "
            f"frames in both, frame {missing[0]} is in one only"
        )
    return left, right


def _list_images(folder: Path, num_times: int) -> dict[int, Path]:
    files = sorted(folder.glob("*.png"))
    if not files:
        raise KittiError(f"{folder} has no images, needed files such as 000000.png")
    strangers = [file.name for file in files if not file.stem.isdecimal()]
    if strangers:
        raise KittiError(f"{folder}: needed images named by their frame number such as 000000.png, got {strangers[0]}")
    images = {int(file.stem): file for file in files}
    if max(images) >= num_times:
        raise KittiError(f"{folder} has an image of frame {max(images)}, but only {num_times} frames have a time")
    return images


def _read_calibration(path: Path) -> dict[int, tuple[int, NDArray[np.float64]]]:
    """Row and projection matrix by camera number, from bare rows or from lines such as "P0: …"."""
    if not path.is_file():
        raise KittiError(f"{path} does not exist, needed the projection matrices")
    matrices: dict[int, tuple[int, NDArray[np.float64]]] = {}
    for number, line in _read_lines(path):
        label, colon, rest = line.rpartition(":")
        name = label.strip() if colon else f"P{len(matrices)}"
        if name.startswith("P") and name[1:].isdecimal():
            matrices[int(name[1:])] = number, np.array(_parse_row(path, number, rest, 12)).reshape(3, 4)
    return matrices


def _matrix(matrices: dict[int, tuple[int, NDArray[np.float64]]], index: int, folder: Path) -> NDArray[np.float64]:
    if index not in matrices:
        have = ", ".join(f"P{key}" for key in sorted(matrices)) or "none"
        raise KittiError(f"{folder / 'calib.txt'}: needed projection matrix P{index}, it has {have}")
    row, matrix = matrices[index]
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and np.linalg.det(matrix[:, :3]) > 0):
        raise KittiError(
            f"{folder / 'calib.txt'} row {row}: needed P{index} with positive focal lengths and determinant, got "
            f"{matrix.reshape(-1).tolist()}"
        )
    return matrix
