"""A codebook that learns inside a network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from reasoning_vla_ros.tokenizers.kmeans import codebook_use, kmeans, nearest_code, sums_by_code


class Quantized(NamedTuple):
    """What a VectorQuantizer gives.

    Attributes:
        quantized: [..., embedding_dim], the codes; gradients pass straight through to the inputs.
        loss: scalar, commitment_cost times the mean squared distance of the inputs from their codes.
        perplexity: scalar, exp of the entropy of the batch's codes, 1..num_embeddings.
        encoding_indices: int64 [...], 0..num_embeddings-1.
    """

    quantized: torch.Tensor
    loss: torch.Tensor
    perplexity: torch.Tensor
    encoding_indices: torch.Tensor


class VectorQuantizer(nn.Module):
    """Vectors [..., embedding_dim] as the nearest of `num_embeddings` codes.

    VQ-VAE (arXiv 1711.00937) with codes that follow the moving averages of their inputs (its appendix; VQ-VAE-2,
    arXiv 1906.00446) rather than a gradient. The first batch in training mode places the codes by k-means, and codes
    that are hardly chosen any more begin anew at inputs of the batch, so that the codebook does not die. In
    evaluation mode nothing changes.

    Args:
        num_embeddings: codes.
        embedding_dim: numbers a code.
        commitment_cost: weight of the loss that draws inputs to their codes.
        decay: of the moving averages, a batch.
        revive_below: a code begins anew when it is chosen less often than this share of the average.
    """

    embeddings: torch.Tensor
    counts: torch.Tensor
    sums: torch.Tensor
    started: torch.Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        commitment_cost: float = 0.25,
        decay: float = 0.98,
        revive_below: float = 0.03,
    ) -> None:
        super().__init__()
        if num_embeddings < 2 or embedding_dim < 1:
            raise ValueError(
                f"num_embeddings must be at least 2 and embedding_dim 1, got {num_embeddings} and {embedding_dim}"
            )
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.commitment_cost = commitment_cost
        self.decay = decay
        self.revive_below = revive_below
        self.register_buffer("embeddings", torch.randn(num_embeddings, embedding_dim))
        self.register_buffer("counts", torch.ones(num_embeddings))
        self.register_buffer("sums", self.embeddings.clone())
        self.register_buffer("started", torch.tensor(False))

    def forward(self, inputs: torch.Tensor) -> Quantized:
        """See `Quantized`.

        Raises:
            ValueError: another last axis.
        """
        if inputs.ndim == 0 or inputs.shape[-1] != self.embedding_dim:
            raise ValueError(f"inputs need the shape [..., {self.embedding_dim}], got {list(inputs.shape)}")
        flat = inputs.reshape(-1, self.embedding_dim)
        if self.training and flat.numel() and not bool(self.started):
            self._start(flat.detach())
        indices = nearest_code(flat.detach(), self.embeddings.to(flat.dtype))
        quantized = self.embeddings.to(flat.dtype)[indices]
        loss = self.commitment_cost * F.mse_loss(flat, quantized)
        # The difference is exactly zero, so that the codes come through unrounded and the gradient goes to the inputs.
        straight_through = quantized + (flat - flat.detach())
        if self.training and flat.numel():
            self._follow(flat.detach().float(), indices)
        perplexity = flat.new_tensor(codebook_use(indices, self.num_embeddings).perplexity)
        lead = inputs.shape[:-1]
        return Quantized(straight_through.reshape(inputs.shape), loss, perplexity, indices.reshape(lead))

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """Indices, int64 [...], of the codes nearest to inputs [..., embedding_dim]."""
        return nearest_code(inputs.reshape(-1, self.embedding_dim), self.embeddings).reshape(inputs.shape[:-1])

    def decode(self, indices: torch.Tensor) -> torch.Tensor:
        """Codes [..., embedding_dim] of indices [...]."""
        return self.embeddings[indices]

    @torch.no_grad()
    def _start(self, flat: torch.Tensor) -> None:
        self.embeddings.copy_(kmeans(flat.float(), self.num_embeddings, iterations=5))
        self._weigh(slice(None), len(flat) / self.num_embeddings)
        self.started.fill_(True)

    @torch.no_grad()
    def _follow(self, flat: torch.Tensor, indices: torch.Tensor) -> None:
        chosen = torch.bincount(indices, minlength=self.num_embeddings).to(self.counts)
        self.counts.lerp_(chosen, 1 - self.decay)
        self.sums.lerp_(sums_by_code(flat, indices, self.num_embeddings), 1 - self.decay)
        average = float(self.counts.mean())
        dead = self.counts < self.revive_below * average
        self.embeddings.copy_(self.sums / self.counts.clamp_min(1e-12)[:, None])
        if bool(dead.any()):
            at = torch.randint(len(flat), (int(dead.sum()),), device=flat.device)
            self.embeddings[dead] = flat[at]
            self._weigh(dead, average)

    def _weigh(self, codes: torch.Tensor | slice, count: float) -> None:
        """Lets the averages say that these codes were chosen so often."""
        self.counts[codes] = count
        self.sums[codes] = self.embeddings[codes] * count
