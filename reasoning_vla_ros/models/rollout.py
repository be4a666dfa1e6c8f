"""Token by token through the language model, on its KV cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Rollout:
    """Sequences that grow from prompts, several from each.

    A prompt is run once, however many sequences grow from it. Tokens that a row does not take part in are padding
    that nothing attends to, so that each row's tokens depend on its own sequence alone.

    Args:
        model: a ReasoningVLA.
        inputs: input_ids [B, L]; attention_mask [B, L], 0 for padding, where the prompts differ in length; and
            pixel_values and image_grid_thw where there are images.
        num_samples: K, sequences a prompt; row b * K + k is the k-th of prompt b.

    Attributes:
        cache: the VLM's KV cache.
        mask: int64 [B * K, cached tokens], 0 for what nothing attends to.
        next_position: int64 [B * K], position of each row's next token on the text axes.
        logits: [B * K, V] of each row's next token.
        written: the tokens that were appended and where each row took part, [B * K, n] each.
    """

    def __init__(self, model: Any, inputs: dict[str, Tensor], num_samples: int) -> None:
        inputs = dict(inputs)
        input_ids = inputs["input_ids"]
        self.model = model
        self.pad_id = model.tokenizer.pad_token_id or 0
        mask = inputs.pop("attention_mask", None)
        self.mask = torch.ones_like(input_ids) if mask is None else mask.to(input_ids)
        position_ids, self.next_position = model.backend.position_ids(
            model.vlm, input_ids, inputs.get("image_grid_thw"), self.mask
        )
        # Rows that are padded on the right end in columns of their own; logits are made in those columns alone.
        columns, which = _newest(self.mask).unique(return_inverse=True)
        output = model(
            attention_mask=self.mask, position_ids=position_ids, use_cache=True, logits_to_keep=columns, **inputs
        )
        self.cache = output.past_key_values
        self.logits: Tensor = _at(output.logits, which)
        self.written: list[tuple[Tensor, Tensor]] = []
        if num_samples > 1:
            self.cache.batch_repeat_interleave(num_samples)
            self.logits = self.logits.repeat_interleave(num_samples, dim=0)
            self.mask = self.mask.repeat_interleave(num_samples, dim=0)
            self.next_position = self.next_position.repeat_interleave(num_samples, dim=0)

    def step(self, tokens: Tensor, active: Tensor) -> None:
        """Appends a token to each active row (int64 [rows], bool [rows]) and refreshes `logits`."""
        self.extend(tokens[:, None], active[:, None])

    def extend(self, tokens: Tensor, active: Tensor) -> None:
        """Appends several tokens at once (int64 [rows, n], bool [rows, n]) and refreshes `logits`."""
        self.written.append((tokens, active))
        self.mask = torch.cat([self.mask, active.to(self.mask)], dim=1)
        counts = active.cumsum(dim=1).to(self.next_position)
        output = self.model(
            input_ids=torch.where(active, tokens, self.pad_id),
            attention_mask=self.mask,
            position_ids=(self.next_position[:, None] + counts - active.to(counts)).expand(3, -1, -1),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.next_position = self.next_position + counts[:, -1]
        self.cache = output.past_key_values
        self.logits = torch.where(counts[:, -1:] > 0, _at(output.logits, _newest(active)), self.logits)


def _newest(mask: Tensor) -> Tensor:
    """Last nonzero column of each row, int64 [rows]; the last one where there is none."""
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)


def _at(logits: Tensor, columns: Tensor) -> Tensor:
    """[rows, V] of [rows, n, V]."""
    return logits[torch.arange(len(columns), device=columns.device), columns]
