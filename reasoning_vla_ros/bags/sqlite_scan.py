"""Reading a damaged rosbag2 SQLite file: its topics by SQL, its messages page by page."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from reasoning_vla_ros.bags.sqlite_pages import Cell, layout_of, read_values, table_cells
from reasoning_vla_ros.bags.storage import Channel, RawMessage

_FORMATS = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
_NUM_COLUMNS = 4  # of the table of messages: id, topic_id, timestamp, data


def sqlite_is_whole(path: Path) -> bool:
    """Whether the file has as many pages as its header counts."""
    layout = layout_of(path)
    return layout is not None and path.stat().st_size >= layout.num_pages * layout.page_bytes


class SqliteScan:
    """A damaged SQLite bag; see :class:`reasoning_vla_ros.bags.storage.Storage`."""

    def __init__(self, path: Path) -> None:
        self.damage: str | None = None
        self._topics: dict[int, tuple[str, str, str]] = {}  # name, type, encoding
        definitions = self._read_topics(path)
        self._layout = layout_of(path)
        self._file = path.open("rb")
        self._rows: list[tuple[int, int, int, Cell]] = []  # log time, row id, topic id
        self._find_rows(path.stat().st_size)
        counts = Counter(topic_id for _, _, topic_id, _ in self._rows)
        none = MessageDefinition(MessageDefinitionFormat.NONE, "")
        self.channels = [
            Channel(name, msg_type, counts[key], definitions.get(msg_type, none), encoding)
            for key, (name, msg_type, encoding) in self._topics.items()
        ]
        self.start_ns = self._rows[0][0] if self._rows else 0
        self.end_ns = self._rows[-1][0] if self._rows else 0

    def messages(self, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[RawMessage]:
        for time_ns, _, topic_id, cell in self._rows:
            name, msg_type, _ = self._topics[topic_id]
            if name in topics and start_ns <= time_ns <= end_ns and self._layout is not None:
                data = read_values(self._file, self._layout, cell, _NUM_COLUMNS)[3]
                if isinstance(data, bytes):
                    yield RawMessage(name, msg_type, time_ns, data)

    def close(self) -> None:
        self._file.close()

    def _find_rows(self, size: int) -> None:
        """Rows that look like those of the table of messages, of a known topic."""
        if self._layout is None:
            self.damage = f"its {size} bytes hold no SQLite header"
            return
        needed = self._layout.num_pages * self._layout.page_bytes
        self.damage = self.damage or f"its header counts {needed} bytes"
        self.damage += f", the file ends after {size}"
        rows: dict[int, tuple[int, int, int, Cell]] = {}
        for cell in table_cells(self._file, self._layout):
            values = read_values(self._file, self._layout, cell, _NUM_COLUMNS)
            if not values or values[0] is not None or not isinstance(values[3], bytes):
                continue
            topic_id, time_ns = values[1], values[2]
            if isinstance(topic_id, int) and isinstance(time_ns, int) and topic_id in self._topics:
                rows[cell.row_id] = (time_ns, cell.row_id, topic_id, cell)
        self._rows = sorted(rows.values(), key=lambda row: row[:2])

    def _read_topics(self, path: Path) -> dict[str, MessageDefinition]:
        """Fill in the topics and return the definitions by type; both tables lie in a bag's first pages."""
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            # SQLite refuses a file shorter than its header says, except while its schema may be written, which a
            # read-only connection can't do anyway.
            connection.execute("PRAGMA writable_schema=ON")
            query = "SELECT id, name, type, serialization_format FROM topics"
            for key, *texts in connection.execute(query):
                if all(isinstance(text, str) for text in texts):
                    self._topics[key] = (texts[0], texts[1], texts[2])
            has_definitions = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'message_definitions'")
            if has_definitions.fetchone() is None:  # as before ROS 2 Iron; known types are read all the same
                return {}
            rows = connection.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            )
            return {name: MessageDefinition(_FORMATS[kind], text) for name, kind, text in rows if kind in _FORMATS}
        except (sqlite3.DatabaseError, OverflowError) as error:
            self.damage = f"SQLite reports {error}"
            return {}
        finally:
            connection.close()
