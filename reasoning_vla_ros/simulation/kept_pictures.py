"""Pictures that are drawn once: training asks for the same one several times."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

FASTEST = 1  # of zlib's levels: drawn pictures shrink to a fifteenth even so, and unpack ten times as fast as they draw


class KeptPictures:
    """Draws pictures, and keeps them packed, without loss.

    Args:
        draw: gives the picture of a key, uint8 [H, W, 3].
        max_bytes: that are kept at most; further pictures are drawn each time.
    """

    def __init__(self, draw: Callable[..., NDArray[np.uint8]], max_bytes: int = 3 * 2**30) -> None:
        self.draw, self.max_bytes = draw, max_bytes
        self.num_bytes = 0
        self._packed: dict[Hashable, tuple[tuple[int, ...], bytes]] = {}

    def __getitem__(self, key: Hashable) -> NDArray[np.uint8]:
        """The picture of a key, which is drawn at most once while there is room."""
        if key in self._packed:
            shape, packed = self._packed[key]
            return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
        picture = self.draw(key)
        packed = zlib.compress(picture.tobytes(), FASTEST)
        if self.num_bytes + len(packed) <= self.max_bytes:
            self._packed[key] = picture.shape, packed
            self.num_bytes += len(packed)
        return picture
