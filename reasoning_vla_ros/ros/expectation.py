"""Which frame of a played bag a plan is due for."""

from __future__ import annotations

import struct

from reasoning_vla_ros.bags.storage import RawMessage
from reasoning_vla_ros.messages.stamps import NS_PER_S
from reasoning_vla_ros.planning.observation_builder import ObservationConfig


class Expectation:
    """Which frame the node should plan at, given what was played.

    Args:
        config: what the node needs for an observation.
        max_rate_hz: the node's limit; 0 for none.
    """

    def __init__(self, config: ObservationConfig, max_rate_hz: float = 0.0) -> None:
        self._history_ns = round((config.num_history - 1) * config.history_dt_s * NS_PER_S)
        frames_s = (config.num_frames - 1) * config.frame_dt_s - config.frame_tolerance_s
        self._frames_ns = round(max(frames_s, 0.0) * NS_PER_S)
        self._period_ns = round(0.9 / max_rate_hz * NS_PER_S) if max_rate_hz else 0
        self._first_frame_ns: int | None = None
        self._frame_ns = 0
        self._first_pose_ns: int | None = None
        self._pose_ns = 0
        self._planned_ns: int | None = None

    def frame(self, stamp_ns: int) -> None:
        self._first_frame_ns = stamp_ns if self._first_frame_ns is None else self._first_frame_ns
        self._frame_ns = stamp_ns

    def pose(self, stamp_ns: int) -> None:
        self._first_pose_ns = stamp_ns if self._first_pose_ns is None else self._first_pose_ns
        self._pose_ns = stamp_ns

    def planned(self, t0_ns: int) -> None:
        self._planned_ns = t0_ns

    def is_covered(self) -> bool:
        """Whether the poses have reached the last frame, so that the node can plan at it."""
        return self._pose_ns >= self._frame_ns

    def due_ns(self) -> int | None:
        """Stamp of the frame that a plan is due for; None when none is."""
        if self._first_frame_ns is None or self._first_pose_ns is None or not self.is_covered():
            return None
        has_history = self._frame_ns - self._first_pose_ns >= self._history_ns
        has_frames = self._frame_ns - self._first_frame_ns >= self._frames_ns
        is_time = self._planned_ns is None or self._frame_ns - self._planned_ns >= self._period_ns
        return self._frame_ns if has_history and has_frames and is_time else None


def header_stamp_ns(raw: RawMessage) -> int:
    """Header stamp of a serialised message that begins with one: 4 bytes of CDR encapsulation, sec, nanosec."""
    data = bytes(raw.data[:12])
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(sec) * NS_PER_S + int(nanosec)
