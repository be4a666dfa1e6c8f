"""Finite scalar quantisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from reasoning_vla_ros.tokenizers.autoencoder_tokenizer import AutoencoderActionTokenizer
from reasoning_vla_ros.tokenizers.chunk_autoencoder import ActionAutoencoder, ResidualMLP
from reasoning_vla_ros.tokenizers.kmeans import codebook_use
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer


class ActionFSQ(ActionAutoencoder):
    """Chunks of actions [B, T, D] as numbers rounded to a few levels, and back (FSQ, arXiv 2309.15505).

    There is no codebook to learn and none to die: a network gives each code `len(levels)` numbers, tanh bounds them,
    and each is rounded to its levels, which are evenly spaced over [-1, 1]. Gradients pass straight through.

    Args:
        action_dim: D.
        chunk_size: T.
        num_tokens: codes a chunk.
        levels: levels of each number of a code; a code has prod(levels) values.
        hidden_dim: width of the networks.
    """

    tops: torch.Tensor
    radix: torch.Tensor

    def __init__(
        self, action_dim: int, chunk_size: int, num_tokens: int, levels: Sequence[int], hidden_dim: int = 256
    ) -> None:
        super().__init__(action_dim)
        self.chunk_size = chunk_size
        self.num_tokens = num_tokens
        self.levels = tuple(levels)
        self.register_buffer("tops", torch.tensor(self.levels) - 1.0, persistent=False)
        radix = torch.tensor([math.prod(self.levels[:place]) for place in range(len(self.levels))])
        self.register_buffer("radix", radix, persistent=False)
        numbers, latents = chunk_size * action_dim, num_tokens * len(self.levels)
        self.encoder = ResidualMLP(numbers, hidden_dim, latents)
        self.decoder = ResidualMLP(latents, hidden_dim, numbers)

    def forward(self, actions: torch.Tensor) -> dict[str, torch.Tensor]:
        """A dict of reconstructed [B, T, D], vq_loss (zero), perplexity, encoding_indices int64 [B, N] and quantized
        [B, N, len(levels)] in [-1, 1], of actions [B, T, D]."""
        share = self._shares(actions)
        digits = (share * self.tops).round()
        quantized = (digits / self.tops + (share - share.detach())) * 2 - 1
        indices = self._indices(digits)
        perplexity = codebook_use(indices, math.prod(self.levels)).perplexity
        return {
            "reconstructed": self._actions(quantized),
            "vq_loss": share.new_zeros(()),
            "perplexity": share.new_tensor(perplexity),
            "encoding_indices": indices,
            "quantized": quantized,
        }

    @torch.no_grad()
    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Indices, int64 [B, N], of actions [B, T, D]."""
        return self._indices((self._shares(actions) * self.tops).round())

    @torch.no_grad()
    def decode(self, indices: torch.Tensor) -> torch.Tensor:
        """Actions [B, T, D] of indices [B, N]."""
        digits = indices[..., None] // self.radix % (self.tops.long() + 1)
        return self._actions(digits / self.tops * 2 - 1)

    def _shares(self, actions: torch.Tensor) -> torch.Tensor:
        """Where each number lies between its lowest and its highest level, 0..1."""
        numbers = self.encoder(self._normalise(actions).flatten(1)).view(
            len(actions), self.num_tokens, len(self.levels)
        )
        return torch.tanh(numbers) / 2 + 0.5

    def _indices(self, digits: torch.Tensor) -> torch.Tensor:
        return (digits.long() * self.radix).sum(-1)

    def _actions(self, quantized: torch.Tensor) -> torch.Tensor:
        return self._restore(self.decoder(quantized.flatten(1)).view(-1, self.chunk_size, self.action_dim))


@register_action_tokenizer("fsq")
class FSQActionTokenizer(AutoencoderActionTokenizer):
    """Codes of an ActionFSQ (arXiv 2309.15505), `num_codes` a chunk.

    The ids of a chunk are not ordered: it takes all of them to decode.

    Args:
        action_dims: D.
        horizon: T.
        num_codes: ids a chunk.
        levels: levels of each number of a code; their product is the size of the vocabulary.
        hidden_dim: width of the networks.
    """

    def __init__(
        self,
        action_dims: int = 7,
        horizon: int = 64,
        num_codes: int = 16,
        levels: Sequence[int] = (8, 5, 5, 5),
        hidden_dim: int = 256,
    ) -> None:
        if not levels or min(levels) < 2:
            raise ValueError(f"levels must be at least 2 each, got {list(levels)}")
        if num_codes < 1 or hidden_dim < 1:
            raise ValueError(f"num_codes and hidden_dim must be at least 1, got {num_codes} and {hidden_dim}")
        self.action_dims = action_dims
        self.horizon = horizon
        self.num_codes = num_codes
        self.levels = tuple(levels)
        self.hidden_dim = hidden_dim
        super().__init__()

    @property
    def vocab_size(self) -> int:
        return math.prod(self.levels)

    def num_tokens_for(self, horizon: int | None) -> int:
        return self.num_codes

    def _new_model(self) -> ActionFSQ:
        return ActionFSQ(self.action_dims, self.horizon, self.num_codes, self.levels, self.hidden_dim)
