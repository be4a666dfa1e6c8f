"""The residual codes of points."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers.rvq_fit import ResidualCodes

Array = NDArray[Any]

# Points whose distances to a thousand codes still fit a core's cache.
_ROWS = 256
# Codes that each kept start of a row offers.
_BRANCHES = 2


class BeamSearch:
    """Finds codes of points stage by stage, keeping the `beam` best starts; 1 is greedy.

    Products are torch's, and the rest numpy's, whose operations on a single point cost a fifth of torch's and whose
    argmin is several times as quick.
    """

    def __init__(self, codes: ResidualCodes, beam: int) -> None:
        self.beam = beam
        books = codes.codes.detach().cpu().numpy()
        self.num_codes, vocabulary, self.dims = books.shape
        # Points have a 1 at their end, which no code takes away; so one product gives their squared distances from
        # the codes, less their own square.
        self.books = np.concatenate([books, np.zeros((self.num_codes, vocabulary, 1), np.float32)], 2)
        squares = (books * books).sum(2)[:, None]
        self.products = torch.from_numpy(np.concatenate([-2 * books.transpose(0, 2, 1), squares], 1))
        self.frame_of = codes.frame_of.cpu().numpy()
        rotations, sizes = codes.rotations.cpu(), codes.sizes.cpu()
        self.into_frame = (rotations / sizes[:, None, None]).contiguous()
        self.squared_sizes = sizes.square().numpy()

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Codes, int64 [P, N], of points [P, K]; on the points' device."""
        rows = points.detach().cpu().float().numpy()
        rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], 1)
        # Used again and again, so that the distances stay in the cache.
        memory = torch.empty(min(len(rows), _ROWS) * self.beam, self.books.shape[1])
        found = [self._block(rows[start : start + _ROWS], memory) for start in range(0, len(rows), _ROWS)]
        empty = np.zeros((0, self.num_codes), np.int64)
        return torch.from_numpy(np.concatenate(found) if found else empty).to(points.device)

    def _block(self, points: Array, memory: torch.Tensor) -> Array:
        row = np.arange(len(points))[:, None]
        code, _ = self._nearest(0, points, self.beam, memory)
        frames = self.frame_of[code]
        residuals = points[:, None] - self.books[0][code]
        residuals[..., : self.dims] = self._turned(residuals[..., : self.dims], frames)
        # Squared lengths in the frames, and what they count for.
        squares = np.square(residuals[..., : self.dims]).sum(2)
        scale = self.squared_sizes[frames]
        ids = np.empty((*code.shape, self.num_codes), np.int64)
        ids[..., 0] = code
        for stage in range(1, self.num_codes):
            last = stage == self.num_codes - 1
            starts = residuals.shape[1]
            branches = 1 if self.beam == 1 or last else _BRANCHES
            code, less = self._nearest(stage, residuals.reshape(-1, self.dims + 1), branches, memory)
            code = code.reshape(len(points), -1)
            if self.beam > 1:
                squares = (squares[..., None] + less.reshape(len(points), starts, branches)).reshape(code.shape)
                scale = scale.repeat(branches, 1)
                order = (squares * scale).argsort(1)[:, : 1 if last else self.beam]
                parent, code = order // branches, code[row, order]
                squares, scale = squares[row, order], scale[row, order]
                residuals, ids = residuals[row, parent], ids[row, parent]
            residuals = residuals - self.books[stage][code]
            ids[..., stage] = code
        return ids[:, 0]

    def _turned(self, residuals: Array, frames: Array) -> Array:
        """Residuals [P, beam, K] in their frames [P, beam]."""
        turns = self.into_frame[torch.from_numpy(frames.ravel())]
        rows = torch.from_numpy(residuals.reshape(-1, 1, self.dims))
        turned: Array = torch.bmm(rows, turns).numpy().reshape(residuals.shape)
        return turned

    def _nearest(self, stage: int, points: Array, count: int, memory: torch.Tensor) -> tuple[Array, Array]:
        """Indices and squared distances less the points' own squares, both [P, count], of the nearest codes."""
        product = torch.mm(torch.from_numpy(points), self.products[stage], out=memory[: len(points)])
        distances = product.numpy()
        row = np.arange(len(points))
        codes = np.empty((len(points), count), np.int64)
        values = np.empty((len(points), count), np.float32)
        for place in range(count):
            codes[:, place] = nearest = distances.argmin(1)
            values[:, place] = distances[row, nearest]
            if place < count - 1:
                distances[row, nearest] = np.inf
        return codes, values
