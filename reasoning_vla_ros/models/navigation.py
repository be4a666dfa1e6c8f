"""Navigation text in the prompt of Alpamayo 1.5."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor


def without_navigation(
    input_ids: Tensor, attention_mask: Tensor | None, route_start_id: int | None, route_end_id: int | None, pad_id: int
) -> tuple[Tensor, Tensor]:
    """The prompts without their navigation text, its markers included, and padded on the left to one length.

    Args:
        input_ids: int64 [B, L].
        attention_mask: int64 [B, L], 0 for padding; None for none.

    Returns:
        int64 [B, L'] ids and mask.

    Raises:
        ValueError: a row without navigation text, so that there is nothing to guide by.
    """
    rows = []
    for row, ids in enumerate(input_ids):
        attended = torch.ones_like(ids, dtype=torch.bool) if attention_mask is None else attention_mask[row].bool()
        starts = ((ids == route_start_id) & attended).nonzero().flatten() if route_start_id is not None else []
        ends = ((ids == route_end_id) & attended).nonzero().flatten() if route_end_id is not None else []
        if not len(starts) or not len(ends) or ends[0] < starts[0]:
            raise ValueError(f"row {row} has no navigation text (<|route_start|>...<|route_end|>) to guide by")
        kept = attended.clone()
        kept[int(starts[0]) : int(ends[0]) + 1] = False
        rows.append(ids[kept])
    width = max(len(row) for row in rows)
    padded = torch.stack([torch.nn.functional.pad(row, (width - len(row), 0), value=pad_id) for row in rows])
    mask = torch.stack([torch.nn.functional.pad(torch.ones_like(row), (width - len(row), 0)) for row in rows])
    return padded, mask


def swap_direction(text: str) -> str:
    """The text with left and right exchanged, their case kept, to ask what the model would do with the other turn."""

    def other(match: re.Match[str]) -> str:
        word = match.group()
        swapped = "right" if word.lower() == "left" else "left"
        if word.isupper():
            return swapped.upper()
        return swapped.capitalize() if word[0].isupper() else swapped

    return re.sub(r"\b(left|right)\b", other, text, flags=re.IGNORECASE)


def route_ids(special_token_ids: dict[str, Any]) -> tuple[int | None, int | None]:
    """Ids of the markers around the navigation text."""
    return special_token_ids.get("route_start"), special_token_ids.get("route_end")
