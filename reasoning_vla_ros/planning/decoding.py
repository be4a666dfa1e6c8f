"""Reasoning text, then trajectory tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reasoning_vla_ros.models.rollout import Rollout
from reasoning_vla_ros.models.sampling import median_tokens, sample_tokens
from reasoning_vla_ros.planning.settings import PlannerSettings

OnTokens = Callable[[list[int]], None]


@dataclass(frozen=True)
class ReasoningTokens:
    """Token ids of each row's reasoning, without the end, and whether the model itself ended it."""

    rows: list[list[int]]
    complete: list[bool]


def reason(
    rollout: Rollout,
    model: Any,
    settings: PlannerSettings,
    generator: torch.Generator,
    out_of_time: Callable[[], bool],
    on_tokens: OnTokens | None,
) -> ReasoningTokens:
    """Draws reasoning tokens until every row begins its trajectory; all rows then stand behind `<|traj_future_start|>`.

    Trajectory tokens are barred from the text. A row that ends its turn, reaches `max_reasoning_tokens` or runs out of
    time is led on to its trajectory by force, and counts as not complete.

    Args:
        out_of_time: asked before each token; True ends the reasoning of all rows.
        on_tokens: called with the first row's ids whenever it grows.
    """
    barred = torch.zeros(rollout.logits.shape[1], dtype=torch.bool, device=rollout.logits.device)
    start = model.config.traj_token_start_idx
    barred[start : start + model.config.traj_vocab_size] = True
    future_start = model.config.traj_token_ids["future_start"]
    turn_end = model.tokenizer.eos_token_id
    count = rollout.logits.shape[0]
    rows: list[list[int]] = [[] for _ in range(count)]
    complete = [False] * count
    active = torch.ones(count, dtype=torch.bool, device=rollout.logits.device)
    for _ in range(settings.max_reasoning_tokens):
        if not bool(active.any()) or out_of_time():
            break
        logits = rollout.logits.masked_fill(barred, float("-inf"))
        tokens, _ = sample_tokens(logits, settings.temperature, settings.top_p, generator)
        for row, token in enumerate(tokens.tolist()):
            if not active[row]:
                continue
            if token in (future_start, turn_end):
                active[row] = False
                complete[row] = token == future_start
            else:
                rows[row].append(token)
        if on_tokens is not None and active[0]:
            on_tokens(rows[0])
        if bool(active.any()):
            rollout.step(tokens, active)
    everyone = torch.ones_like(active)
    _close_text(rollout, model, rows, complete)
    rollout.step(torch.full_like(rollout.next_position, future_start), everyone)
    return ReasoningTokens(rows, complete)


def _close_text(rollout: Rollout, model: Any, rows: list[list[int]], complete: list[bool]) -> None:
    """Ends the chain of thought of rows that were cut inside it, for models that mark its end."""
    end = model.special_token_ids.get("cot_end")
    if end is None:
        return
    unclosed = torch.tensor(
        [end not in row and not whole for row, whole in zip(rows, complete, strict=True)],
        device=rollout.next_position.device,
    )
    if bool(unclosed.any()):
        rollout.step(torch.full_like(rollout.next_position, end), unclosed)


def act(
    rollout: Rollout, model: Any, settings: PlannerSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draws the trajectory tokens, limited to the trajectory vocabulary.

    A tokenizer of fixed length gets exactly its number of tokens, padding not among them. One of varying length may
    end with `<|traj_future_end|>` at any time, and within the config's `tokens_per_future_traj`.

    Returns:
        int64 [K, N] ids of the trajectory tokenizer, int64 [K] how many of each row count, and float32 [K] the mean
        log-probability of each row's tokens within the trajectory vocabulary.
    """
    start, size = model.future_token_start_idx, model.traj_tokenizer.vocab_size
    fixed = model.traj_tokenizer.num_tokens
    limit = fixed if fixed is not None else model.config.tokens_per_future_traj
    end = model.config.traj_token_ids["future_end"]
    allowed = torch.arange(start, start + size, device=rollout.logits.device)
    if fixed is None:
        allowed = torch.cat([allowed, allowed.new_tensor([end])])
    elif model.traj_tokenizer.pad_id is not None:
        allowed = allowed[allowed != start + model.traj_tokenizer.pad_id]
    count = rollout.logits.shape[0]
    active = torch.ones(count, dtype=torch.bool, device=rollout.logits.device)
    lengths = torch.zeros(count, dtype=torch.long, device=rollout.logits.device)
    total = torch.zeros(count, device=rollout.logits.device)
    columns = []
    takes_median = (
        settings.temperature == 0
        and settings.level_choice == "median"
        and fixed is not None
        and model.traj_tokenizer.action_tokenizer.ids_are_levels
    )
    for index in range(limit):
        logits = rollout.logits[:, allowed]
        if takes_median:
            choices, log_probabilities = median_tokens(logits)
        else:
            choices, log_probabilities = sample_tokens(logits, settings.temperature, settings.top_p, generator)
        tokens = allowed[choices]
        total = total + torch.where(active, log_probabilities, 0.0)
        active = active & (tokens != end)
        lengths = lengths + active
        columns.append(torch.where(active, tokens - start, 0))
        if index + 1 == limit or not bool(active.any()):
            break
        rollout.step(tokens, active)
    return torch.stack(columns, dim=1), lengths, total / lengths.clamp(min=1)
