"""From training samples to the model's inputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from reasoning_vla_ros.datasets.training_samples import TrainingSample
from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX, SPECIAL_TOKENS, TRAJ_TOKENS
from reasoning_vla_ros.planning.prompt import build_prompt, label_images
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.losses import trajectory_labels

# What the tokenizers of the models turn into special and trajectory tokens.
MARKUP = re.compile(r"<\|\w+\|>|<i\d+>")


@dataclass(frozen=True)
class Batch:
    """Inputs of B samples, padded on the right.

    Attributes:
        input_ids: int64 [B, L], with placeholders where history and future go.
        attention_mask: int64 [B, L], 0 for padding.
        labels: int64 [B, L], IGNORE_INDEX on the prompt, on padding, and on text that is not known.
        is_trajectory: bool [B, L], where a label is one of the trajectory's.
        pixel_values, image_grid_thw: images of all samples, as ReasoningVLA takes them; None without any.
        ego_history_xyz, ego_history_rot: float32 [B, 1, T, 3] and [B, 1, T, 3, 3], ego frame at t0.
        ego_future_xyz, ego_future_rot: the future likewise.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    is_trajectory: Tensor
    pixel_values: Tensor | None
    image_grid_thw: Tensor | None
    ego_history_xyz: Tensor
    ego_history_rot: Tensor
    ego_future_xyz: Tensor
    ego_future_rot: Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: None if value is None else value.to(device) for name, value in held.items()}
        return replace(self, **moved)

    def traj_data(self) -> dict[str, Tensor]:
        """What `fuse_traj_tokens` takes."""
        names = ("ego_history_xyz", "ego_history_rot", "ego_future_xyz", "ego_future_rot")
        return {name: getattr(self, name) for name in names}

    def model_inputs(self) -> dict[str, Tensor | None]:
        """Ids, mask and images."""
        names = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")
        return {name: getattr(self, name) for name in names}


class Collator:
    """Makes batches: the prompt as the planner writes it, then reasoning, meta action and trajectory.

    Text that the sample knows is labelled, as is the trajectory with its start and end. Tokens that the model lacks,
    such as those of the meta action, are left out together with what stands between them.

    Args:
        model: a ReasoningVLA; only its tokenizer, its settings and its config are kept, no weights.
        multiple: sequences are padded to a length that is a multiple of this.

    Raises:
        TrainingError: the model has no trajectory tokenizer.
    """

    def __init__(self, model: Any, multiple: int = 1) -> None:
        self.multiple = multiple
        self.tokenizer = model.tokenizer
        self.backend = model.backend
        self.image_settings = model.image_settings
        self.config = model.config
        self.special_token_ids = model.special_token_ids
        if model.traj_tokenizer is None:
            raise TrainingError(
                f"training needs a model with a trajectory tokenizer, this {type(model).__name__} has none"
            )
        fixed = model.traj_tokenizer.num_tokens
        self.num_future_tokens = fixed if fixed is not None else model.config.tokens_per_future_traj

    def __call__(self, samples: Sequence[TrainingSample]) -> Batch:
        """Raises TrainingError when histories or futures differ in length."""
        rows = [self._row(sample) for sample in samples]
        pad_id = self.tokenizer.pad_token_id or 0
        input_ids = self._padded([ids for ids, _, _, _ in rows], pad_id)
        labels = self._padded([labels for _, labels, _, _ in rows], IGNORE_INDEX)
        mask = self._padded([torch.ones_like(ids) for ids, _, _, _ in rows], 0)
        pixels = [row_pixels for _, _, row_pixels, _ in rows if row_pixels is not None]
        grids = [row_grid for _, _, _, row_grid in rows if row_grid is not None]
        return Batch(
            input_ids=input_ids,
            attention_mask=mask,
            labels=labels,
            is_trajectory=trajectory_labels(labels, self.config),
            pixel_values=torch.cat(pixels) if pixels else None,
            image_grid_thw=torch.cat(grids) if grids else None,
            ego_history_xyz=_stacked("history xyz", [sample.observation.history_xyz for sample in samples]),
            ego_history_rot=_stacked("history rot", [sample.observation.history_rot for sample in samples]),
            ego_future_xyz=_stacked("future xyz", [sample.future_xyz for sample in samples]),
            ego_future_rot=_stacked("future rot", [sample.future_rot for sample in samples]),
        )

    def _padded(self, rows: list[Tensor], value: int) -> Tensor:
        """[B, L] of rows, padded on the right."""
        padded = pad_sequence(rows, batch_first=True, padding_value=value)
        return pad(padded, (0, -padded.shape[1] % self.multiple), value=value)

    def _row(self, sample: TrainingSample) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """ids [L], labels [L], pixel values and image grid of one sample."""
        images = [image for camera in sample.observation.cameras for image in camera.images]
        pixel_values = grid = None
        image_texts: list[str] = []
        if images:
            batch = self.backend.preprocess_images(images, self.image_settings, *self.config.pixel_bounds)
            pixel_values, grid = batch.pixel_values, batch.image_grid_thw
            image_texts = [self.backend.image_prompt(count) for count in batch.tokens_per_image]
            if self.config.labels_images:
                image_texts = label_images(sample.observation, image_texts)
        prompt = build_prompt(
            sample.observation, image_texts, self.config.tokens_per_history_traj, self.special_token_ids
        )
        ids, labels = self._ids(prompt), []
        labels += [IGNORE_INDEX] * len(ids)
        for text, is_learned in self._answer(sample):
            part = self._ids(text)
            ids += part
            labels += part if is_learned else [IGNORE_INDEX] * len(part)
        return torch.tensor(ids), torch.tensor(labels), pixel_values, grid

    def _answer(self, sample: TrainingSample) -> list[tuple[str, bool]]:
        """Texts of the answer, and whether each is to be learned. They meet at special tokens, which no merge spans."""
        knows_text = sample.reasoning is not None
        has = {name for name, number in self.special_token_ids.items() if number is not None}
        for text in (sample.reasoning or "", sample.meta_action):
            if markup := MARKUP.search(text):
                raise TrainingError(
                    f"the text at t0 {sample.observation.t0_ns} ns holds {markup[0]!r}, which would be read as a "
                    f"special token; needed plain words: {text!r}"
                )
        words = [sample.reasoning or ""]
        if "cot_end" in has:
            words.append(SPECIAL_TOKENS["cot_end"])
        if sample.meta_action and {"meta_action_start", "meta_action_end"} <= has:
            words.append(
                f"{SPECIAL_TOKENS['meta_action_start']}{sample.meta_action}{SPECIAL_TOKENS['meta_action_end']}"
            )
        future = TRAJ_TOKENS["future"] * self.num_future_tokens
        return [
            ("".join(words), knows_text),
            (f"{TRAJ_TOKENS['future_start']}{future}{TRAJ_TOKENS['future_end']}", True),
            (self.tokenizer.eos_token, knows_text),
        ]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)


def _stacked(name: str, arrays: Sequence[np.ndarray]) -> Tensor:
    """float32 [B, 1, ...] of B arrays of one shape."""
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise TrainingError(f"the samples of a batch must have the same {name}, got the shapes {shapes}")
    return torch.from_numpy(np.stack(arrays).astype(np.float32))[:, None]
