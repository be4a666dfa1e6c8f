"""The same layers, computed faster while training: compiled, and with the attention and patches that suit a CPU."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

FLOAT32_ATTENTION = "sdpa_float32"


def _sdpa_float32(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Scaled dot products in float32, whatever the dtype: on a CPU the backward pass is three times as fast as in
    bfloat16 (docs/benchmarks.md)."""
    if attention_mask is not None and attention_mask.is_floating_point():
        attention_mask = attention_mask.float()
    with torch.autocast(query.device.type, enabled=False):
        output, weights = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), attention_mask, **kwargs
        )
    return output.to(query.dtype), weights


AttentionInterface.register(FLOAT32_ATTENTION, _sdpa_float32)
AttentionMaskInterface.register(FLOAT32_ATTENTION, sdpa_mask)


class FastLayers:
    """What makes the layers of a Qwen3-VL fast in training; in effect inside of :meth:`active` alone.

    Plans have sequences of all lengths and grow a KV cache, for each of which compiled layers would be compiled anew.

    Args:
        model: a ReasoningVLA.
        compiled: run the decoder layers and the vision blocks through torch.compile, one graph for each length of
            sequence, so pad them to few lengths.
        is_half_on_cpu: products are computed in bfloat16 on a CPU.
    """

    def __init__(self, model: Any, compiled: bool, is_half_on_cpu: bool) -> None:
        visual = model.backend.visual(model.vlm)
        self._patches = visual.patch_embed
        self._configs = [visual.config, model.vlm.config.get_text_config()] if is_half_on_cpu else []
        self._compiled: list[tuple[nn.Module, Any]] = []
        if not compiled:
            return
        for layer in (*model.vlm.model.language_model.layers, *visual.blocks):
            layer.compile(dynamic=False)
            self._compiled.append((layer, layer._compiled_call_impl))
            layer._compiled_call_impl = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Until it is left, the layers are the fast ones."""
        attention = [config._attn_implementation for config in self._configs]
        self._patches.forward = types.MethodType(_patches_by_product, self._patches)
        for config in self._configs:
            config._attn_implementation = FLOAT32_ATTENTION
        for layer, compiled in self._compiled:
            layer._compiled_call_impl = compiled
        try:
            yield
        finally:
            del self._patches.forward
            for config, name in zip(self._configs, attention, strict=True):
                config._attn_implementation = name
            for layer, _ in self._compiled:
                layer._compiled_call_impl = None


def _patches_by_product(self: Any, hidden_states: Tensor) -> Tensor:
    """The convolution of Qwen's PatchEmbed, whose kernel is a whole patch, as the matrix product that it is."""
    weight = self.proj.weight
    return linear(hidden_states.to(weight.dtype), weight.flatten(1), self.proj.bias)
