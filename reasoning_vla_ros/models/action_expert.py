"""The action expert: a second transformer that reads the VLM's KV cache and turns noisy actions into a velocity."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reasoning_vla_ros.models.backends.qwen3vl import default_dtype


def build_expert(language_model: Any, overrides: dict[str, Any] | None, dtype: torch.dtype, attention: str) -> Any:
    """A transformer of the language model's class, whose layers can read that model's KV cache; without embeddings.

    Args:
        language_model: the VLM's text model.
        overrides: fields of its config that the expert has otherwise.
        attention: implementation; the 4-D masks rule out flash attention, which "sdpa" replaces.

    Raises:
        ValueError: an expert whose keys and values do not fit the cache.
    """
    config = copy.deepcopy(language_model.config)
    for name, value in (overrides or {}).items():
        setattr(config, name, value)
    for name in ("num_hidden_layers", "num_key_value_heads", "head_dim"):
        given, needed = getattr(config, name), getattr(language_model.config, name)
        if given != needed:
            raise ValueError(f"the expert shares the VLM's KV cache: its {name} must be {needed}, got {given}")
    config.dtype = dtype
    config._attn_implementation = "eager" if attention == "eager" else "sdpa"
    # It has no tokens of its own; one row instead of a vocabulary's until they are removed.
    config.vocab_size, config.pad_token_id = 1, None
    with default_dtype(dtype):
        expert = type(language_model)(config)
    del expert.embed_tokens
    return expert


@dataclass(frozen=True)
class ExpertContext:
    """What the expert attends to, and where the trajectory's waypoints stand.

    Attributes:
        cache: the VLM's KV cache; it is lengthened and cropped again by each call of the expert.
        position_ids: int64 [3, B, T].
        attention_mask: float [B, 1, T, cached + T], 0 where attended and the dtype's least elsewhere.
    """

    cache: Any
    position_ids: Tensor
    attention_mask: Tensor

    @classmethod
    def behind(
        cls,
        cache: Any,
        visible: Tensor,
        next_position: Tensor,
        num_waypoints: int,
        causal: bool,
        dtype: torch.dtype,
    ) -> ExpertContext:
        """The context of waypoints that follow the cached tokens.

        Args:
            cache: with as many tokens as `visible` has columns.
            visible: [B, cached], nonzero for the tokens that the expert may attend to: no padding, and nothing behind
                the start of the trajectory.
            next_position: int64 [B], position of the first waypoint.
            num_waypoints: T.
            causal: a waypoint sees the earlier ones only.
            dtype: of the expert.
        """
        steps = torch.arange(num_waypoints, device=next_position.device)
        position_ids = (next_position[:, None] + steps).expand(3, -1, -1)
        seen = visible.bool()[:, None, :].expand(-1, num_waypoints, -1)
        among = torch.ones(num_waypoints, num_waypoints, dtype=torch.bool, device=visible.device)
        among = among.tril() if causal else among
        allowed = torch.cat([seen, among.expand(len(visible), -1, -1)], dim=-1)[:, None]
        mask = torch.zeros(allowed.shape, dtype=dtype, device=visible.device)
        return cls(cache, position_ids, mask.masked_fill(~allowed, torch.finfo(dtype).min))


def run_expert(expert: Any, embeddings: Tensor, context: ExpertContext) -> Tensor:
    """Hidden states [B, T, hidden] of the waypoints' embeddings [B, T, hidden]; the cache is left as it was."""
    output = expert(
        inputs_embeds=embeddings,
        position_ids=context.position_ids,
        past_key_values=context.cache,
        attention_mask=context.attention_mask,
        use_cache=True,
    )
    context.cache.crop(-embeddings.shape[1])
    hidden: Tensor = output.last_hidden_state
    return hidden
