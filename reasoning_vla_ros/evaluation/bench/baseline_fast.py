"""FAST chunk by chunk (arXiv 2501.09747): a DCT, characters, byte-pair coding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from tokenizers import Tokenizer


class PlainFast:
    """Encodes and decodes one chunk after the other, with the text of a tokenizer.json."""

    def __init__(self, definition: str, scale: float, min_token: int, shape: tuple[int, int]) -> None:
        self.tokenizer = Tokenizer.from_str(definition)
        self.scale, self.min_token, self.shape = scale, min_token, shape

    def encode(self, actions: NDArray[Any]) -> list[list[int]]:
        """Ids of chunks [B, T, D]."""
        rows = []
        for chunk in actions:
            coefficients = np.around(scipy.fft.dct(chunk, axis=0, norm="ortho") * self.scale).astype(int)
            text = "".join(map(chr, np.maximum(coefficients.ravel() - self.min_token, 0)))
            rows.append(self.tokenizer.encode(text, add_special_tokens=False).ids)
        return rows

    def decode(self, rows: Sequence[Sequence[int]]) -> NDArray[Any]:
        """Chunks [B, T, D] of ids."""
        chunks = []
        for ids in rows:
            text = self.tokenizer.decode(ids, skip_special_tokens=False)
            coefficients = np.array([ord(character) for character in text]) + self.min_token
            chunks.append(scipy.fft.idct(coefficients.reshape(self.shape) / self.scale, axis=0, norm="ortho"))
        return np.stack(chunks)
