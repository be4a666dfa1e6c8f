"""Reading a damaged rosbag2 SQLite file row by row, as far as it goes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from reasoning_vla_ros.bags.storage import Channel, RawMessage

_FORMATS = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
_MAGIC = b"SQLite format 3\x00"


def sqlite_is_whole(path: Path) -> bool:
    """Whether the file has as many pages as its header counts."""
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        return False
    page_size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    return path.stat().st_size >= pages * (65536 if page_size == 1 else page_size)


class SqliteScan:
    """A damaged SQLite bag; see :class:`reasoning_vla_ros.bags.storage.Storage`."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        # SQLite refuses a database shorter than its header says, except while its schema may be written, which
        # this read-only connection cannot do anyway.
        self._connection.execute("PRAGMA writable_schema=ON")
        self.damage: str | None = None
        self._topics: dict[int, tuple[str, str, str]] = {}  # name, type, encoding
        self._rows: list[tuple[int, int, int]] = []  # log time, row id, topic id
        self._scan(path.stat().st_size)
        definitions = self._definitions()
        self._rows.sort()
        counts = Counter(topic_id for _, _, topic_id in self._rows)
        none = MessageDefinition(MessageDefinitionFormat.NONE, "")
        self.channels = [
            Channel(name, msg_type, counts[key], definitions.get(msg_type, none), encoding)
            for key, (name, msg_type, encoding) in self._topics.items()
        ]
        self.start_ns = self._rows[0][0] if self._rows else 0
        self.end_ns = self._rows[-1][0] if self._rows else 0

    def messages(self, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[RawMessage]:
        for time_ns, row_id, topic_id in self._rows:
            name, msg_type, _ = self._topics[topic_id]
            if name in topics and start_ns <= time_ns <= end_ns:
                ((data,),) = self._connection.execute("SELECT data FROM messages WHERE id = ?", (row_id,)).fetchall()
                yield RawMessage(name, msg_type, time_ns, data)

    def close(self) -> None:
        self._connection.close()

    def _scan(self, size: int) -> None:
        try:
            for key, name, msg_type, encoding in self._connection.execute(
                "SELECT id, name, type, serialization_format FROM topics"
            ):
                self._topics[key] = (name, msg_type, encoding)
            # The data is read along, for a row counts only where all of it is there.
            for row_id, topic_id, time_ns, _ in self._connection.execute(
                "SELECT id, topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id"
            ):
                if topic_id in self._topics:
                    self._rows.append((time_ns, row_id, topic_id))
            self.damage = f"its {size} bytes are fewer than its header counts"
        except (sqlite3.DatabaseError, OverflowError) as error:
            self.damage = f"SQLite reports {error}, the file ends after {size} bytes"

    def _definitions(self) -> dict[str, MessageDefinition]:
        query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        try:
            rows = self._connection.execute(query).fetchall()
        except sqlite3.DatabaseError:
            return {}  # none recorded before ROS 2 Iron, or damaged: known types are read all the same
        return {
            msg_type: MessageDefinition(_FORMATS[encoding], text)
            for msg_type, encoding, text in rows
            if encoding in _FORMATS
        }
