"""A small model to train from nothing: its vocabulary and its trajectory tokens are fitted to the samples."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reasoning_vla_ros.datasets.training_samples import Samples, TrainingSample
from reasoning_vla_ros.models.fitted_tokenizers import tokenizer_of
from reasoning_vla_ros.models.small import build_model
from reasoning_vla_ros.models.small_config import SmallModelConfig
from reasoning_vla_ros.planning.prompt import DRIVING_REQUEST, DRIVING_SYSTEM
from reasoning_vla_ros.tokenizers import create_tokenizer
from reasoning_vla_ros.training.evaluation import spread

# A text tokenizer and ranges of control points change little with more.
NUM_SAMPLES = 3000
# Ranges reach beyond what the samples hold by this share of their width, so that little is ever clamped.
MARGIN = 0.1
QUANTILE = 0.0005


def make_new_model(
    config: SmallModelConfig,
    samples: Samples,
    folder: Path,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Makes a model with random weights for these samples and saves it to `folder`.

    Text tokens are learnt from the samples' texts and the prompt. A trajectory tokenizer whose config says `fit: true`
    is fitted to the samples' trajectories and saved with the model. A B-spline without an `action_range` gets the
    ranges of its control points from them.

    Args:
        config: what the model is made of.
        samples: up to 3000 of them, spread evenly, are looked at.
        folder: where the model goes.
        seed: of the weights.
        on_progress: called with samples looked at, and samples to look at.

    Returns:
        A ReasoningVLA.

    Raises:
        ValueError: see `models.small.build_model`.
    """
    chosen = spread(len(samples), NUM_SAMPLES)
    texts: list[str] = []
    histories, futures = [], []
    for number, index in enumerate(chosen):
        sample = samples[index]
        texts += _texts(sample)
        histories.append((sample.observation.history_xyz, sample.observation.history_rot))
        futures.append((sample.future_xyz, sample.future_rot))
        if on_progress is not None:
            on_progress(number + 1, len(chosen))
    history_xyz, history_rot = _stacked(histories)
    future_xyz, future_rot = _stacked(futures)
    # The history is encoded as a trajectory of its own, with its first pose for a history.
    as_history = (history_xyz[:, :1], history_rot[:, :1], history_xyz, history_rot)
    ahead = (history_xyz, history_rot, future_xyz, future_rot)
    traj_tokenizer = _fitted(config.traj_tokenizer, ahead, folder / "fitted/traj_tokenizer", seed)
    fitted = replace(
        config,
        num_history=history_xyz.shape[1],
        traj_tokenizer=traj_tokenizer,
        hist_traj_tokenizer=_fitted(
            config.hist_traj_tokenizer, as_history, folder / "fitted/hist_traj_tokenizer", seed
        ),
        max_trajectory_tokens=config.max_trajectory_tokens or _most_tokens(traj_tokenizer, ahead),
    )
    return build_model(folder, fitted, texts, seed)


def _texts(sample: TrainingSample) -> list[str]:
    """All that a sample has a model read or write."""
    prompt = [DRIVING_SYSTEM, DRIVING_REQUEST, "system\n", "user\n", "assistant\n"]
    return [*prompt, sample.reasoning or "", sample.meta_action, sample.observation.instruction]


def _stacked(trajectories: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """xyz [B, T, 3] and rot [B, T, 3, 3], float64."""
    xyz, rot = zip(*trajectories, strict=True)
    return torch.from_numpy(np.stack(xyz).astype(np.float64)), torch.from_numpy(np.stack(rot).astype(np.float64))


def _fitted(config: dict[str, Any], trajectories: tuple[torch.Tensor, ...], folder: Path, seed: int) -> dict[str, Any]:
    """The config of a tokenizer for the trajectories; one that is fitted here is saved, and named by its folder."""
    config = dict(config)
    if not config.pop("fit", False):
        return _with_ranges(config, trajectories)
    tokenizer = create_tokenizer(config, allow_imports=False)
    takes_seed = "seed" in inspect.signature(tokenizer.action_tokenizer.fit).parameters
    options: dict[str, Any] = {"seed": seed} if takes_seed else {}
    tokenizer.fit(*trajectories, **options)
    tokenizer.save_pretrained(folder)
    return {"folder": str(folder)}


def _most_tokens(config: dict[str, Any], trajectories: tuple[torch.Tensor, ...]) -> int:
    """Tokens that a plan may take, where their number varies: half as many again as the longest of the samples."""
    if not config:
        return 0
    tokenizer = tokenizer_of(config)
    if tokenizer.num_tokens is not None:
        return 0
    counts = tokenizer.action_tokenizer.token_counts(tokenizer.encode(*trajectories))
    return int(1.5 * int(counts.max()))


def _with_ranges(config: dict[str, Any], trajectories: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """The config with the ranges of a B-spline's control points, those to the left and to the right alike."""
    part = config.get("action_tokenizer", {})
    if part.get("name") != "bspline" or "action_range" in part:
        return config
    tokenizer = create_tokenizer(config, allow_imports=False)
    action_tokenizer: Any = tokenizer.action_tokenizer
    action_tokenizer.fit(tokenizer.action_space.encode(*trajectories), QUANTILE, 1 - QUANTILE)
    ranges = action_tokenizer.state_dict()["ranges"].tolist()
    widened = []
    for number, (low, high) in enumerate(ranges):
        margin = max(MARGIN * (high - low), 0.01)
        reach = (low - margin, high + margin)
        if number % tokenizer.action_space.action_dim == 1:  # y, which has no preferred side
            reach = (-max(-reach[0], reach[1]), max(-reach[0], reach[1]))
        widened.append([round(value, 4) for value in reach])
    return {**config, "action_tokenizer": {**part, "action_range": widened}}
