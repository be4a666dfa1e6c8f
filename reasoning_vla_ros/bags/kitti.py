"""A KITTI odometry sequence as a ROS 2 bag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags.kitti_folder import KittiCamera, KittiError, KittiFolder, read_image, read_kitti_folder
from reasoning_vla_ros.bags.recording import OPTICAL_IN_BASE, CameraMount, DriveRecorder
from reasoning_vla_ros.bags.writer import BagWriter
from reasoning_vla_ros.messages.stamps import seconds_to_ns

__all__ = ["KITTI_CAMERA_HEIGHT_M", "KittiError", "KittiImport", "import_kitti"]

KITTI_CAMERA_HEIGHT_M = 1.65
DEFAULT_START_NS = 1_317_000_000 * 10**9  # late September 2011, when the sequences were recorded


@dataclass(frozen=True)
class KittiImport:
    """What :func:`import_kitti` wrote. Times are those of the first and the last pose; `length_m` is driven."""

    path: Path
    num_images: int
    num_right_images: int
    num_poses: int
    start_ns: int
    end_ns: int
    length_m: float


def import_kitti(
    folder: Path | str,
    out_path: Path | str,
    *,
    poses: str = "auto",
    camera: str | None = None,
    camera_height_m: float = KITTI_CAMERA_HEIGHT_M,
    start_ns: int = DEFAULT_START_NS,
    storage: Literal["mcap", "sqlite3"] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> KittiImport:
    """Write a KITTI odometry folder into a bag.

    The folder holds ``image_2``, ``image_0`` or ``image_l`` (and the right images ``image_3``, ``image_1`` or
    ``image_r`` when there are any), ``calib.txt``, ``times_full*.txt`` or ``times.txt`` and ``poses_full*.txt``,
    ``poses.txt`` or ``../../poses/<sequence>.txt``. The bag gets /camera/front/image and camera_info,
    /camera/front_right/… , /odometry, /tf and /tf_static. Poses beyond the last image are kept as ground truth.

    base_link lies on the ground beneath camera 0 with its axes turned to REP-103 (x forward, y left, z up); odom is
    base_link at the first pose. The twist comes from differences of the neighbouring poses. Covariances are zero, not
    known. The right camera's CameraInfo holds the baseline in P as ROS has it for stereo, and /tf_static holds it too.

    Args:
        folder: the sequence.
        out_path: the bag; see :class:`reasoning_vla_ros.bags.BagWriter`.
        poses: file of poses in the folder, or "auto".
        camera: folder of left images; by default the first there is of image_2, image_0, image_l.
        camera_height_m: height of the camera above the ground, metres.
        start_ns: stamp of time 0 of the sequence, nanoseconds.
        storage, overwrite: of the writer.
        on_progress: called with (poses written, poses in all).

    Raises:
        KittiError: the folder lacks something, or its parts do not fit together.
        BagError: the bag cannot be written.
    """
    if not (camera_height_m > 0 and np.isfinite(camera_height_m)):
        raise KittiError(f"camera_height_m must be positive and finite, got {camera_height_m}")
    sequence = read_kitti_folder(Path(folder), poses=poses, camera=camera)
    xyz_in_odom, rot_in_odom = _base_poses_in_odom(sequence.camera_poses, camera_height_m)
    times_s = sequence.times_s[: len(xyz_in_odom)]
    linear, angular = _twists_in_base(times_s, xyz_in_odom, rot_in_odom)
    stamps_ns = [start_ns + seconds_to_ns(float(time_s)) for time_s in sequence.times_s]
    cameras = _mounts(sequence, camera_height_m)

    with BagWriter(out_path, storage=storage, overwrite=overwrite) as writer:
        recorder = DriveRecorder(writer, tuple(mount for mount, _ in cameras), stamps_ns[0])
        first_sizes: dict[str, tuple[int, ...]] = {}
        for frame, stamp_ns in enumerate(stamps_ns):
            if frame < len(times_s):
                recorder.write_pose(stamp_ns, xyz_in_odom[frame], rot_in_odom[frame], linear[frame], angular[frame])
            for mount, source in cameras:
                if frame in source.images:
                    pixels = read_image(source.images[frame])
                    size = first_sizes.setdefault(mount.name, pixels.shape[:2])
                    if pixels.shape[:2] != size:
                        raise KittiError(
                            f"{source.images[frame]} has {pixels.shape[1]} x {pixels.shape[0]} pixels, needed "
                            f"{size[1]} x {size[0]} as the images before it"
                        )
                    recorder.write_image(mount, stamp_ns, pixels)
            if on_progress is not None:
                on_progress(frame + 1, len(stamps_ns))

    return KittiImport(
        path=writer.path,
        num_images=len(sequence.left.images),
        num_right_images=len(sequence.right.images) if sequence.right else 0,
        num_poses=len(times_s),
        start_ns=stamps_ns[0],
        end_ns=stamps_ns[len(times_s) - 1],
        length_m=float(np.linalg.norm(np.diff(xyz_in_odom, axis=0), axis=1).sum()),
    )


def _base_poses_in_odom(
    camera_poses: NDArray[np.float64], camera_height_m: float
) -> tuple[NDArray[np.float64], Rotation]:
    """base_link in odom, xyz float64 [N, 3] and N rotations, from poses float64 [N, 4, 4] of camera 0."""
    camera_in_base = np.eye(4)
    camera_in_base[:3, :3] = OPTICAL_IN_BASE
    camera_in_base[2, 3] = camera_height_m
    since_first = np.linalg.inv(camera_poses[0]) @ camera_poses
    base_in_odom = camera_in_base @ since_first @ np.linalg.inv(camera_in_base)
    # from_matrix takes the nearest rotation, as the text files round
    return base_in_odom[:, :3, 3], Rotation.from_matrix(base_in_odom[:, :3, :3])


def _twists_in_base(
    times_s: NDArray[np.float64], xyz_in_odom: NDArray[np.float64], rot_in_odom: Rotation
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear (m/s) and angular (rad/s) velocity in base_link, float64 [N, 3] each, by central differences."""
    last = len(times_s) - 1
    before = np.maximum(np.arange(last + 1) - 1, 0)
    after = np.minimum(np.arange(last + 1) + 1, last)
    span_s = (times_s[after] - times_s[before])[:, None]
    linear = rot_in_odom.inv().apply((xyz_in_odom[after] - xyz_in_odom[before]) / span_s)
    angular = (rot_in_odom[before].inv() * rot_in_odom[after]).as_rotvec() / span_s
    return linear, angular


def _mounts(sequence: KittiFolder, camera_height_m: float) -> list[tuple[CameraMount, KittiCamera]]:
    """Each camera with where it sits; projections are relative to the left one, as CameraInfo has them."""
    mounts = []
    left_centre = sequence.left.xyz_in_camera0
    for name, source in (("front", sequence.left), ("front_right", sequence.right)):
        if source is not None:
            projection = source.projection.copy()
            projection[:, 3] = projection[:, :3] @ (left_centre - source.xyz_in_camera0)
            xyz_in_base = OPTICAL_IN_BASE @ source.xyz_in_camera0 + [0.0, 0.0, camera_height_m]
            mounts.append((CameraMount(name, projection, xyz_in_base), source))
    return mounts
