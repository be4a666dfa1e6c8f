"""Ego poses by time: stamped odometry in, poses at any instant out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation, Slerp

from reasoning_vla_ros.planning.errors import HistoryGapError, HistorySpanError, NoDataError

# Faster than any road vehicle: odometry that was reset or has lost itself.
MAX_SPEED_MPS = 100.0


class EgoHistory:
    """Stamped poses of the vehicle in one continuous frame (odom, REP-105), interpolated by time.

    Args:
        keep_s: poses older than this behind the newest are dropped.
        max_gap_s: the widest gap between two poses that may be interpolated over.
    """

    def __init__(self, keep_s: float, max_gap_s: float) -> None:
        self.keep_s = keep_s
        self.max_gap_s = max_gap_s
        self._stamps_ns: list[int] = []
        self._xyz: list[NDArray[np.float64]] = []
        self._quat_xyzw: list[NDArray[np.float64]] = []

    def __len__(self) -> int:
        return len(self._stamps_ns)

    @property
    def newest_ns(self) -> int | None:
        return self._stamps_ns[-1] if self._stamps_ns else None

    def clear(self) -> None:
        self._stamps_ns.clear()
        self._xyz.clear()
        self._quat_xyzw.clear()

    def add(self, stamp_ns: int, xyz_in_odom: ArrayLike, quat_xyzw_in_odom: ArrayLike) -> None:
        """Adds a pose: metres [3] and a unit quaternion [4]. One no newer than the newest adds nothing."""
        if self._stamps_ns and stamp_ns <= self._stamps_ns[-1]:
            return
        self._stamps_ns.append(stamp_ns)
        self._xyz.append(np.asarray(xyz_in_odom, np.float64))
        self._quat_xyzw.append(np.asarray(quat_xyzw_in_odom, np.float64))
        # One pose at or before the horizon stays, so that the oldest instant can still be interpolated.
        expired = bisect_right(self._stamps_ns, stamp_ns - round(self.keep_s * 1e9)) - 1
        if expired > 0:
            del self._stamps_ns[:expired], self._xyz[:expired], self._quat_xyzw[:expired]

    def poses_in_odom(self, stamps_ns: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Poses at the given ascending instants: xyz [N, 3] by linear, rotation [N, 3, 3] by spherical interpolation.

        Raises:
            NoDataError: there is no pose at all.
            HistorySpanError: an instant lies outside the poses.
            HistoryGapError: two neighbouring poses needed here lie further apart than `max_gap_s`, or further than
                anything moves in that time.
        """
        if not self._stamps_ns:
            raise NoDataError("no odometry has arrived")
        first, last = int(stamps_ns[0]), int(stamps_ns[-1])
        if first < self._stamps_ns[0] or last > self._stamps_ns[-1]:
            raise HistorySpanError(
                f"odometry covers {_span(self._stamps_ns[0], self._stamps_ns[-1])}, "
                f"the ego history needs {_span(first, last)}"
            )
        begin = bisect_right(self._stamps_ns, first) - 1
        end = bisect_left(self._stamps_ns, last) + 1
        known_ns = np.array(self._stamps_ns[begin:end], np.int64)
        if len(known_ns) == 1:
            count = len(stamps_ns)
            rot = Rotation.from_quat(self._quat_xyzw[begin]).as_matrix()
            return np.tile(self._xyz[begin], (count, 1)), np.tile(rot, (count, 1, 1))
        gaps_s = np.diff(known_ns) * 1e-9
        widest = int(gaps_s.argmax())
        if gaps_s[widest] > self.max_gap_s:
            raise HistoryGapError(
                f"odometry has a gap of {gaps_s[widest]:.3f} s at {_span(known_ns[widest], known_ns[widest + 1])}; "
                f"the ego history allows at most {self.max_gap_s:.3f} s"
            )
        xyz = np.array(self._xyz[begin:end])
        speeds_mps = np.linalg.norm(np.diff(xyz, axis=0), axis=1) / gaps_s
        fastest = int(speeds_mps.argmax())
        if speeds_mps[fastest] > MAX_SPEED_MPS:
            raise HistoryGapError(
                f"odometry jumps at {speeds_mps[fastest]:.1f} m/s at "
                f"{_span(known_ns[fastest], known_ns[fastest + 1])}; nothing moves faster than {MAX_SPEED_MPS:.0f} m/s"
            )
        # Seconds since the first pose: float64 nanoseconds since the epoch would round by hundreds of nanoseconds.
        known_s = (known_ns - known_ns[0]) * 1e-9
        wanted_s = np.clip((stamps_ns - known_ns[0]) * 1e-9, 0.0, known_s[-1])
        interpolated = np.stack([np.interp(wanted_s, known_s, xyz[:, axis]) for axis in range(3)], axis=1)
        slerp = Slerp(known_s, Rotation.from_quat(np.array(self._quat_xyzw[begin:end])))
        return interpolated, slerp(wanted_s).as_matrix()


def _span(first_ns: int, last_ns: int) -> str:
    return f"{first_ns * 1e-9:.3f}..{last_ns * 1e-9:.3f} s ({(last_ns - first_ns) * 1e-9:.3f} s)"
