"""What ReasoningVLA asks of a vision-language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class ImageBatch:
    """Images as the vision encoder takes them.

    Attributes:
        pixel_values: float32 [patches, patch values], all images one after the other.
        image_grid_thw: int64 [images, 3], patches along time, height and width.
        tokens_per_image: tokens that each image takes in the prompt.
    """

    pixel_values: Tensor
    image_grid_thw: Tensor
    tokens_per_image: tuple[int, ...]


class VLMBackend(Protocol):
    """One family of vision-language models, from its files to its forward arguments."""

    def load_tokenizer(self, name_or_path: str) -> Any:
        """The text tokenizer, not extended. Raises FileNotFoundError, telling how to fetch it, when it is absent."""

    def load_config(self, name_or_path: str) -> Any:
        """The VLM's transformers config."""

    def build(self, vlm_config: Any, vocab_size: int, dtype: torch.dtype, attn_implementation: str) -> Any:
        """A VLM with fresh weights, all of one dtype, and `vocab_size` rows in both embeddings."""

    def load(self, name_or_path: str, vocab_size: int, dtype: torch.dtype, attn_implementation: str) -> tuple[Any, int]:
        """The pretrained VLM with its embeddings resized, and the row count they had."""

    def language_model(self, vlm: Any) -> Any:
        """The text model, whose KV cache an action expert reads."""

    def input_embeddings(self, vlm: Any) -> Any:
        """The language model's token embedding."""

    def visual(self, vlm: Any) -> Any:
        """The vision encoder."""

    def save_parts(self, vlm_config: Any, image_settings: dict[str, Any], tokenizer: Any, folder: str) -> None:
        """Writes config, tokenizer and image settings, so that the folder serves as `name_or_path`."""

    def load_image_settings(self, name_or_path: str) -> dict[str, Any]:
        """Image preprocessing settings of the VLM."""

    def preprocess_images(
        self, images: list[NDArray[np.uint8]], settings: dict[str, Any], min_pixels: int | None, max_pixels: int | None
    ) -> ImageBatch:
        """RGB images, uint8 [H, W, 3] each, to the vision encoder's input."""

    def image_prompt(self, num_tokens: int) -> str:
        """The prompt's text for one image of that many tokens."""

    def position_ids(
        self, vlm: Any, input_ids: Tensor, image_grid_thw: Tensor | None, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Position ids of the prompt, as the VLM takes them, and int64 [B] the next position of each row."""
