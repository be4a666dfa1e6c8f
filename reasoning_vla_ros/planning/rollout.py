"""Token by token through the language model, on its KV cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Rollout:
    """K sequences that share a prompt and grow one token a step.

    Rows that have finished are fed padding that nothing attends to, so that each row's tokens depend on its own
    sequence alone.

    Args:
        model: a ReasoningVLA.
        inputs: input_ids [1, L], and pixel_values and image_grid_thw where there are images.
        num_samples: K.
    """

    def __init__(self, model: Any, inputs: dict[str, Tensor], num_samples: int) -> None:
        input_ids = inputs["input_ids"]
        self.model = model
        self.pad_id = model.tokenizer.pad_token_id or 0
        self.mask = torch.ones_like(input_ids)
        position_ids, self.next_position = model.backend.position_ids(
            model.vlm, input_ids, inputs.get("image_grid_thw"), self.mask
        )
        output = model(attention_mask=self.mask, position_ids=position_ids, use_cache=True, logits_to_keep=1, **inputs)
        self.cache = output.past_key_values
        self.logits: Tensor = output.logits[:, -1]
        if num_samples > 1:
            self.cache.batch_repeat_interleave(num_samples)
            self.logits = self.logits.repeat_interleave(num_samples, dim=0)
            self.mask = self.mask.repeat_interleave(num_samples, dim=0)
            self.next_position = self.next_position.repeat_interleave(num_samples, dim=0)

    def step(self, tokens: Tensor, active: Tensor) -> None:
        """Appends a token to each active row (int64 [K], bool [K]) and refreshes `logits` [K, V]."""
        self.mask = torch.cat([self.mask, active[:, None].to(self.mask)], dim=1)
        position_ids = self.next_position.expand(3, 1, -1).transpose(1, 2)
        output = self.model(
            input_ids=torch.where(active, tokens, self.pad_id)[:, None],
            attention_mask=self.mask,
            position_ids=position_ids,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.next_position = self.next_position + active.to(self.next_position)
        self.cache = output.past_key_values
        self.logits = torch.where(active[:, None], output.logits[:, -1], self.logits)
