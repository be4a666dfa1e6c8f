"""One file or folder of recorded bytes, whole or damaged, behind one small interface."""

from __future__ import annotations

import struct
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import apsw
from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinition
from rosbags.rosbag2 import Reader, ReaderError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_TIME_NS = 2**63 - 1

# What rosbags' parsers trip over in a damaged file, where lengths and offsets may be anything.
DAMAGE_ERRORS = (
    ReaderError,
    apsw.Error,
    zstd.ZstdError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
)


@dataclass(frozen=True)
class Channel:
    """A topic of one storage. `definition` is the recorded message definition, its format NONE where there is none."""

    topic: str
    msg_type: str
    count: int
    definition: MessageDefinition
    encoding: str = "cdr"


@dataclass(frozen=True)
class RawMessage:
    """A serialised message and its log time in nanoseconds."""

    topic: str
    msg_type: str
    time_ns: int
    data: bytes | memoryview


class Storage(Protocol):
    """Recorded messages in log time order.

    Attributes:
        channels: one entry a topic and type.
        start_ns: log time of the first message; meaningless without messages.
        end_ns: log time of the last message.
        damage: what is wrong with the file and where, None for a whole one.
    """

    channels: list[Channel]
    start_ns: int
    end_ns: int
    damage: str | None

    def messages(self, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[RawMessage]:
        """Messages of `topics` with start_ns <= log time <= end_ns."""
        ...

    def close(self) -> None: ...


class IndexedStorage:
    """A whole file or rosbag2 folder, read through its index by rosbags."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            any of DAMAGE_ERRORS: rosbags cannot read it.
        """
        self._reader = Reader(path)
        self._reader.open()
        self.channels = [
            Channel(
                connection.topic,
                connection.msgtype,
                connection.msgcount,
                connection.msgdef,
                connection.ext.serialization_format if isinstance(connection.ext, ConnectionExtRosbag2) else "",
            )
            for connection in self._reader.connections
        ]
        for channel in self.channels:
            if not (isinstance(channel.topic, str) and isinstance(channel.msg_type, str)):
                self.close()
                raise ValueError(f"a topic needs a name and a type, got {channel.topic!r} and {channel.msg_type!r}")
        self.start_ns = self._reader.start_time
        self.end_ns = self._reader.end_time - 1
        self.damage: str | None = None

    def messages(self, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[RawMessage]:
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:
            return  # rosbags would take none for all
        stop_ns = min(end_ns, MAX_TIME_NS - 1) + 1
        for connection, time_ns, data in self._reader.messages(connections, start=start_ns, stop=stop_ns):
            yield RawMessage(connection.topic, connection.msgtype, time_ns, data)

    def close(self) -> None:
        self._reader.close()
