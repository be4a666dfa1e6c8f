"""Times of ROS messages as integer nanoseconds.

Works on anything with ``sec`` and ``nanosec``: rclpy's ``Time`` and ``Duration`` messages and those of rosbags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

NS_PER_S = 1_000_000_000
_SEC_MIN, _SEC_MAX = -(2**31), 2**31 - 1  # builtin_interfaces: int32 sec


class TimeMessage(Protocol):
    """builtin_interfaces/Time or Duration."""

    sec: int
    nanosec: int


TimeT = TypeVar("TimeT")


class StampError(ValueError):
    """A time that builtin_interfaces/Time cannot hold."""


def stamp_to_ns(stamp: TimeMessage) -> int:
    """Nanoseconds of a builtin_interfaces/Time or Duration message."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def split_ns(stamp_ns: int) -> tuple[int, int]:
    """(sec, nanosec) of a time in nanoseconds, with 0 <= nanosec < 1e9 also where the time is negative.

    Raises:
        StampError: the seconds do not fit into the int32 of builtin_interfaces.
    """
    sec, nanosec = divmod(int(stamp_ns), NS_PER_S)
    if not _SEC_MIN <= sec <= _SEC_MAX:
        raise StampError(f"a stamp needs seconds within {_SEC_MIN}..{_SEC_MAX} (int32), got {sec} s ({stamp_ns} ns)")
    return sec, nanosec


def ns_to_stamp(stamp_ns: int, time_class: Callable[..., TimeT]) -> TimeT:
    """A message of `time_class` (rclpy's or rosbags' Time or Duration) that holds `stamp_ns`.

    Raises:
        StampError: see :func:`split_ns`.
    """
    sec, nanosec = split_ns(stamp_ns)
    return time_class(sec=sec, nanosec=nanosec)


def seconds_to_ns(seconds: float) -> int:
    """Seconds as integer nanoseconds, rounded to the nearest."""
    return round(seconds * NS_PER_S)


def ns_to_seconds(duration_ns: int) -> float:
    """Nanoseconds as seconds; exact to a nanosecond for spans below 104 days, so take differences first."""
    return duration_ns / NS_PER_S
