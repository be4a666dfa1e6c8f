"""A recording that the project renders itself, for when no real data is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags.recording import CameraMount, DriveRecorder
from reasoning_vla_ros.bags.writer import BagWriter
from reasoning_vla_ros.messages.stamps import NS_PER_S, seconds_to_ns
from reasoning_vla_ros.simulation.road import GRID_STEP_M, RoadDrive
from reasoning_vla_ros.simulation.road_view import (
    LEAD_VEHICLE_BOXES,
    SIGHT_M,
    PinholeCamera,
    RoadView,
    Upright,
    roadside,
)

DEFAULT_START_NS = 1_700_000_000 * NS_PER_S


@dataclass(frozen=True)
class RenderedDrive:
    """What :func:`render_drive` wrote; times of the first and the last pose."""

    path: Path
    num_images: int
    num_poses: int
    start_ns: int
    end_ns: int
    length_m: float


def render_drive(
    out_path: Path | str,
    *,
    duration_s: float = 14.0,
    seed: int = 0,
    camera_rate_hz: float = 10.0,
    odometry_rate_hz: float = 50.0,
    camera: PinholeCamera | None = None,
    start_ns: int = DEFAULT_START_NS,
    storage: Literal["mcap", "sqlite3"] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> RenderedDrive:
    """Write a bag of a car that follows a winding road behind another one, with changing speed.

    The topics are those of the KITTI import: /camera/front/image (rgb8) and camera_info, /odometry, /tf, /tf_static.
    Odometry is exact: base_link follows the lane as a unicycle. The same arguments give the same messages.

    Args:
        out_path: the bag; see :class:`reasoning_vla_ros.bags.BagWriter`. An mcap bag is written compressed.
        duration_s: length of the drive, seconds.
        seed: of the road, the speed, and what stands beside the road.
        camera_rate_hz, odometry_rate_hz: messages a second.
        camera: size, field of view and mount; a 640x360 camera with 70° by default.
        start_ns: stamp of the first message, nanoseconds.
        storage, overwrite: of the writer.
        on_progress: called with (images written, images in all).

    Raises:
        ValueError: a duration or a rate that is not positive.
        BagError: the bag cannot be written.
    """
    for name, value in (
        ("duration_s", duration_s),
        ("camera_rate_hz", camera_rate_hz),
        ("odometry_rate_hz", odometry_rate_hz),
    ):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, got {value}")
    camera = camera or PinholeCamera()
    rng = np.random.default_rng(seed)
    drive = RoadDrive.random(duration_s, SIGHT_M, rng)
    view = RoadView(drive.road, camera, roadside(len(drive.road.xy) * GRID_STEP_M, rng))
    mount = CameraMount("front", camera.projection, np.array(camera.xyz_in_base))
    pose_times_ns = _ticks_ns(duration_s, odometry_rate_hz)
    image_times_ns = _ticks_ns(duration_s, camera_rate_hz)

    is_mcap = storage == "mcap" or (storage is None and Path(out_path).suffix != ".db3")
    num_images = 0
    with BagWriter(out_path, storage=storage, overwrite=overwrite, compress=is_mcap) as writer:
        recorder = DriveRecorder(writer, (mount,), start_ns)
        for time_ns in sorted({*pose_times_ns, *image_times_ns}):
            state = drive.state_at(time_ns / NS_PER_S)
            if time_ns in pose_times_ns:
                recorder.write_pose(
                    start_ns + time_ns,
                    np.array([*state.xy, 0.0]),
                    Rotation.from_euler("z", state.yaw_rad),
                    np.array([state.speed_mps, 0.0, 0.0]),
                    np.array([0.0, 0.0, state.yaw_rate_rps]),
                )
            if time_ns in image_times_ns:
                lead = Upright(state.s_m + state.lead_gap_m, 0.0, LEAD_VEHICLE_BOXES)
                pixels = view.render(state.xy, state.yaw_rad, state.s_m, (lead,))
                recorder.write_image(mount, start_ns + time_ns, pixels)
                num_images += 1
                if on_progress is not None:
                    on_progress(num_images, len(image_times_ns))

    last_ns = max(pose_times_ns)
    return RenderedDrive(
        path=writer.path,
        num_images=num_images,
        num_poses=len(pose_times_ns),
        start_ns=start_ns,
        end_ns=start_ns + last_ns,
        length_m=drive.state_at(last_ns / NS_PER_S).s_m,
    )


def _ticks_ns(duration_s: float, rate_hz: float) -> frozenset[int]:
    """Times 0, 1/rate, 2/rate, … up to the duration, in nanoseconds."""
    count = int(duration_s * rate_hz + 1e-9) + 1
    return frozenset(seconds_to_ns(tick / rate_hz) for tick in range(count))
