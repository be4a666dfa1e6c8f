"""Where the vehicle really went: all odometry of a recording, interpolated by time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation, Slerp

from reasoning_vla_ros.evaluation.baselines.ego_history import MotionSamples
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw
from reasoning_vla_ros.messages.odometry import StampedPose
from reasoning_vla_ros.planning.ego_history import MAX_SPEED_MPS


@dataclass(frozen=True)
class Future:
    """Ground truth after t0.

    Attributes:
        times_s: [N], seconds after t0.
        xyz: float64 [N, 3], metres in the ego frame at t0; NaN where not valid.
        rot: float64 [N, 3, 3]; NaN where not valid.
        valid: bool [N].
    """

    times_s: NDArray[np.float64]
    xyz: NDArray[np.float64]
    rot: NDArray[np.float64]
    valid: NDArray[np.bool_]


class GroundTruth:
    """Stamped ego poses in the odometry's frame.

    Args:
        poses: in order of arrival; one no newer than its predecessor is dropped.
        max_gap_s: the widest gap between two poses that is interpolated over.

    Attributes:
        jumps: a note for the report where neighbouring poses lie further apart than anything moves in that time, as
            when the odometry was reset. Poses on two sides of a jump have nothing to do with each other.

    Raises:
        EvaluationError: fewer than two poses.
    """

    def __init__(self, poses: Iterable[StampedPose], max_gap_s: float = 0.25) -> None:
        kept: list[StampedPose] = []
        for pose in poses:
            if not kept or pose.stamp_ns > kept[-1].stamp_ns:
                kept.append(pose)
        if len(kept) < 2:
            raise EvaluationError(
                f"the ground truth needs at least 2 odometry poses with rising stamps, got {len(kept)}"
            )
        self.max_gap_s = max_gap_s
        self.stamps_ns = np.array([pose.stamp_ns for pose in kept], np.int64)
        self._xyz = np.stack([pose.xyz for pose in kept])
        # Seconds since the first pose: float64 nanoseconds since the epoch would round by hundreds of nanoseconds.
        self._known_s = (self.stamps_ns - self.stamps_ns[0]) * 1e-9
        self._slerp = Slerp(self._known_s, Rotation.from_quat(np.stack([pose.quat_xyzw for pose in kept])))
        speeds_mps = np.linalg.norm(np.diff(self._xyz, axis=0), axis=1) / np.diff(self._known_s)
        self._jumps = speeds_mps > MAX_SPEED_MPS
        self._segments = np.concatenate([[0], np.cumsum(self._jumps)])
        self.jumps: list[str] = []
        if self._jumps.any():
            first = int(self._jumps.argmax())
            self.jumps.append(
                f"odometry jumps {int(self._jumps.sum())} time(s), first at {speeds_mps[first]:.1f} m/s at "
                f"{self.stamps_ns[first] * 1e-9:.3f} s; nothing moves faster than {MAX_SPEED_MPS:.0f} m/s, so nothing "
                "is interpolated or scored across a jump"
            )

    @property
    def span_s(self) -> float:
        """Time from the first to the last pose, seconds."""
        return float(self._known_s[-1])

    def poses_in_odom(
        self, stamps_ns: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """xyz [N, 3], rotation [N, 3, 3], validity [N] at any instants; NaN outside the recording, gaps and jumps."""
        wanted_s = (np.asarray(stamps_ns, np.int64) - self.stamps_ns[0]) * 1e-9
        inside = (stamps_ns >= self.stamps_ns[0]) & (stamps_ns <= self.stamps_ns[-1])
        after = np.clip(np.searchsorted(self.stamps_ns, stamps_ns), 1, len(self.stamps_ns) - 1)
        narrow = (self._known_s[after] - self._known_s[after - 1] <= self.max_gap_s) & ~self._jumps[after - 1]
        on_pose = self.stamps_ns[after] == stamps_ns
        valid = inside & (narrow | on_pose | (self.stamps_ns[after - 1] == stamps_ns))
        clipped_s = np.clip(wanted_s, 0.0, self._known_s[-1])
        xyz = np.stack([np.interp(clipped_s, self._known_s, self._xyz[:, axis]) for axis in range(3)], axis=-1)
        rot = self._slerp(clipped_s).as_matrix()
        return np.where(valid[:, None], xyz, np.nan), np.where(valid[:, None, None], rot, np.nan), valid

    def segments(self, stamps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of jumps before each instant, [N]; poses compare only where these are equal."""
        at_or_before = np.searchsorted(self.stamps_ns, stamps_ns, side="right") - 1
        return np.asarray(self._segments[np.clip(at_or_before, 0, None)], np.int64)

    def pose_in_odom(self, t0_ns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """xyz [3] and rotation [3, 3] at t0.

        Raises:
            EvaluationError: t0 lies outside the odometry or in a gap.
        """
        xyz, rot, valid = self.poses_in_odom(np.array([t0_ns], np.int64))
        if not valid[0]:
            first_s, last_s = self.stamps_ns[0] * 1e-9, self.stamps_ns[-1] * 1e-9
            raise EvaluationError(
                f"no odometry at {t0_ns * 1e-9:.3f} s: it covers {first_s:.3f}..{last_s:.3f} s, "
                f"less gaps of more than {self.max_gap_s} s and jumps"
            )
        return xyz[0], rot[0]

    def future(self, t0_ns: int, times_s: ArrayLike) -> Future:
        """The ego's motion after t0, in the ego frame at t0.

        Args:
            t0_ns: where the frame is.
            times_s: [N], seconds after t0 (negative: before).

        Raises:
            EvaluationError: no pose at t0 itself.
        """
        times = np.asarray(times_s, np.float64)
        origin, rot0 = self.pose_in_odom(t0_ns)
        stamps_ns = t0_ns + np.rint(times * 1e9).astype(np.int64)
        xyz, rot, valid = self.poses_in_odom(stamps_ns)
        valid &= self.segments(stamps_ns) == self.segments(np.array([t0_ns], np.int64))
        return Future(
            times,
            np.where(valid[:, None], (xyz - origin) @ rot0, np.nan),
            np.where(valid[:, None, None], rot0.T @ rot, np.nan),
            valid,
        )

    def history(self, t0_ns: int, count: int, dt_s: float) -> Future:
        """`count` poses up to t0 at a step of `dt_s`, oldest first, in the ego frame at t0. Raises as `future` does."""
        return self.future(t0_ns, -np.arange(count - 1, -1, -1) * dt_s)

    def motion_samples(
        self, source: int, times_s: ArrayLike, num_history: int = 16, dt_s: float = 0.1, max_samples: int = 2000
    ) -> MotionSamples:
        """Pairs of past and future from the whole recording, for fitting the history baseline.

        Instants lie `dt_s` apart, further in a recording that would give more than `max_samples`; those whose history
        is not wholly known are left out.
        """
        times = np.asarray(times_s, np.float64)
        past_s = -np.arange(num_history - 1, -1, -1) * dt_s
        begin_ns, end_ns = int(self.stamps_ns[0]) - round(past_s[0] * 1e9), int(self.stamps_ns[-1])
        step_ns = max(round(dt_s * 1e9), (end_ns - begin_ns) // max_samples + 1)
        t0_ns = np.arange(begin_ns, end_ns + 1, step_ns, dtype=np.int64)
        offsets_ns = np.rint(np.concatenate([past_s, times]) * 1e9).astype(np.int64)
        stamps_ns = t0_ns[:, None] + offsets_ns
        xyz, rot, valid = self.poses_in_odom(stamps_ns.reshape(-1))
        shape = stamps_ns.shape
        valid &= (self.segments(stamps_ns) == self.segments(t0_ns)[:, None]).reshape(-1)
        known = valid.reshape(shape)[:, :num_history].all(axis=1)
        xyz, rot, valid = xyz.reshape(*shape, 3)[known], rot.reshape(*shape, 3, 3)[known], valid.reshape(shape)[known]
        origin, rot0 = xyz[:, num_history - 1, None], rot[:, num_history - 1, None]
        xyz_in_ego = ((xyz - origin)[:, :, None] @ rot0)[:, :, 0]
        rot_in_ego = np.swapaxes(rot0, -1, -2) @ rot
        yaw = matrix_to_yaw(rot_in_ego[:, num_history - 1 :])
        # From the heading at t0, so that a turn of more than half a circle counts in full; NaN stays where it is.
        unwrapped = np.where(np.isnan(yaw), np.nan, np.unwrap(np.nan_to_num(yaw), axis=1))
        return MotionSamples(
            source=np.full(len(xyz), source, np.int64),
            t0_ns=t0_ns[known],
            history_xyz=xyz_in_ego[:, :num_history],
            history_rot=rot_in_ego[:, :num_history],
            future_xyz=xyz_in_ego[:, num_history:],
            future_yaw=unwrapped[:, 1:],
            valid=valid[:, num_history:],
            times_s=times,
            dt_s=dt_s,
        )
