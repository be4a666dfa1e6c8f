"""Camera frames by time."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.planning.errors import NoDataError, StaleFrameError


class FrameBuffer:
    """Stamped frames of one camera, ascending in time.

    Args:
        name: of the camera, for messages.
        keep_s: frames older than this behind the newest are dropped.
    """

    def __init__(self, name: str, keep_s: float) -> None:
        self.name = name
        self.keep_s = keep_s
        self._stamps_ns: list[int] = []
        self._frames: list[NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return len(self._stamps_ns)

    @property
    def newest_ns(self) -> int | None:
        return self._stamps_ns[-1] if self._stamps_ns else None

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        return tuple(self._stamps_ns)

    def clear(self) -> None:
        self._stamps_ns.clear()
        self._frames.clear()

    def add(self, stamp_ns: int, frame: NDArray[np.uint8]) -> None:
        """Adds an RGB frame, uint8 [H, W, 3]. One no newer than the newest is left out; a new size empties the past."""
        if self._stamps_ns and stamp_ns <= self._stamps_ns[-1]:
            return
        if self._frames and self._frames[-1].shape != frame.shape:
            self.clear()
        self._stamps_ns.append(stamp_ns)
        self._frames.append(frame)
        expired = bisect_right(self._stamps_ns, stamp_ns - round(self.keep_s * 1e9))
        if expired > 0:
            del self._stamps_ns[:expired], self._frames[:expired]

    def at(self, t0_ns: int, skew_s: float) -> tuple[int, NDArray[np.uint8]]:
        """The frame that stands for t0: the newest at or before it, else the first behind it, within the skew.

        The order makes the choice the same whatever has arrived since: cameras that run a little ahead of or behind
        the first one are matched, and a frame that was chosen once stays chosen.

        Raises:
            NoDataError: the camera has not delivered anything.
            StaleFrameError: there is none within the skew.
        """
        if not self._stamps_ns:
            raise NoDataError(f"camera {self.name!r} has delivered no frame")
        behind = bisect_right(self._stamps_ns, t0_ns)
        for index in (behind - 1, behind):
            if 0 <= index < len(self) and abs(self._stamps_ns[index] - t0_ns) <= skew_s * 1e9:
                return self._stamps_ns[index], self._frames[index]
        off_s = min(abs(stamp_ns - t0_ns) for stamp_ns in self._stamps_ns) * 1e-9
        raise StaleFrameError(
            f"camera {self.name!r} needs a frame within {skew_s:.3f} s of t0 {t0_ns * 1e-9:.3f} s, "
            f"its nearest is {off_s:.3f} s away"
        )

    def nearest(self, stamp_ns: int, tolerance_s: float, no_later_than_ns: int) -> tuple[int, NDArray[np.uint8]]:
        """The frame nearest to an instant, among those stamped no later than `no_later_than_ns`.

        Raises:
            NoDataError: the camera has not delivered anything.
            StaleFrameError: none lies within `tolerance_s`.
        """
        if not self._stamps_ns:
            raise NoDataError(f"camera {self.name!r} has delivered no frame")
        known = self._stamps_ns[: bisect_right(self._stamps_ns, no_later_than_ns)]
        if not known:
            raise StaleFrameError(
                f"camera {self.name!r} has no frame at or before {no_later_than_ns * 1e-9:.3f} s, "
                f"its oldest is of {self._stamps_ns[0] * 1e-9:.3f} s"
            )
        index = min(range(len(known)), key=lambda i: abs(known[i] - stamp_ns))
        off_s = abs(known[index] - stamp_ns) * 1e-9
        if off_s > tolerance_s:
            raise StaleFrameError(
                f"camera {self.name!r} needs a frame within {tolerance_s:.3f} s of {stamp_ns * 1e-9:.3f} s, "
                f"its nearest is {off_s:.3f} s away"
            )
        return known[index], self._frames[index]
