"""The public original's `data` dict: tokenized prompts, images and ego history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from reasoning_vla_ros.models.extraction import extract_between

TEXT_FIELDS = ("cot", "meta_action", "answer")
_INPUTS = ("attention_mask", "pixel_values", "image_grid_thw")
# What processors add and this model works out by itself.
_IGNORED = ("mm_token_type_ids", "token_type_ids")


def prompt_inputs(model: Any, data: Mapping[str, Any], with_history: bool = True) -> dict[str, Tensor]:
    """The model's inputs, the ego history fused in; `data` and what it holds stay as they are.

    Args:
        model: a ReasoningVLA.
        data: `tokenized_data`, a mapping with input_ids [B, L] and what else the processor gave, and
            ego_history_xyz [B, 1, T, 3] and ego_history_rot [B, 1, T, 3, 3] in the ego frame at t0.
        with_history: whether the history is needed.

    Raises:
        KeyError: something is missing.
        ValueError: inputs that the model has no use for, or several histories a row.
    """
    tokenized = dict(data["tokenized_data"])
    if unknown := sorted(set(tokenized) - {"input_ids", *_INPUTS, *_IGNORED}):
        raise ValueError(f"tokenized_data has {unknown}; the model takes input_ids and {list(_INPUTS)}")
    inputs = {name: tokenized[name] for name in _INPUTS if tokenized.get(name) is not None}
    if "pixel_values" in inputs:
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    input_ids: Tensor = tokenized["input_ids"]
    if with_history:
        xyz = data["ego_history_xyz"]
        if xyz.ndim != 4 or xyz.shape[1] != 1:
            raise ValueError(f"ego_history_xyz must be [B, 1, T, 3], one history a row, got {list(xyz.shape)}")
        history = {name: data[name] for name in ("ego_history_xyz", "ego_history_rot")}
        input_ids = model.fuse_traj_tokens(input_ids, history)
    inputs["input_ids"] = input_ids
    return inputs


def repeated_history(data: Mapping[str, Any], times: int) -> tuple[Tensor, Tensor]:
    """The newest history of each row, `times` times: [B * times, T, 3] and [B * times, T, 3, 3]."""
    xyz, rot = data["ego_history_xyz"][:, -1], data["ego_history_rot"][:, -1]
    return xyz.repeat_interleave(times, dim=0), rot.repeat_interleave(times, dim=0)


def texts_of(tokenizer: Any, sequences: Tensor, shape: tuple[int, ...]) -> dict[str, Any]:
    """Texts by field, each a numpy array of strings of that shape."""
    decoded = tokenizer.batch_decode(sequences, skip_special_tokens=False)
    return {name: np.array([extract_between(text, name) for text in decoded]).reshape(shape) for name in TEXT_FIELDS}


def check_samples(num_traj_samples: int, num_traj_sets: int) -> None:
    if num_traj_samples < 1 or num_traj_sets < 1:
        raise ValueError(f"at least 1 sample and 1 set are needed, got {num_traj_samples} and {num_traj_sets}")


def in_sets(rows: Tensor, num_traj_sets: int, num_traj_samples: int) -> Tensor:
    """[B * sets * samples, ...] as [B, sets, samples, ...]."""
    return rows.reshape(-1, num_traj_sets, num_traj_samples, *rows.shape[1:])
