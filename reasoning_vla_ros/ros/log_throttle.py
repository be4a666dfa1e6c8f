"""Log lines that repeat with every message, at most one in a while."""

from __future__ import annotations

import time
from typing import Any

PERIOD_S = 5.0


class LogThrottle:
    """Passes on one line per source in 5 s. rclpy's own throttle goes by the line of code, not by the source.

    Args:
        logger: rclpy's logger.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._last_s: dict[str, float] = {}

    def warning(self, source: str, text: str) -> None:
        if self._is_due(source):
            self._logger.warning(text)

    def error(self, source: str, text: str) -> None:
        if self._is_due(source):
            self._logger.error(text)

    def _is_due(self, source: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._last_s.get(source, -PERIOD_S) < PERIOD_S:
            return False
        self._last_s[source] = now_s
        return True
