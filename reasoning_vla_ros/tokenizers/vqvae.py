"""VQ-VAE tokens."""

from __future__ import annotations

from typing import ClassVar

from reasoning_vla_ros.tokenizers.autoencoder_tokenizer import AutoencoderActionTokenizer
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer
from reasoning_vla_ros.tokenizers.vqvae_model import ActionVQVAE


@register_action_tokenizer("vqvae")
class VQVAEActionTokenizer(AutoencoderActionTokenizer):
    """Codes of an ActionVQVAE (arXiv 1711.00937): one a step, or `num_codes` a chunk.

    Each code knows the whole chunk, so that codes share the work and no error adds up over time. The ids of a chunk
    are not ordered: it takes all of them to decode.

    Args:
        action_dims: D.
        horizon: T.
        num_embeddings: codes, which is also the size of the vocabulary.
        num_codes: ids a chunk; None for one a step.
        hidden_dim: width of the networks.
        embedding_dim: numbers a code.
    """

    argument_aliases: ClassVar[dict[str, str]] = {"codebook_size": "num_embeddings"}

    def __init__(
        self,
        action_dims: int = 7,
        horizon: int = 64,
        num_embeddings: int = 1024,
        num_codes: int | None = None,
        hidden_dim: int = 256,
        embedding_dim: int = 2,
    ) -> None:
        if num_codes is not None and num_codes < 1:
            raise ValueError(f"num_codes must be at least 1, got {num_codes}")
        self.action_dims = action_dims
        self.horizon = horizon
        self.num_embeddings = num_embeddings
        self.num_codes = num_codes
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        super().__init__()
        self._new_model()  # refuses bad numbers now rather than in fit

    @property
    def vocab_size(self) -> int:
        return self.num_embeddings

    def num_tokens_for(self, horizon: int | None) -> int:
        return self.num_codes or self.horizon

    def _new_model(self) -> ActionVQVAE:
        return ActionVQVAE(
            self.action_dims,
            self.hidden_dim,
            self.num_embeddings,
            embedding_dim=self.embedding_dim,
            chunk_size=self.horizon,
            num_tokens=self.num_tokens_for(None),
        )
