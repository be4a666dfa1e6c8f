"""Writing text the way the public original does, with transformers' generate and its stopping rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reasoning_vla_ros.models.rollout import Rollout
from reasoning_vla_ros.models.sampling import sample_tokens


@dataclass(frozen=True)
class TextSettings:
    """How text is drawn: at most `max_new_tokens` tokens; `top_k` None keeps all."""

    max_new_tokens: int
    temperature: float = 0.6
    top_p: float = 0.98
    top_k: int | None = None


@dataclass(frozen=True)
class TextRollout:
    """Generated sequences, and the language model's state behind them.

    Attributes:
        sequences: int64 [rows, L + n], prompt and text; what follows the stop token is padding.
        rollout: the model's state; the newest token of `sequences` is not in its cache.
        found: bool [rows], whether the stop token was written.
        length: int64 [rows], columns of `sequences` up to and with the stop token, or all of them.
        next_position: int64 [rows], position of what follows those.
    """

    sequences: Tensor
    rollout: Rollout
    found: Tensor
    length: Tensor
    next_position: Tensor

    def visible(self, columns: int) -> Tensor:
        """int64 [rows, columns] of a cache that begins as `sequences` do: no padding, nothing behind `length`."""
        steps = torch.arange(columns, device=self.length.device)
        return self.rollout.mask[:, :columns] * (steps < self.length[:, None]).to(self.rollout.mask)


def write_text(
    model: Any,
    inputs: dict[str, Tensor],
    num_samples: int,
    settings: TextSettings,
    stop_id: int | None = None,
    barred: tuple[int, int] = (0, 0),
    generator: torch.Generator | None = None,
) -> TextRollout:
    """Draws text until every row has ended, or one token after every row has written the stop token.

    With PyTorch's own random state the tokens are those that the original draws from it: a row that has written the
    stop token goes on until the others have, and what it writes then counts for nothing.

    Args:
        model: a ReasoningVLA.
        inputs: see :class:`Rollout`.
        num_samples: sequences a prompt.
        settings: see :class:`TextSettings`.
        stop_id: the token that all rows are to write; None for text that only ends by itself.
        barred: range of token ids that are never drawn.
        generator: of the random numbers; None for PyTorch's own.

    Raises:
        ValueError: no tokens or no samples asked for.
    """
    if settings.max_new_tokens < 1 or num_samples < 1:
        raise ValueError(
            f"at least 1 new token and 1 sample are needed, got {settings.max_new_tokens} and {num_samples}"
        )
    rollout = Rollout(model, inputs, num_samples)
    prompts = inputs["input_ids"].repeat_interleave(num_samples, dim=0)
    rows, device = len(prompts), prompts.device
    ends = _turn_ends(model).to(device)
    found = torch.zeros(rows, dtype=torch.bool, device=device)
    ended = torch.zeros_like(found)
    columns: list[Tensor] = []
    while True:
        logits = rollout.logits.clone()
        logits[:, slice(*barred)] = float("-inf")
        drawn, _ = sample_tokens(logits, settings.temperature, settings.top_p, generator, settings.top_k)
        tokens = torch.where(ended, rollout.pad_id, drawn)
        columns.append(tokens)
        one_more = bool(found.all())
        found = found | (tokens == (-1 if stop_id is None else stop_id))
        ended = ended | torch.isin(tokens, ends)
        if one_more or bool(ended.all()) or len(columns) == settings.max_new_tokens:
            break
        rollout.step(tokens, torch.ones_like(found))
    sequences = torch.cat([prompts, torch.stack(columns, dim=1)], dim=1)
    length = torch.full_like(rollout.next_position, sequences.shape[1])
    if stop_id is not None:
        first = prompts.shape[1] + (torch.stack(columns, dim=1) == stop_id).int().argmax(dim=1)
        length = torch.where(found, first + 1, length)
        steps = torch.arange(sequences.shape[1], device=sequences.device)
        sequences = sequences.masked_fill(steps >= length[:, None], rollout.pad_id)
    next_position = rollout.next_position + length - rollout.mask.shape[1]
    return TextRollout(sequences, rollout, found, length, next_position)


def _turn_ends(model: Any) -> Tensor:
    """Ids that end a turn."""
    ends = model.vlm.generation_config.eos_token_id
    ends = model.tokenizer.eos_token_id if ends is None else ends
    return torch.tensor([ends] if isinstance(ends, int) else list(ends or []), dtype=torch.long)
