"""Qwen3-VL (transformers 4.57 and 5.x)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.utils.hub import cached_file

from reasoning_vla_ros.models.backends import qwen3vl_images
from reasoning_vla_ros.models.backends.base import ImageBatch
from reasoning_vla_ros.models.backends.mrope import mrope_position_ids
from reasoning_vla_ros.models.backends.qwen3vl_files import IMAGE_SETTINGS_FILE, explained_when_absent, is_local

IMAGE_TOKEN = "<|image_pad|>"


class Qwen3VLBackend:
    """Qwen3-VL with transformers' own classes; see :class:`VLMBackend` for the methods."""

    def load_tokenizer(self, name_or_path: str) -> Any:
        with explained_when_absent(name_or_path):
            return AutoTokenizer.from_pretrained(name_or_path, local_files_only=is_local(name_or_path))

    def load_config(self, name_or_path: str) -> Any:
        with explained_when_absent(name_or_path):
            return Qwen3VLConfig.from_pretrained(name_or_path, local_files_only=is_local(name_or_path))

    def build(self, vlm_config: Any, vocab_size: int, dtype: torch.dtype, attn_implementation: str) -> Any:
        set_vocab_size(vlm_config, vocab_size)
        # The parts are built by their own configs, each of which may hold another dtype.
        for part in (vlm_config, vlm_config.text_config, vlm_config.vision_config):
            part.dtype = dtype
        vlm_config._attn_implementation = attn_implementation
        with default_dtype(dtype):
            return Qwen3VLForConditionalGeneration(vlm_config)

    def load(self, name_or_path: str, vocab_size: int, dtype: torch.dtype, attn_implementation: str) -> tuple[Any, int]:
        vlm = Qwen3VLForConditionalGeneration.from_pretrained(
            name_or_path,
            dtype=dtype,
            attn_implementation=attn_implementation,
            use_safetensors=True,
            local_files_only=is_local(name_or_path),
        )
        original_vocab_size = vlm.config.text_config.vocab_size
        vlm.resize_token_embeddings(vocab_size)
        set_vocab_size(vlm.config, vocab_size)
        return vlm, original_vocab_size

    def language_model(self, vlm: Any) -> Any:
        return vlm.model.language_model

    def input_embeddings(self, vlm: Any) -> Any:
        return vlm.model.language_model.embed_tokens

    def visual(self, vlm: Any) -> Any:
        return vlm.model.visual

    def save_parts(self, vlm_config: Any, image_settings: dict[str, Any], tokenizer: Any, folder: str) -> None:
        vlm_config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        Path(folder, IMAGE_SETTINGS_FILE).write_text(json.dumps(image_settings, indent=2, sort_keys=True) + "\n")
        _edit_json(Path(folder, "config.json"), _spell_rope_both_ways)
        _edit_json(Path(folder, "tokenizer_config.json"), _name_a_known_tokenizer)

    def load_image_settings(self, name_or_path: str) -> dict[str, Any]:
        with explained_when_absent(name_or_path):
            path = cached_file(name_or_path, IMAGE_SETTINGS_FILE, local_files_only=is_local(name_or_path))
        return json.loads(Path(path).read_text())

    def preprocess_images(
        self, images: list[NDArray[np.uint8]], settings: dict[str, Any], min_pixels: int | None, max_pixels: int | None
    ) -> ImageBatch:
        size = settings.get("size") or {}
        bounds = {
            "min_pixels": min_pixels or settings.get("min_pixels") or size["shortest_edge"],
            "max_pixels": max_pixels or settings.get("max_pixels") or size["longest_edge"],
        }
        return qwen3vl_images.preprocess(images, {"rescale_factor": 1 / 255, **settings, **bounds})

    def image_prompt(self, num_tokens: int) -> str:
        return f"<|vision_start|>{IMAGE_TOKEN * num_tokens}<|vision_end|>"

    def position_ids(
        self, vlm: Any, input_ids: Tensor, image_grid_thw: Tensor | None, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        merge = vlm.config.vision_config.spatial_merge_size
        return mrope_position_ids(input_ids, attention_mask, vlm.config.image_token_id, image_grid_thw, merge)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def set_vocab_size(vlm_config: Any, vocab_size: int) -> None:
    vlm_config.text_config.vocab_size = vocab_size
    vlm_config.vocab_size = vocab_size


def _edit_json(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _spell_rope_both_ways(config: dict[str, Any]) -> None:
    """transformers 5 writes `rope_parameters`, which 4.57 does not read."""
    text = config["text_config"]
    if "rope_parameters" in text:
        text["rope_scaling"] = text["rope_parameters"]
        text["rope_theta"] = text["rope_parameters"]["rope_theta"]


def _name_a_known_tokenizer(settings: dict[str, Any]) -> None:
    """transformers 5 writes a class name that 4.57 does not know, and a list that it takes for a dict; the tokens of
    that list stand in tokenizer.json too."""
    if isinstance(settings.get("extra_special_tokens"), list):
        del settings["extra_special_tokens"]
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
