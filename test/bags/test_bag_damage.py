"""Bags that are empty, cut short, damaged, or not quite as this package writes them."""

from __future__ import annotations

import re
import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from reasoning_vla_ros.bags import (
    BagEmptyError,
    BagError,
    BagNotFoundError,
    BagReader,
    BagTruncatedError,
    BagTruncatedWarning,
    BagWriter,
)
from reasoning_vla_ros.bags import types as t

WriteBag = Callable[..., Path]
COUNT = 700  # strings of 3 kB: three chunks of 1 MiB


def read_all(path: Path, on_truncated: Literal["error", "warn"] = "error") -> tuple[list[str], str | None]:
    """The texts that were read, and the damage that was raised in the end."""
    texts: list[str] = []
    damage = None
    with BagReader(path, on_truncated=on_truncated) as reader:
        try:
            texts.extend(msg.data[:6] for _, _, msg in reader.messages(["/text"]))
        except BagTruncatedError as error:
            damage = error
    assert damage is None or damage.messages_read == len(texts)
    return texts, None if damage is None else str(damage)


@pytest.fixture(scope="module")
def whole_bags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Bytes of a bag in each form."""
    folder = write_bags(tmp_path_factory.mktemp("whole"), COUNT)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def small_bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bags(tmp_path_factory.mktemp("small"), 30)


def write_bags(folder: Path, count: int) -> Path:
    for name, compress in (("plain.mcap", False), ("packed.mcap", True), ("plain.db3", False)):
        with BagWriter(folder / name, compress=compress) as writer:
            for index in range(count):
                writer.write("/text", t.String(data=f"{index:06d} " + "x" * 3000), index + 1)
    return folder


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("name", ["plain.mcap", "plain.db3"])
def test_a_cut_bag_gives_what_lies_before_the_cut(
    name: str, share: float, tmp_path: Path, whole_bags: dict[str, bytes]
) -> None:
    data = whole_bags[name]
    path = tmp_path / name
    path.write_bytes(data[: int(share * len(data))])
    texts, damage = read_all(path)
    assert texts == [f"{index:06d}" for index in range(len(texts))]
    assert 0.8 * share * COUNT - 15 <= len(texts) <= 1.01 * share * COUNT + 1
    assert damage is not None
    assert f"{len(texts)} messages were read" in damage
    assert f"the file ends after {int(share * len(data))}" in damage


@pytest.mark.parametrize("name", ["large.mcap", "large.db3"])
def test_messages_larger_than_a_page_survive_a_cut(name: str, tmp_path: Path) -> None:
    texts = [f"{index:06d}" + chr(65 + index) * 50_000 for index in range(20)]
    with BagWriter(tmp_path / name) as writer:
        for index, text in enumerate(texts):
            writer.write("/text", t.String(data=text), index)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(0.6 * len(data))])
    with BagReader(tmp_path / name) as reader:
        assert 9 <= reader.message_count <= 12
        with pytest.warns(BagTruncatedWarning), BagReader(tmp_path / name, on_truncated="warn") as lenient:
            read = [msg.data for _, _, msg in lenient.messages()]
    assert read == texts[: reader.message_count]


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(["plain.mcap", "packed.mcap", "plain.db3"]),
    changes=st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=4),
    where=st.sampled_from(["start", "end", "anywhere"]),
)
def test_any_damage_is_a_bag_error_or_harmless(
    name: str, changes: list[tuple[int, int]], where: str, small_bags: Path
) -> None:
    data = bytearray((small_bags / name).read_bytes())
    for position, value in changes:
        reach = len(data) if where == "anywhere" else min(2000, len(data))
        data[position % reach if where != "end" else -1 - position % reach] = value
    path = small_bags / f"damaged{Path(name).suffix}"
    path.write_bytes(data)
    message = ""
    count = 0
    try:
        with BagReader(path) as reader:
            count = sum(1 for _ in reader.messages())
    except BagError as error:
        message = str(error)
    assert count == 30 or str(path) in message


def test_a_cut_compressed_bag_gives_its_whole_chunks(tmp_path: Path, whole_bags: dict[str, bytes]) -> None:
    data = whole_bags["packed.mcap"]
    path = tmp_path / "cut.mcap"
    counts = set()
    for length in range(200, len(data), 400):
        path.write_bytes(data[:length])
        try:
            texts, damage = read_all(path)
        except BagTruncatedError as error:
            texts, damage = [], str(error)
        assert texts == [f"{index:06d}" for index in range(len(texts))]
        assert damage is not None
        counts.add(len(texts))
    assert counts >= {0, COUNT}
    assert len(counts) == 4  # none, one, two or three chunks


@pytest.mark.parametrize("lost_bytes", [1, 8, 30, 37, 60, 200])
@pytest.mark.parametrize("name", ["plain.mcap", "packed.mcap"])
def test_an_mcap_without_its_end_still_gives_every_message(
    name: str, lost_bytes: int, tmp_path: Path, whole_bags: dict[str, bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(whole_bags[name][:-lost_bytes])
    texts, damage = read_all(path)
    assert len(texts) == COUNT
    assert damage is not None
    assert "within its summary" in damage


def test_a_warning_may_take_the_place_of_the_error(tmp_path: Path, whole_bags: dict[str, bytes]) -> None:
    path = tmp_path / "cut.mcap"
    path.write_bytes(whole_bags["plain.mcap"][:1_000_000])
    with pytest.warns(BagTruncatedWarning, match=r"cut\.mcap is damaged: .* messages were read"):
        texts, damage = read_all(path, on_truncated="warn")
    assert len(texts) > 300
    assert damage is None
    with pytest.raises(ValueError, match="got 'ignore'"):
        BagReader(path, on_truncated="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["plain.mcap", "plain.db3"])
def test_nothing_readable_is_an_error_at_once(name: str, tmp_path: Path, whole_bags: dict[str, bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(whole_bags[name][:60])
    with pytest.raises(BagTruncatedError, match="0 messages were read"), BagReader(path):
        pass


@pytest.mark.parametrize("name", ["noise.mcap", "noise.db3"])
def test_noise_is_no_bag(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 40)
    with pytest.raises(BagTruncatedError, match="0 messages were read"), BagReader(tmp_path / name):
        pass


def test_a_folder_whose_file_was_cut(tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / "bag", count=COUNT)
    file = path / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    texts, damage = read_all(path)
    assert 300 < len(texts) < 360
    assert damage is not None


def test_a_folder_without_metadata_is_read_by_its_files(tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / "bag")
    (path / "metadata.yaml").unlink()
    assert len(read_all(path)[0]) == 60


def test_a_folder_of_several_files_is_read_in_order_of_time(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    for part in (0, 2, 10):
        with BagWriter(folder / f"split_{part}.mcap") as writer:
            writer.write("/text", t.String(data=f"{part:06d}"), part + 1)
    assert read_all(folder)[0] == ["000000", "000002", "000010"]


def test_metadata_without_its_file(tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / "bag")
    (path / "bag.mcap").unlink()
    with pytest.raises(BagError, match=r"bag cannot be read: .*missing"), BagReader(path):
        pass


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_without_messages(storage: StoragePlugin, tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=9, storage_plugin=storage) as writer:
        writer.add_connection("/text", "std_msgs/msg/String", typestore=t.TYPESTORE)
    bare = next(file for file in (tmp_path / "bag").iterdir() if file.suffix != ".yaml")
    for path in (tmp_path / "bag", bare):
        with pytest.raises(BagEmptyError, match="holds no messages, needed at least one"), BagReader(path):
            pass


def test_paths_that_are_no_bag(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty.mcap").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name, error, needed in (
        ("absent", BagNotFoundError, "absent does not exist"),
        ("notes.txt", BagNotFoundError, "needed a rosbag2 folder or a file ending in .mcap or .db3"),
        ("folder", BagNotFoundError, "needed metadata.yaml or files ending in .mcap or .db3"),
        ("empty.mcap", BagEmptyError, "is an empty file"),
    ):
        with pytest.raises(error, match=needed), BagReader(tmp_path / name):
            pass


def string(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def text_record(time_ns: int, text: str) -> bytes:
    cdr = b"\x00\x01\x00\x00" + struct.pack("<I", len(text) + 1) + text.encode() + b"\x00"
    return record(5, struct.pack("<HIQQ", 1, 0, time_ns, time_ns) + cdr)


def chunk_record(content: bytes, crc: int) -> bytes:
    return record(
        6, struct.pack("<QQQI", 0, 9, len(content), crc) + string("") + struct.pack("<Q", len(content)) + content
    )


MAGIC = b"\x89MCAP0\r\n"
HEAD = MAGIC + record(1, string("ros2") + string("by hand"))
SCHEMA = record(3, struct.pack("<H", 1) + string("std_msgs/msg/String") + string("ros2msg") + string("string data\n"))
CHANNEL = record(4, struct.pack("<HH", 1, 1) + string("/text") + string("cdr") + struct.pack("<I", 0))
TAIL = record(15, bytes(4)) + record(2, bytes(20)) + MAGIC


def test_an_mcap_without_index_or_chunks_is_whole_and_read_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "fast.mcap"
    path.write_bytes(HEAD + SCHEMA + CHANNEL + text_record(5, "later") + text_record(3, "first") + TAIL)
    with BagReader(path) as reader:
        assert reader.damage is None
        assert [(time_ns, msg.data) for _, time_ns, msg in reader.messages()] == [(3, "first"), (5, "later")]


def test_a_damaged_chunk_costs_only_its_own_messages(tmp_path: Path) -> None:
    path = tmp_path / "middle.mcap"
    first, second, third = (text_record(time_ns, str(time_ns)) for time_ns in (1, 2, 3))
    chunks = [
        chunk_record(SCHEMA + CHANNEL + first, zlib.crc32(SCHEMA + CHANNEL + first)),
        chunk_record(second, zlib.crc32(second) ^ 1),
        chunk_record(third, zlib.crc32(third)),
    ]
    path.write_bytes(HEAD + b"".join(chunks) + TAIL)
    texts, damage = read_all(path)
    assert texts == ["1", "3"]
    assert damage is not None
    assert re.search(rf"the chunk at byte {len(HEAD) + len(chunks[0])} cannot be unpacked: its checksum", damage)


def test_a_message_that_does_not_fit_its_definition(tmp_path: Path) -> None:
    path = tmp_path / "bad.mcap"
    bad = record(5, struct.pack("<HIQQ", 1, 0, 7, 7) + b"\x00\x01\x00\x00" + struct.pack("<I", 999) + b"abc")
    path.write_bytes(HEAD + SCHEMA + CHANNEL + text_record(3, "fine") + bad + TAIL)
    with BagReader(path) as reader, pytest.raises(BagError, match="/text at 7 ns after 1 others does not fit"):
        list(reader.messages())


def test_types_that_only_the_bag_knows(tmp_path: Path) -> None:
    schema = record(
        3, struct.pack("<H", 1) + string("other_msgs/msg/Word") + string("ros2msg") + string("string word\n")
    )
    path = tmp_path / "other.mcap"
    path.write_bytes(HEAD + schema + CHANNEL + text_record(3, "hello") + TAIL)
    with BagReader(path) as reader:
        ((_, _, msg),) = reader.messages()
    assert msg.word == "hello"


@pytest.mark.parametrize(
    ("name", "encoding", "definition", "needed"),
    [
        ("other_msgs/msg/Word", "", "", "unknown type other_msgs/msg/Word and the bag does not record its definition"),
        ("other_msgs/msg/Word", "ros2msg", "%%%", "recorded definition of other_msgs/msg/Word is unusable"),
        (
            "other_msgs/msg/Word",
            "ros2msg",
            "Absent x",
            "recorded definition of .* is unusable: 'other_msgs/msg/Absent'",
        ),
    ],
)
def test_types_that_nobody_knows(name: str, encoding: str, definition: str, needed: str, tmp_path: Path) -> None:
    schema = record(3, struct.pack("<H", 1) + string(name) + string(encoding) + string(definition))
    path = tmp_path / "other.mcap"
    path.write_bytes(HEAD + schema + CHANNEL + text_record(3, "hello") + TAIL)
    with BagReader(path) as reader:
        assert reader.topics["/text"].msg_type == name
        with pytest.raises(BagError, match=needed):
            list(reader.messages())


def test_an_old_sqlite_bag_without_definitions_is_read_by_known_types(tmp_path: Path, write_bag: WriteBag) -> None:
    path = write_bag(tmp_path / "humble.db3")
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE message_definitions; UPDATE schema SET schema_version = 3;")
    connection.close()
    assert len(read_all(path)[0]) == 60


def test_reading_leaves_a_bag_as_it_was(tmp_path: Path, whole_bags: dict[str, bytes]) -> None:
    folder = tmp_path / "only"
    folder.mkdir()
    path = folder / "cut.db3"
    path.write_bytes(whole_bags["plain.db3"][:700_000])
    before = path.read_bytes()
    assert read_all(path)[1] is not None
    assert path.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["cut.db3"]
