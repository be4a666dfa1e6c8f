"""What a model of the public Alpamayo shape takes on a GPU, computed from its shapes; nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from reasoning_vla_ros.models.release_shape import build_release_shape
from reasoning_vla_ros.planning.quantization import GROUP_SIZE, UNQUANTIZED

FORMATS = ("bfloat16", "int8", "int4")
PARTS = {
    "text": ("vlm.model.language_model.layers.", "vlm.model.language_model.norm."),
    "embeddings": ("vlm.model.language_model.embed_tokens.", "vlm.lm_head."),
    "vision": ("vlm.model.visual.",),
    "expert": ("expert.", "action_in_proj.", "action_out_proj."),
}
# Memory in GiB; a Jetson's is shared with the CPU.
BOARDS = {
    "Jetson Orin NX 16": 16,
    "RTX 3090, RTX 4090": 24,
    "Jetson AGX Orin 32, RTX 5090": 32,
    "L40S": 48,
    "Jetson AGX Orin 64": 64,
    "A100 80, H100 80": 80,
    "Jetson Thor 128": 128,
}
# What may be filled: the rest is for CUDA, the allocator's gaps and, on a Jetson, the system.
USABLE = 0.85
# PyTorch's int4 kernel pads a row to a multiple of so many weights.
INT4_ROW = 1024
HALF = 2  # bytes


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that one way of running takes.

    Attributes:
        weights_format: of FORMATS; what is not quantised is bfloat16.
        num_samples: K, candidates a plan.
        weights: by part of PARTS.
        cache: keys and values of all candidates.
        activations: an estimate; see `activation_bytes`.
    """

    weights_format: str
    num_samples: int
    weights: dict[str, int]
    cache: int
    activations: int

    @property
    def total(self) -> int:
        return sum(self.weights.values()) + self.cache + self.activations

    @property
    def boards(self) -> tuple[str, ...]:
        """Those of BOARDS that have the memory."""
        return tuple(name for name, size_gib in BOARDS.items() if self.total <= USABLE * size_gib * 2**30)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "total": self.total, "fits": list(self.boards)}


def memory_needs(
    shape: str = "10b", prompt_tokens: int = 3006, text_tokens: int = 256, samples: Sequence[int] = (1, 6)
) -> list[MemoryNeed]:
    """What each format takes with each number of candidates.

    Args:
        shape: of `release_shape.SHAPES`.
        prompt_tokens: the default is that of 16 images of 180 tokens, with the ego history and the text.
        text_tokens: of the reasoning, at most.
        samples: numbers of candidates.
    """
    model = build_release_shape("meta", shape=shape)
    cached = prompt_tokens + text_tokens + model.action_space.horizon
    return [
        MemoryNeed(
            weights_format,
            count,
            weight_bytes(model, weights_format),
            count * cached * cache_bytes_per_token(model),
            activation_bytes(model, prompt_tokens, count),
        )
        for weights_format in FORMATS
        for count in samples
    ]


def weight_bytes(model: nn.Module, weights_format: str) -> dict[str, int]:
    """Bytes of the weights by part of PARTS."""
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    quantized = {name for name in linear if not name.startswith(UNQUANTIZED)}
    totals = dict.fromkeys(PARTS, 0)
    for name, weight in model.named_parameters():
        part = next(part for part, prefixes in PARTS.items() if name.startswith(prefixes))
        kind = weights_format if name in quantized else "bfloat16"
        totals[part] += _bytes_of(kind, *(weight.shape if weight.dim() == 2 else (1, weight.numel())))
    return totals


def _bytes_of(kind: str, rows: int, columns: int) -> int:
    if kind == "int8":  # and a scale a row
        return rows * columns + rows * HALF
    if kind == "int4":  # and a scale and a zero a group
        padded = math.ceil(columns / INT4_ROW) * INT4_ROW
        return rows * padded // 2 + rows * padded // GROUP_SIZE * 2 * HALF
    return rows * columns * HALF


def cache_bytes_per_token(model: Any) -> int:
    """Bytes of one token's keys and values in all layers."""
    text = model.vlm.config.text_config
    return int(text.num_hidden_layers * 2 * text.num_key_value_heads * text.head_dim * HALF)


def activation_bytes(model: Any, prompt_tokens: int, num_samples: int, num_images: int = 16) -> int:
    """An estimate of what else is alive at the widest moment.

    The largest of: rotating queries and keys in the vision encoder, all images at once (eight tensors in float32;
    query, key and value, input and residual, and the pixels, in bfloat16); the prompt in the language model (input,
    residual, query, key, value and output of a layer, and the three sides of its gated MLP, in bfloat16); and the
    sampling (logits, probabilities and their order, 24 bytes an entry). On a CPU, with layers as wide as the 10B
    model's but only three of them, tensors of 0.56 GiB were alive at once, in that rotation; this gives 0.59.
    """
    text, vision = model.vlm.config.text_config, model.vlm.config.vision_config
    patch_values = 3 * vision.temporal_patch_size * vision.patch_size**2
    patches = num_images * model.config.max_pixels // vision.patch_size**2
    encode = patches * (vision.hidden_size * (8 * 4 + 5 * HALF) + patch_values * HALF)
    prefill = prompt_tokens * (6 * text.hidden_size + 3 * text.intermediate_size) * HALF
    sample = num_samples * text.vocab_size * 24
    return max(encode, prefill, sample)


def markdown_table(needs: Iterable[MemoryNeed]) -> str:
    """The table as Markdown, sizes in GiB; the last column is the least board that it fits on, and all below it."""
    lines = [
        "| weights | K | " + " | ".join(PARTS) + " | cache | activations | total | fits |",
        "| --- | ---: |" + " ---: |" * (len(PARTS) + 3) + " --- |",
    ]
    for need in needs:
        sizes = [*need.weights.values(), need.cache, need.activations, need.total]
        cells = [need.weights_format, str(need.num_samples), *(f"{size / 2**30:.2f}" for size in sizes)]
        least = f"{need.boards[0]} and larger" if need.boards else "none of them"
        lines.append("| " + " | ".join([*cells, least]) + " |")
    return "\n".join(lines)
