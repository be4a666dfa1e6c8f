"""From generated sequences to texts and trajectory tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from reasoning_vla_ros.models.vocabulary import SPECIAL_TOKENS


def extract_between(text: str, name: str) -> str:
    """Text between `<|name_start|>` and `<|name_end|>`, stripped; empty when it never ends.

    A missing start means that the text begins inside, as it does when the prompt ends with the start token. Of several
    starts before the first end the last counts. The same as Alpamayo's.
    """
    before_end, end, _ = text.partition(SPECIAL_TOKENS[f"{name}_end"])
    return before_end.rpartition(SPECIAL_TOKENS[f"{name}_start"])[2].strip() if end else ""


def extract_trajectory_tokens(
    sequences: Tensor, num_tokens: int, vocab_size: int, token_start_idx: int, future_start_id: int, future_end_id: int
) -> tuple[Tensor, Tensor]:
    """Trajectory tokens of generated sequences, as ids of the trajectory tokenizer, and whether they are a trajectory.

    They stand between the last `<|traj_future_start|>` and the first `<|traj_future_end|>`. The tokens are the public
    original's: ids outside the trajectory vocabulary are clamped, a short row is filled with zeros, a long one cut.
    The original decodes such rows as if the model had meant them; the mask says which rows it did mean.

    Args:
        sequences: int64 [B, L], prompt and generated ids.
        num_tokens: tokens a trajectory.
        vocab_size: of the trajectory tokenizer.
        token_start_idx: id of its token 0 in the language model.

    Returns:
        Tokens int64 [B, num_tokens] in 0..vocab_size-1, and a mask bool [B]: True where a start was found and exactly
        `num_tokens` trajectory tokens follow it.
    """
    tokens = torch.zeros(sequences.shape[0], num_tokens, dtype=torch.long, device=sequences.device)
    valid = torch.zeros(sequences.shape[0], dtype=torch.bool, device=sequences.device)
    for row, sequence in enumerate(sequences):
        starts = (sequence == future_start_id).nonzero().flatten()
        ends = (sequence == future_end_id).nonzero().flatten()
        begin = int(starts[-1]) + 1 if len(starts) else 0
        end = int(ends[0]) if len(ends) else len(sequence)
        inside = sequence[begin : max(begin, end)] - token_start_idx
        kept = inside[:num_tokens]
        tokens[row, : len(kept)] = kept.clamp(0, vocab_size - 1)
        in_vocabulary = (inside >= 0) & (inside < vocab_size)
        valid[row] = len(starts) > 0 and len(inside) == num_tokens and bool(in_vocabulary.all())
    return tokens, valid
