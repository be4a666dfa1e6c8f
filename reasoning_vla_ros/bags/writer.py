"""Writing rosbag2 recordings without ROS."""

from __future__ import annotations

import shutil
import struct
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, final

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from reasoning_vla_ros.bags.errors import BagError, BagExistsError
from reasoning_vla_ros.bags.types import TYPESTORE

Storage = Literal["mcap", "sqlite3"]

_PLUGINS: dict[str, StoragePlugin] = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_FILE_STORAGES: dict[str, Storage] = {".mcap": "mcap", ".db3": "sqlite3"}
_NO_LIMIT = QosTime(9_223_372_036, 854_775_807)  # the infinite duration of rmw: int64 nanoseconds


@final
class BagWriter:
    """Writes a bag; a context manager. The bag appears under its name once it is whole, or not at all.

    A path that ends in ``.mcap`` or ``.db3`` becomes that single file, any other a rosbag2 folder with metadata.yaml;
    ``ros2 bag play`` and :class:`BagReader` take both.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        storage: Storage | None = None,
        overwrite: bool = False,
        compress: bool = False,
        latched_topics: tuple[str, ...] = ("/tf_static",),
    ) -> None:
        """
        Args:
            path: where the bag goes; missing parent folders are made.
            storage: by default what the path's suffix says, "mcap" for a folder.
            overwrite: replace a bag that is already there; only a bag is ever replaced.
            compress: zstd chunks; mcap only.
            latched_topics: recorded as reliable and transient local, so that a late subscriber still gets the
                last message on replay.

        Raises:
            BagExistsError: the path is taken and `overwrite` is off, or what is there is no bag.
            BagError: a storage that is unknown or contradicts the path's suffix.
        """
        self.path = Path(path)
        implied = _FILE_STORAGES.get(self.path.suffix)
        chosen = storage or implied or "mcap"
        if chosen not in _PLUGINS:
            raise BagError(f"unknown bag storage {chosen!r}, needed one of {', '.join(_PLUGINS)}")
        if implied and chosen != implied:
            raise BagError(f"{self.path} names a {implied} file, but storage {chosen!r} was asked for")
        if compress and chosen != "mcap":
            raise BagError(f"only mcap bags are written compressed, got storage {chosen!r}")
        self.storage: Storage = chosen
        self._is_single_file = implied is not None
        self._overwrite = overwrite
        self._compress = compress
        self._latched_topics = frozenset(latched_topics)
        self._connections: dict[str, Connection] = {}
        self._scratch: Path | None = None
        self._writer: Writer | None = None
        self._check_target()

    def write(self, topic: str, msg: Any, stamp_ns: int) -> None:
        """Append a message.

        Args:
            topic: topic name; its type is that of its first message.
            msg: message of a class of :mod:`reasoning_vla_ros.bags.types`.
            stamp_ns: log time in nanoseconds, not negative.

        Raises:
            BagError: the writer is not open, the message has no known type or another than the topic, a field does
                not fit its type, or the time is negative.
        """
        if self._writer is None:
            raise BagError(f"the writer of {self.path} is not open, use it as a context manager")
        if stamp_ns < 0:
            raise BagError(f"{topic}: a log time must not be negative, got {stamp_ns} ns")
        msg_type = getattr(msg, "__msgtype__", None)
        if msg_type not in TYPESTORE.fielddefs:
            raise BagError(f"{topic}: needed a message of reasoning_vla_ros.bags.types, got {type(msg).__name__}")
        connection = self._connections.get(topic)
        if connection is None:
            qos = [_LATCHED_QOS] if topic in self._latched_topics else [_DEFAULT_QOS]
            connection = self._writer.add_connection(topic, msg_type, typestore=TYPESTORE, offered_qos_profiles=qos)
            self._connections[topic] = connection
        if connection.msgtype != msg_type:
            raise BagError(f"{topic} holds {connection.msgtype}, got {msg_type}")
        try:
            data = TYPESTORE.serialize_cdr(msg, msg_type)
        except (struct.error, TypeError, ValueError, AttributeError, AssertionError) as error:
            raise BagError(f"{topic}: a field of {msg_type} does not fit its type: {error}") from error
        self._writer.write(connection, stamp_ns, data)

    def __enter__(self) -> BagWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        self._writer = Writer(
            self._scratch / self.path.stem if self._is_single_file else self._scratch / self.path.name,
            version=Writer.VERSION_LATEST,
            storage_plugin=_PLUGINS[self.storage],
        )
        if self._compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        writer, self._writer = self._writer, None
        scratch, self._scratch = self._scratch, None
        if writer is None or scratch is None:
            return
        try:
            if exc_type is None:
                writer.close()
                self._move_into_place(writer.path, scratch)
            else:
                writer.abort()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _check_target(self) -> None:
        if not self.path.exists() and not self.path.is_symlink():
            return
        if not self._overwrite:
            raise BagExistsError(f"{self.path} exists already; give another path or ask to overwrite it")
        is_bag = (self.path / "metadata.yaml").is_file() or (self.path.is_file() and self.path.suffix in _FILE_STORAGES)
        if not is_bag:
            raise BagExistsError(f"{self.path} exists and is not a bag, so it is not overwritten")

    def _move_into_place(self, folder: Path, scratch: Path) -> None:
        finished = folder
        if self._is_single_file:
            finished = next(file for file in folder.iterdir() if file.suffix == self.path.suffix)
        self._check_target()  # again: it may have come about meanwhile
        replaced = scratch / "replaced"
        if self.path.exists():
            self.path.rename(replaced)
        try:
            finished.rename(self.path)
        except OSError:
            if replaced.exists():
                replaced.rename(self.path)
            raise


def _qos(durability: QosDurability, depth: int) -> Qos:
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=_NO_LIMIT,
        lifespan=_NO_LIMIT,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_NO_LIMIT,
        avoid_ros_namespace_conventions=False,
    )


_DEFAULT_QOS = _qos(QosDurability.VOLATILE, depth=10)
_LATCHED_QOS = _qos(QosDurability.TRANSIENT_LOCAL, depth=1)
