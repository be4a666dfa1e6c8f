"""A VQ-VAE of actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from reasoning_vla_ros.tokenizers.chunk_autoencoder import (
    ActionAutoencoder,
    History,
    OnEpoch,
    ResidualMLP,
    train_autoencoder,
)
from reasoning_vla_ros.tokenizers.vector_quantizer import VectorQuantizer


class ActionVQVAE(ActionAutoencoder):
    """Actions [B, T, D] as codes of one codebook, and back (VQ-VAE, arXiv 1711.00937).

    Without `chunk_size`, networks that convolve over time give one code a step, for any T. With it, T is fixed, the
    networks see the whole chunk at once, and `num_tokens` codes stand for it: as many as steps unless said otherwise
    (one code a step again, and far more exact, as each code knows what the others say), or a few.

    Args:
        action_dim: D.
        hidden_dim: width of the networks.
        num_embeddings: codes.
        embedding_dim: numbers a code. Few numbers and many codes a number are quicker and waste less.
        chunk_size: T, or None for any.
        num_tokens: codes a chunk; None for one a step.
        commitment_cost: see VectorQuantizer.

    Raises:
        ValueError: num_tokens without chunk_size, or numbers below 1.
    """

    def __init__(
        self,
        action_dim: int = 7,
        hidden_dim: int = 128,
        num_embeddings: int = 8192,
        *,
        embedding_dim: int = 4,
        chunk_size: int | None = None,
        num_tokens: int | None = None,
        commitment_cost: float = 0.25,
    ) -> None:
        super().__init__(action_dim)
        if num_tokens is not None and chunk_size is None:
            raise ValueError(f"num_tokens needs a chunk_size; got num_tokens {num_tokens} and chunk_size None")
        if min(hidden_dim, chunk_size or 1, 1 if num_tokens is None else num_tokens) < 1:
            raise ValueError(
                "hidden_dim, chunk_size and num_tokens must be at least 1, "
                f"got {hidden_dim}, {chunk_size} and {num_tokens}"
            )
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.chunk_size = chunk_size
        self.num_tokens = chunk_size if num_tokens is None else num_tokens
        self.quantizer = VectorQuantizer(num_embeddings, embedding_dim, commitment_cost)
        if chunk_size is None or self.num_tokens is None:
            self.encoder: nn.Module = _convolutions(action_dim, hidden_dim, embedding_dim)
            self.decoder: nn.Module = _convolutions(embedding_dim, hidden_dim, action_dim)
        else:
            numbers, latents = chunk_size * action_dim, self.num_tokens * embedding_dim
            self.encoder = ResidualMLP(numbers, hidden_dim, latents)
            self.decoder = ResidualMLP(latents, hidden_dim, numbers)

    def forward(self, actions: torch.Tensor) -> dict[str, torch.Tensor]:
        """A dict of reconstructed [B, T, D], vq_loss, perplexity, encoding_indices int64 [B, N] and quantized
        [B, N, embedding_dim], of actions [B, T, D].

        Raises:
            ValueError: another shape.
        """
        quantized, vq_loss, perplexity, indices = self.quantizer(self._latents(actions))
        return {
            "reconstructed": self._actions(quantized),
            "vq_loss": vq_loss,
            "perplexity": perplexity,
            "encoding_indices": indices,
            "quantized": quantized,
        }

    @torch.no_grad()
    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Indices, int64 [B, N], of actions [B, T, D]."""
        return self.quantizer.encode(self._latents(actions))

    @torch.no_grad()
    def decode(self, indices: torch.Tensor) -> torch.Tensor:
        """Actions [B, T, D] of indices [B, N]."""
        return self._actions(self.quantizer.decode(indices))

    def _latents(self, actions: torch.Tensor) -> torch.Tensor:
        wanted = "T >= 1" if self.chunk_size is None else self.chunk_size
        fits = actions.ndim == 3 and actions.shape[1] > 0 and actions.shape[2] == self.action_dim
        if not fits or self.chunk_size not in (None, actions.shape[1]):
            raise ValueError(f"actions need the shape [B, {wanted}, {self.action_dim}], got {list(actions.shape)}")
        values = self._normalise(actions)
        if self.num_tokens is None:
            latents: torch.Tensor = self.encoder(values.transpose(1, 2)).transpose(1, 2)
            return latents
        return self.encoder(values.flatten(1)).view(len(values), self.num_tokens, self.embedding_dim)

    def _actions(self, quantized: torch.Tensor) -> torch.Tensor:
        if self.chunk_size is None:
            return self._restore(self.decoder(quantized.transpose(1, 2)).transpose(1, 2))
        return self._restore(self.decoder(quantized.flatten(1)).view(-1, self.chunk_size, self.action_dim))


def train_action_vqvae(
    model: ActionVQVAE,
    dataloader: Iterable[Any],
    num_epochs: int = 100,
    *,
    learning_rate: float = 3e-3,
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Trains an ActionVQVAE and gives the losses and perplexities of the epochs; see `train_autoencoder`."""
    return train_autoencoder(model, dataloader, num_epochs, learning_rate=learning_rate, seed=seed, on_epoch=on_epoch)


def _convolutions(inputs: int, hidden_dim: int, outputs: int) -> nn.Sequential:
    """Over time [B, inputs, T] to [B, outputs, T]; each step sees 16 steps to either side."""
    return nn.Sequential(
        nn.Conv1d(inputs, hidden_dim, 5, padding=2),
        nn.GELU(),
        nn.Conv1d(hidden_dim, hidden_dim, 5, padding=4, dilation=2),
        nn.GELU(),
        nn.Conv1d(hidden_dim, hidden_dim, 5, padding=10, dilation=5),
        nn.GELU(),
        nn.Conv1d(hidden_dim, outputs, 1),
    )
