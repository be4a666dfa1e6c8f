"""Integers as text, by Python's own strings (RT-2, arXiv 2307.15818)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def plain_write(actions: Floats, low: Floats, high: Floats, bins: int) -> list[str]:
    """Texts of actions [B, T, D] with ranges [D]."""
    texts = []
    for chunk in actions:
        levels = np.clip(np.rint((chunk - low) / (high - low) * (bins - 1)), 0, bins - 1).astype(int)
        texts.append(" ".join(str(level) for level in levels.ravel()))
    return texts


def plain_read(texts: Sequence[str], low: Floats, high: Floats, bins: int) -> NDArray[Any]:
    """Actions [B, T, D] of texts."""
    chunks = []
    for text in texts:
        levels = []
        for word in text.split(" "):
            if not 0 <= (level := int(word)) < bins:
                raise ValueError(f"levels lie in 0..{bins - 1}, got {word}")
            levels.append(level)
        chunks.append(np.array(levels).reshape(-1, len(low)) / (bins - 1) * (high - low) + low)
    return np.stack(chunks)
