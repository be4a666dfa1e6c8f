"""Residual codes, one trajectory and one start at a time (SoundStream, arXiv 2107.03312, with a beam)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def plain_encode(actions: NDArray[Any], learned: dict[str, torch.Tensor], beam: int) -> NDArray[Any]:
    """Ids [B, N] of actions [B, T, D], with the tensors of a fitted `rvq`."""
    arrays = {name: tensor.numpy() for name, tensor in learned.items()}
    books, rotations, sizes = arrays["codes"], arrays["rotations"], arrays["sizes"]
    rows = []
    for chunk in actions:
        point = (chunk.ravel() - arrays["mean"]) @ arrays["basis"]
        starts = []
        for code in _nearest(point, books[0], beam):
            frame = arrays["frame_of"][code]
            starts.append(([code], (point - books[0][code]) @ rotations[frame] / sizes[frame], sizes[frame] ** 2))
        for book in books[1:]:
            longer = []
            for ids, residual, scale in starts:
                for code in _nearest(residual, book, min(beam, 2)):
                    left = residual - book[code]
                    longer.append((float(left @ left) * scale, [*ids, code], left, scale))
            longer.sort(key=lambda start: start[0])
            starts = [start[1:] for start in longer[:beam]]
        rows.append(starts[0][0])
    return np.array(rows)


def _nearest(point: NDArray[Any], codes: NDArray[Any], count: int) -> list[int]:
    distances = ((codes - point) ** 2).sum(1)
    return [int(code) for code in distances.argsort()[:count]]
