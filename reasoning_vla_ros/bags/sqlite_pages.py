"""Rows of a damaged SQLite file, found page by page.

A database that was cut short often loses the inner nodes of its trees, and with them SQLite's way to rows that are
still there. The leaves can be found without: see "Database File Format", https://www.sqlite.org/fileformat2.html
(sections 1.6 B-tree pages, 1.5 overflow, 2.1 record format). Numbers below are those of that document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
_TABLE_LEAF = 0x0D
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)


@dataclass(frozen=True)
class PageLayout:
    """Page size, bytes of it in use, and the number of pages by the header."""

    page_bytes: int
    usable_bytes: int
    num_pages: int


@dataclass(frozen=True)
class Cell:
    """A row: its id, how much of the record lies at `at` in the file, and the overflow pages with the rest."""

    row_id: int
    payload_bytes: int
    at: int
    local_bytes: int
    overflow_pages: tuple[int, ...]


def read_layout(file: BinaryIO) -> PageLayout | None:
    """The layout by the file's header, None where there is no SQLite header."""
    file.seek(0)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        return None
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    if page_bytes < 512 or page_bytes - header[20] < 480:
        return None
    return PageLayout(page_bytes, page_bytes - header[20], int.from_bytes(header[28:32], "big"))


def layout_of(path: Path) -> PageLayout | None:
    """:func:`read_layout` of a path."""
    with path.open("rb") as file:
        return read_layout(file)


def table_cells(file: BinaryIO, layout: PageLayout) -> Iterator[Cell]:
    """Every row of every table whose record is complete in the file, in order of pages."""
    available = file.seek(0, 2) // layout.page_bytes
    for page_number in range(1, available + 1):
        start = (page_number - 1) * layout.page_bytes
        file.seek(start)
        page = file.read(layout.page_bytes)
        head = HEADER_BYTES if page_number == 1 else 0
        if page[head] != _TABLE_LEAF:
            continue
        for index in range(int.from_bytes(page[head + 3 : head + 5], "big")):
            pointer = head + 8 + 2 * index
            offset = int.from_bytes(page[pointer : pointer + 2], "big")
            cell = _cell(file, layout, available, page, start, offset)
            if cell is not None:
                yield cell


def read_values(file: BinaryIO, layout: PageLayout, cell: Cell, num_columns: int) -> list[int | bytes | None]:
    """The columns of a row: integers, None, and text, blobs and floats as their bytes.

    A malformed record, or one without exactly `num_columns`, gives [].
    """
    payload = _payload(file, layout, cell)
    header_bytes, at = _varint(payload, 0)
    if header_bytes > len(payload):
        return []
    body = header_bytes
    values: list[int | bytes | None] = []
    while at < header_bytes and len(values) <= num_columns:
        kind, at = _varint(payload, at)
        if kind >= 12:
            size = (kind - 12) // 2
        elif kind == 7:
            size = 8
        else:
            size = _INTEGER_BYTES[kind] if kind < len(_INTEGER_BYTES) else 0
        raw = payload[body : body + size]
        body += size
        if kind == 0:
            values.append(None)
        elif kind in (8, 9):
            values.append(kind - 8)
        else:
            values.append(raw if kind >= 7 else int.from_bytes(raw, "big", signed=True))
    return values if body == len(payload) and len(values) == num_columns else []


def _cell(file: BinaryIO, layout: PageLayout, available: int, page: bytes, start: int, offset: int) -> Cell | None:
    payload_bytes, at = _varint(page, offset)
    row_id, at = _varint(page, at)
    usable = layout.usable_bytes
    local_bytes = payload_bytes
    if payload_bytes > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        fitting = least + (payload_bytes - least) % (usable - 4)
        local_bytes = fitting if fitting <= usable - 35 else least
    if at + local_bytes > len(page):
        return None
    num_overflow = -(-(payload_bytes - local_bytes) // (usable - 4))
    if num_overflow > available:
        return None
    overflow: list[int] = []
    following = int.from_bytes(page[at + local_bytes : at + local_bytes + 4], "big")
    for _ in range(num_overflow):
        if not 0 < following <= available:
            return None
        overflow.append(following)
        file.seek((following - 1) * layout.page_bytes)
        following = int.from_bytes(file.read(4), "big")
    return Cell(row_id, payload_bytes, start + at, local_bytes, tuple(overflow))


def _payload(file: BinaryIO, layout: PageLayout, cell: Cell) -> bytes:
    file.seek(cell.at)
    parts = [file.read(cell.local_bytes)]
    for page_number in cell.overflow_pages:
        file.seek((page_number - 1) * layout.page_bytes + 4)
        parts.append(file.read(layout.usable_bytes - 4))
    return b"".join(parts)[: cell.payload_bytes]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A big-endian number of 1 to 9 bytes, 7 bits each but for all 8 of the ninth, and the offset after it."""
    value = 0
    for count, byte in enumerate(data[at : at + 9], start=1):
        if count == 9:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + count
    return value, len(data)
