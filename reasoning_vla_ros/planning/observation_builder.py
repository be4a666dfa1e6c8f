"""From stamped inputs to observations; the node and the evaluation of bags share it, so both see the same.

Time decides, not position: the ego history is interpolated at t0 - k * dt and frames are matched to t0 - k * dt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasoning_vla_ros.geometry.frames import to_ego_frame
from reasoning_vla_ros.planning.ego_history import EgoHistory
from reasoning_vla_ros.planning.errors import CameraSkewError, TimeJumpError
from reasoning_vla_ros.planning.frame_buffer import FrameBuffer
from reasoning_vla_ros.planning.observation import CameraFrames, Observation

# A stamp this far behind its input's newest is a restart of time (a bag that loops, a reset clock); less is a late
# or doubled message, which is dropped.
TIME_JUMP_S = 0.5


@dataclass(frozen=True)
class ObservationConfig:
    """What an observation consists of.

    Attributes:
        cameras: (camera id, name) pairs, ids ascending; t0 is always a stamp of the first one.
        num_frames, frame_dt_s: frames a camera and their step; Alpamayo uses 4 at 0.1 s.
        num_history, history_dt_s: ego poses and their step, the last at t0; Alpamayo uses 16 at 0.1 s.
        frame_tolerance_s: how far a frame may lie from t0 - k * frame_dt_s for k >= 1. The default lets the
            neighbour stand in for one lost frame of a 10 Hz camera.
        max_camera_skew_s: how far the other cameras' frames at t0 may lie from it, before or behind.
        max_odometry_gap_s: the widest gap that may be interpolated over.
    """

    cameras: tuple[tuple[int, str], ...]
    num_frames: int = 4
    frame_dt_s: float = 0.1
    num_history: int = 16
    history_dt_s: float = 0.1
    frame_tolerance_s: float = 0.12
    max_camera_skew_s: float = 0.05
    max_odometry_gap_s: float = 0.25

    def __post_init__(self) -> None:
        ids = [camera_id for camera_id, _ in self.cameras]
        names = [name for _, name in self.cameras]
        if not ids or ids != sorted(set(ids)) or len(set(names)) != len(names):
            raise ValueError(f"cameras need ascending distinct ids and distinct names, got {list(self.cameras)}")
        for name, least in (("num_frames", 1), ("num_history", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("frame_dt_s", "history_dt_s", "frame_tolerance_s", "max_camera_skew_s", "max_odometry_gap_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


class ObservationBuilder:
    """Buffers frames and poses, and builds the observation at an instant t0. Not thread-safe; the caller locks.

    Args:
        config: what an observation consists of.
    """

    def __init__(self, config: ObservationConfig) -> None:
        self.config = config
        # Inputs may lag each other; a second of slack keeps what a lagging t0 still needs.
        frames_s = config.num_frames * config.frame_dt_s + config.frame_tolerance_s + 1.0
        history_s = config.num_history * config.history_dt_s + 1.0
        self.frames = {name: FrameBuffer(name, frames_s) for _, name in config.cameras}
        self.poses = EgoHistory(history_s, config.max_odometry_gap_s)

    def clear(self) -> None:
        for buffer in self.frames.values():
            buffer.clear()
        self.poses.clear()

    def add_frame(self, camera: str, stamp_ns: int, frame: NDArray[np.uint8]) -> None:
        """Adds an RGB frame, uint8 [H, W, 3]. Raises TimeJumpError, after emptying all buffers, when time restarts."""
        buffer = self.frames[camera]
        jump = self._jump(f"camera {camera!r}", stamp_ns, buffer.newest_ns)
        buffer.add(stamp_ns, frame)
        if jump:
            raise jump

    def add_pose(self, stamp_ns: int, xyz_in_odom: ArrayLike, quat_xyzw_in_odom: ArrayLike) -> None:
        """Adds an ego pose, metres [3] and unit quaternion [4]. Raises TimeJumpError as `add_frame` does."""
        jump = self._jump("odometry", stamp_ns, self.poses.newest_ns)
        self.poses.add(stamp_ns, xyz_in_odom, quat_xyzw_in_odom)
        if jump:
            raise jump

    def newest_t0_ns(self) -> int | None:
        """The newest stamp of the first camera that the odometry and all other cameras have reached; None if none has.

        Raises:
            CameraSkewError: the cameras' newest frames lie further apart than one frame step and the allowed skew,
                so that a camera lags, beyond a frame that is merely on its way.
        """
        newest = {name: buffer.newest_ns for name, buffer in self.frames.items()}
        odometry_ns = self.poses.newest_ns
        stamps = [stamp for stamp in newest.values() if stamp is not None]
        if odometry_ns is None or len(stamps) < len(newest):
            return None
        apart_s = (max(stamps) - min(stamps)) * 1e-9
        allowed_s = self.config.frame_dt_s + self.config.max_camera_skew_s
        if apart_s > allowed_s:
            ahead = max(newest, key=lambda name: newest[name] or 0)
            behind = min(newest, key=lambda name: newest[name] or 0)
            raise CameraSkewError(
                f"camera {behind!r} lags {apart_s:.3f} s behind camera {ahead!r}; "
                f"the newest frames may lie at most {allowed_s:.3f} s apart"
            )
        skew_ns = round(self.config.max_camera_skew_s * 1e9)
        limit_ns = min(odometry_ns, min(stamps) + skew_ns)
        reached = [stamp for stamp in next(iter(self.frames.values())).stamps_ns if stamp <= limit_ns]
        return reached[-1] if reached else None

    def build(self, t0_ns: int, instruction: str = "", embodiment: str = "car") -> Observation:
        """The observation at t0.

        Raises:
            ObservationError: one of its kinds in `planning.errors`, with what there was and what was needed.
        """
        config = self.config
        cameras = tuple(self._camera_frames(camera_id, name, t0_ns) for camera_id, name in config.cameras)
        stamps_ns = _instants_ns(t0_ns, config.num_history, config.history_dt_s)
        xyz_in_ego, rot_in_ego = to_ego_frame(*self.poses.poses_in_odom(stamps_ns))
        return Observation(
            t0_ns=t0_ns,
            cameras=cameras,
            history_xyz=np.asarray(xyz_in_ego, np.float32),
            history_rot=np.asarray(rot_in_ego, np.float32),
            dt_s=config.history_dt_s,
            instruction=instruction,
            embodiment=embodiment,
        )

    def pose_in_odom(self, t0_ns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ego pose at t0: xyz [3] and rotation [3, 3]; places a plan in the odometry's frame."""
        xyz, rot = self.poses.poses_in_odom(np.array([t0_ns], np.int64))
        return xyz[0], rot[0]

    def _camera_frames(self, camera_id: int, name: str, t0_ns: int) -> CameraFrames:
        config = self.config
        buffer = self.frames[name]
        newest = buffer.at(t0_ns, config.max_camera_skew_s)
        # Earlier frames come from those up to the newest one, so that no later arrival changes what was seen at t0.
        matched = [
            buffer.nearest(int(instant_ns), config.frame_tolerance_s, newest[0])
            for instant_ns in _instants_ns(t0_ns, config.num_frames, config.frame_dt_s)[:-1]
        ]
        matched.append(newest)
        images = np.stack([frame for _, frame in matched])
        return CameraFrames(camera_id, name, images, tuple(stamp for stamp, _ in matched))

    def _jump(self, source: str, stamp_ns: int, newest_ns: int | None) -> TimeJumpError | None:
        """Empties all buffers and gives the error to raise when the stamp restarts time."""
        if newest_ns is None or newest_ns - stamp_ns <= TIME_JUMP_S * 1e9:
            return None
        self.clear()
        return TimeJumpError(
            f"{source} jumped back {(newest_ns - stamp_ns) * 1e-9:.3f} s, from {newest_ns * 1e-9:.3f} s to "
            f"{stamp_ns * 1e-9:.3f} s; stamps may run back at most {TIME_JUMP_S} s, so all inputs start anew"
        )


def _instants_ns(t0_ns: int, count: int, dt_s: float) -> NDArray[np.int64]:
    """t0 - k * dt, oldest first, int64 [count]."""
    return t0_ns - np.rint(np.arange(count - 1, -1, -1) * dt_s * 1e9).astype(np.int64)
