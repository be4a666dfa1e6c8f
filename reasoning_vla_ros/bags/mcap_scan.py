"""Reading an MCAP file from front to back, without its index.

For files that a crash or a full disk cut short, and for those written without an index. Follows the MCAP
specification (https://mcap.dev/spec): a record is an opcode byte, a uint64 length and that many bytes; chunks hold
records of their own. Every record before the damage is read, in log time order.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from reasoning_vla_ros.bags.storage import Channel, RawMessage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"\x89MCAP0\r\n"
_RECORD_HEAD = struct.Struct("<BQ")
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel id, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQI")  # start, end, uncompressed size, CRC
_FOOTER = struct.Struct("<BQQQI")  # opcode, length 20, summary start, summary offset start, CRC
_FOOTER_OP, _SCHEMA_OP, _CHANNEL_OP, _MESSAGE_OP, _CHUNK_OP, _CHUNK_INDEX_OP, _DATA_END_OP = 2, 3, 4, 5, 6, 8, 15
_LAST_KNOWN_OP, _FIRST_PRIVATE_OP = 0x0F, 0x80
_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}


def mcap_has_index(path: Path) -> bool:
    """Whether the file is closed properly and indexes its chunks, so that it can be read in time order at once."""
    tail_bytes = _FOOTER.size + len(MAGIC)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < tail_bytes + len(MAGIC):
            return False
        file.seek(size - tail_bytes)
        tail = file.read()
        opcode, length, summary_start, _, _ = _FOOTER.unpack_from(tail)
        if tail[_FOOTER.size :] != MAGIC or (opcode, length) != (_FOOTER_OP, 20):
            return False
        if not 0 < summary_start < size - tail_bytes:
            return False
        file.seek(summary_start)
        summary = file.read(size - tail_bytes - summary_start)
    return any(opcode == _CHUNK_INDEX_OP for opcode, _, _ in _records(summary))


@dataclass(frozen=True, order=True)
class _Entry:
    """Where a message lies; `chunk_at` is the offset of its chunk record, -1 for one outside chunks."""

    time_ns: int
    order: int
    channel_id: int
    chunk_at: int
    start: int
    length: int


class McapScan:
    """An MCAP file without a usable index; see :class:`reasoning_vla_ros.bags.storage.Storage`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._size = self._file.seek(0, 2)
        self._schemas: dict[int, tuple[str, MessageDefinition]] = {}
        self._channels: dict[int, tuple[str, int, str]] = {}  # topic, schema id, encoding
        self._entries: list[_Entry] = []
        self._cached_chunk: tuple[int, bytes] = (-1, b"")
        self.damage: str | None = None
        self._scan()
        self._entries.sort()
        counts = Counter(entry.channel_id for entry in self._entries)
        self.channels = [
            Channel(topic, *self._schemas[schema_id][:1], counts[key], self._schemas[schema_id][1], encoding)
            for key, (topic, schema_id, encoding) in self._channels.items()
        ]
        self.start_ns = self._entries[0].time_ns if self._entries else 0
        self.end_ns = self._entries[-1].time_ns if self._entries else 0

    def messages(self, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[RawMessage]:
        for entry in self._entries:
            topic, schema_id, _ = self._channels[entry.channel_id]
            if topic in topics and start_ns <= entry.time_ns <= end_ns:
                yield RawMessage(topic, self._schemas[schema_id][0], entry.time_ns, self._bytes_of(entry))

    def close(self) -> None:
        self._file.close()

    def _bytes_of(self, entry: _Entry) -> bytes:
        if entry.chunk_at < 0:
            self._file.seek(entry.start)
            return self._file.read(entry.length)
        if self._cached_chunk[0] != entry.chunk_at:
            self._file.seek(entry.chunk_at)
            _, length = _RECORD_HEAD.unpack(self._file.read(_RECORD_HEAD.size))
            self._cached_chunk = (entry.chunk_at, _chunk_records(self._file.read(length)))
        return self._cached_chunk[1][entry.start : entry.start + entry.length]

    def _note(self, damage: str) -> None:
        self.damage = self.damage or damage

    def _scan(self) -> None:
        self._file.seek(0)
        if self._file.read(len(MAGIC)) != MAGIC:
            self._note("it does not start with MCAP's magic bytes")
            return
        while True:
            at = self._file.tell()
            head = self._file.read(_RECORD_HEAD.size)
            if len(head) < _RECORD_HEAD.size:
                self._note(f"it ends after {self._size} bytes without its closing record")
                return
            opcode, length = _RECORD_HEAD.unpack(head)
            if opcode in (_DATA_END_OP, _FOOTER_OP):
                self._file.seek(-min(self._size, len(MAGIC)), 2)
                if self._file.read() != MAGIC:
                    self._note(f"it ends after {self._size} bytes, within its summary")
                return
            if opcode == 0 or _LAST_KNOWN_OP < opcode < _FIRST_PRIVATE_OP:
                self._note(f"byte {at} holds no MCAP record (opcode {opcode})")
                return
            is_cut = at + _RECORD_HEAD.size + length > self._size
            if is_cut:
                self._note(f"the record at byte {at} needs {length} bytes, the file ends after {self._size}")
            if opcode == _CHUNK_OP:
                self._scan_chunk(at, self._file.read(min(length, self._size)))
            elif not is_cut and opcode in (_SCHEMA_OP, _CHANNEL_OP, _MESSAGE_OP):
                self._take(opcode, self._file.read(length), chunk_at=-1, body_at=at + _RECORD_HEAD.size)
            if is_cut:
                return
            self._file.seek(at + _RECORD_HEAD.size + length)

    def _scan_chunk(self, at: int, body: bytes) -> None:
        try:
            records = _chunk_records(body)
        except (ValueError, EOFError, RuntimeError, struct.error, zstd.ZstdError) as error:
            self._note(f"the chunk at byte {at} cannot be unpacked: {error}")
            return
        for opcode, start, length in _records(records):
            if opcode in (_SCHEMA_OP, _CHANNEL_OP, _MESSAGE_OP):
                self._take(opcode, records[start : start + length], chunk_at=at, body_at=start)

    def _take(self, opcode: int, body: bytes, *, chunk_at: int, body_at: int) -> None:
        try:
            if opcode == _SCHEMA_OP:
                (key,) = struct.unpack_from("<H", body)
                name, at = _string(body, 2)
                encoding, at = _string(body, at)
                text, _ = _string(body, at)
                definition_format = _FORMATS.get(encoding, MessageDefinitionFormat.NONE)
                self._schemas[key] = (name, MessageDefinition(definition_format, text))
            elif opcode == _CHANNEL_OP:
                key, schema_id = struct.unpack_from("<HH", body)
                topic, at = _string(body, 4)
                encoding, _ = _string(body, at)
                if schema_id not in self._schemas:
                    self._note(f"channel {key} ({topic}) needs schema {schema_id}, which is not in the file")
                    return
                self._channels[key] = (topic, schema_id, encoding)
            else:
                channel_id, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(body)
                if channel_id not in self._channels:
                    self._note(f"a message needs channel {channel_id}, which is not in the file")
                    return
                start, length = body_at + _MESSAGE_HEAD.size, len(body) - _MESSAGE_HEAD.size
                self._entries.append(_Entry(time_ns, len(self._entries), channel_id, chunk_at, start, length))
        except (struct.error, UnicodeDecodeError) as error:
            self._note(f"a record of opcode {opcode} near byte {max(chunk_at, body_at)} is damaged: {error}")


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(opcode, start of the body, its length) of every whole record."""
    at = 0
    while at + _RECORD_HEAD.size <= len(data):
        opcode, length = _RECORD_HEAD.unpack_from(data, at)
        at += _RECORD_HEAD.size
        if at + length > len(data):
            return
        yield opcode, at, length
        at += length


def _chunk_records(body: bytes) -> bytes:
    """The unpacked records of a chunk; of one that is cut and not compressed, what is there."""
    _, _, size, crc = _CHUNK_HEAD.unpack_from(body)
    compression, at = _string(body, _CHUNK_HEAD.size)
    (packed_size,) = struct.unpack_from("<Q", body, at)
    packed = body[at + 8 : at + 8 + packed_size]
    if compression == "":
        records = packed
    elif len(packed) < packed_size:
        raise ValueError(f"needed {packed_size} bytes of {compression}, got {len(packed)}")
    elif compression == "zstd":
        records = zstd.decompress(packed)
    elif compression == "lz4":
        records = lz4.frame.decompress(packed)
    else:
        raise ValueError(f"unknown compression {compression!r}, needed zstd, lz4 or none")
    if len(records) == size and crc and zlib.crc32(records) != crc:
        raise ValueError("its checksum is wrong")
    return records


def _string(data: bytes, at: int) -> tuple[str, int]:
    """A length-prefixed string and the offset after it."""
    (length,) = struct.unpack_from("<I", data, at)
    end = at + 4 + length
    if end > len(data):
        raise struct.error(f"needed {length} bytes of text, got {len(data) - at - 4}")
    return data[at + 4 : end].decode(), end
