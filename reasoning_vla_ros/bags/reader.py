"""Reading rosbag2 recordings without ROS."""

from __future__ import annotations

import heapq
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, final

from rosbags.serde import SerdeError

from reasoning_vla_ros.bags.definitions import MessageDecoder
from reasoning_vla_ros.bags.errors import (
    BagEmptyError,
    BagError,
    BagNotFoundError,
    BagTopicsError,
    BagTruncatedError,
    BagTruncatedWarning,
)
from reasoning_vla_ros.bags.mcap_scan import McapScan, mcap_has_index
from reasoning_vla_ros.bags.sqlite_scan import SqliteScan, sqlite_is_whole
from reasoning_vla_ros.bags.storage import DAMAGE_ERRORS, MAX_TIME_NS, IndexedStorage, RawMessage, Storage

BAG_SUFFIXES = (".mcap", ".db3")


@dataclass(frozen=True)
class TopicInfo:
    """Type and number of messages of a topic. `msg_type` joins several types of one topic by " | "."""

    msg_type: str
    count: int


@final
class BagReader:
    """Reads a bag; a context manager.

    Takes a rosbag2 folder (also one that lost its metadata.yaml), a bare ``.mcap`` or a bare ``.db3`` file. The bag's
    own message definitions are used where it records them, so its types need not be known here.

    Attributes:
        path: as given.
        topics: type and count by topic name.
        message_count: messages in all; of a damaged bag, the readable ones.
        start_ns, end_ns: log times of the first and the last message, nanoseconds.
        damage: what is wrong with the bag, None for a whole one. Some damage shows up only while reading.
    """

    def __init__(self, path: Path | str, *, on_truncated: Literal["error", "warn"] = "error") -> None:
        """
        Args:
            path: the bag.
            on_truncated: of a damaged bag, :meth:`messages` yields what is readable and then raises
                BagTruncatedError ("error") or issues a BagTruncatedWarning and ends ("warn").
        """
        if on_truncated not in ("error", "warn"):
            raise ValueError(f'on_truncated must be "error" or "warn", got {on_truncated!r}')
        self.path = Path(path)
        self.topics: dict[str, TopicInfo] = {}
        self.message_count = 0
        self.start_ns = 0
        self.end_ns = 0
        self.damage: str | None = None
        self._on_truncated = on_truncated
        self._storages: list[Storage] = []
        self._decoder = MessageDecoder(())
        self._is_open = False

    def __enter__(self) -> BagReader:
        """Open the bag.

        Raises:
            BagNotFoundError: nothing there, or no bag.
            BagEmptyError: a bag without messages.
            BagTruncatedError: a damaged bag in which not one message can be read.
            BagError: it cannot be read for another reason.
        """
        self._storages = _open_storages(self.path)
        self._is_open = True
        try:
            self._summarise()
        except BagError:
            self._close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def require_topics(self, needed: Mapping[str, str | Collection[str]]) -> None:
        """Check that topics are there, with messages and of the right type.

        Args:
            needed: type by topic name, as in {"/odometry": "nav_msgs/msg/Odometry"}; several types may be allowed.

        Raises:
            BagTopicsError: what is missing or of another type, with all that the bag has.
        """
        faults = []
        for topic, types in needed.items():
            allowed = (types,) if isinstance(types, str) else tuple(types)
            info = self.topics.get(topic)
            if info is None:
                faults.append(f"{topic} [{' or '.join(allowed)}] is missing")
            elif info.msg_type not in allowed:
                faults.append(f"{topic} needs {' or '.join(allowed)}, has {info.msg_type}")
            elif info.count == 0:
                faults.append(f"{topic} [{info.msg_type}] has no messages")
        if faults:
            raise BagTopicsError(f"bag {self.path}: {'; '.join(faults)}. It has: {self._describe_topics()}")

    def messages(
        self, topics: Collection[str] | None = None, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[tuple[str, int, Any]]:
        """Messages in order of their log time.

        Args:
            topics: only these; None for all.
            start_ns, end_ns: first and last log time wanted, both included; None for no bound.

        Yields:
            (topic, log time in nanoseconds, message). Arrays of a message are read-only views of the bag's bytes.

        Raises:
            BagTopicsError: a topic that the bag has not.
            BagTruncatedError: after the readable messages of a damaged bag, unless `on_truncated` is "warn".
            BagError: the reader is not open, or a message does not fit its definition.
        """
        return self._decoded(self.raw_messages(topics, start_ns=start_ns, end_ns=end_ns))

    def raw_messages(
        self, topics: Collection[str] | None = None, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """The messages that :meth:`messages` yields, serialised as the bag has them, to be played again."""
        if not self._is_open:
            raise BagError(f"the reader of {self.path} is not open, use it as a context manager")
        wanted = frozenset(self.topics if topics is None else (topics,) if isinstance(topics, str) else topics)
        if missing := sorted(wanted - self.topics.keys()):
            raise BagTopicsError(f"bag {self.path}: {', '.join(missing)} is missing. It has: {self._describe_topics()}")
        return self._merged(wanted, 0 if start_ns is None else start_ns, MAX_TIME_NS if end_ns is None else end_ns)

    def _decoded(self, raw_messages: Iterator[RawMessage]) -> Iterator[tuple[str, int, Any]]:
        for count, raw in enumerate(raw_messages):
            try:
                message = self._decoder.decode(raw.data, raw.msg_type)
            except SerdeError as error:
                raise BagError(
                    f"bag {self.path}: the message of {raw.topic} at {raw.time_ns} ns after {count} others does not "
                    f"fit {raw.msg_type}: {error}"
                ) from error
            except BagError as error:
                raise BagError(f"bag {self.path}: {error}") from error
            yield raw.topic, raw.time_ns, message

    def _merged(self, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[RawMessage]:
        count = 0
        streams = [storage.messages(topics, start_ns, end_ns) for storage in self._storages]
        merged = heapq.merge(*streams, key=lambda raw: raw.time_ns)
        while (raw := self._next_raw(merged)) is not None:
            yield raw
            count += 1
        indexed = sum(self.topics[topic].count for topic in topics)
        if self.damage is None and count < indexed and start_ns <= self.start_ns and self.end_ns <= end_ns:
            self.damage = f"its index counts {indexed} messages, {indexed - count} of them were not found"
        if self.damage is not None:
            if self._on_truncated == "error":
                raise BagTruncatedError(self.path, self.damage, count)
            text = str(BagTruncatedError(self.path, self.damage, count))
            warnings.warn(text, BagTruncatedWarning, stacklevel=3)

    def _next_raw(self, merged: Iterator[RawMessage]) -> RawMessage | None:
        """The next message, or None at the end or at damage that the index did not show."""
        try:
            return next(merged, None)
        except DAMAGE_ERRORS as error:
            self.damage = f"{type(error).__name__}: {error}"
            return None

    def _summarise(self) -> None:
        channels = [channel for storage in self._storages for channel in storage.channels]
        self._decoder = MessageDecoder(channels)
        self.message_count = sum(channel.count for channel in channels)
        self.damage = "; ".join(storage.damage for storage in self._storages if storage.damage) or None
        if self.message_count == 0:
            if self.damage is not None:
                raise BagTruncatedError(self.path, self.damage, 0)
            raise BagEmptyError(f"bag {self.path} holds no messages, needed at least one")
        for topic in sorted({channel.topic for channel in channels}):
            own = [channel for channel in channels if channel.topic == topic]
            types = " | ".join(sorted({channel.msg_type for channel in own}))
            self.topics[topic] = TopicInfo(types, sum(channel.count for channel in own))
        filled = [storage for storage in self._storages if any(channel.count for channel in storage.channels)]
        self.start_ns = min(storage.start_ns for storage in filled)
        self.end_ns = max(storage.end_ns for storage in filled)

    def _describe_topics(self) -> str:
        return ", ".join(f"{topic} [{info.msg_type}] x{info.count}" for topic, info in self.topics.items())

    def _close(self) -> None:
        storages, self._storages, self._is_open = self._storages, [], False
        for storage in storages:
            storage.close()


def _open_storages(path: Path) -> list[Storage]:
    if not path.exists():
        raise BagNotFoundError(f"bag {path} does not exist")
    if path.is_file():
        if path.suffix not in BAG_SUFFIXES:
            raise BagNotFoundError(
                f"{path} is no bag: needed a rosbag2 folder or a file ending in {' or '.join(BAG_SUFFIXES)}"
            )
        return [_open_file(path)]
    files = sorted((file for file in path.iterdir() if file.suffix in BAG_SUFFIXES), key=_split_number)
    has_metadata = (path / "metadata.yaml").is_file()
    if not has_metadata and not files:
        raise BagNotFoundError(
            f"folder {path} is no bag: needed metadata.yaml or files ending in {' or '.join(BAG_SUFFIXES)}"
        )
    if has_metadata and all(_is_whole(file) for file in files):
        try:
            return [IndexedStorage(path)]
        except DAMAGE_ERRORS as error:
            raise BagError(f"bag {path} cannot be read: {error}") from error
    return [_open_file(file) for file in files]


def _split_number(file: Path) -> tuple[int, str]:
    """Order of a bag's files: name_2.mcap comes before name_10.mcap."""
    digits = file.stem.rpartition("_")[2]
    return (int(digits) if digits.isdecimal() else 0, file.name)


def _is_whole(file: Path) -> bool:
    return mcap_has_index(file) if file.suffix == ".mcap" else sqlite_is_whole(file)


def _open_file(file: Path) -> Storage:
    if file.stat().st_size == 0:
        raise BagEmptyError(f"bag {file} is an empty file, needed at least one message")
    if _is_whole(file):
        try:
            return IndexedStorage(file)
        except DAMAGE_ERRORS as error:
            return _scan_file(file, str(error))
    return _scan_file(file, None)


def _scan_file(file: Path, damage: str | None) -> Storage:
    storage: Storage = McapScan(file) if file.suffix == ".mcap" else SqliteScan(file)
    storage.damage = storage.damage or damage
    return storage
