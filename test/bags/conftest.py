"""Small bags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.bags import BagWriter
from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.messages.stamps import ns_to_stamp

START_NS = 1_600_000_000 * 10**9
STEP_NS = 20_000_000


def string_message(index: int) -> Any:
    return t.String(data=f"{index:06d} " + "x" * 3000)


def image_message(index: int) -> Any:
    stamp = ns_to_stamp(START_NS + index * STEP_NS, t.Time)
    pixels = np.random.default_rng(index).integers(0, 256, 4 * 5 * 3, dtype=np.uint8)
    header = t.Header(stamp=stamp, frame_id="camera")
    return t.Image(header=header, height=4, width=5, encoding="rgb8", is_bigendian=0, step=15, data=pixels)


@pytest.fixture
def write_bag() -> Callable[..., Path]:
    """Writes a bag of `count` strings on /text (about 1 MB in 350) and a third as many images on /image."""

    def write(path: Path, count: int = 60, **options: Any) -> Path:
        with BagWriter(path, **options) as writer:
            for index in range(count):
                writer.write("/text", string_message(index), START_NS + index * STEP_NS)
                if index % 3 == 0:
                    writer.write("/image", image_message(index), START_NS + index * STEP_NS)
        return path

    return write
