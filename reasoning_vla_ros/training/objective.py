"""Which weights are trained, and the loss they are trained by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX
from reasoning_vla_ros.training.collate import Batch
from reasoning_vla_ros.training.config import LossConfig, TrainConfig
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.lora import add_lora
from reasoning_vla_ros.training.losses import SmoothedLevels, label_counts, token_loss_sums

EXPERT_PARTS = ("expert", "action_in_proj", "action_out_proj")


@dataclass(frozen=True)
class Counts:
    """What the means of a step are over, all its micro-batches and processes together."""

    trajectory_tokens: float
    text_tokens: float
    rows: float

    @classmethod
    def of(cls, batches: list[Batch]) -> Counts:
        """Of some micro-batches."""
        tokens = [label_counts(batch.labels, batch.is_trajectory) for batch in batches]
        return cls(
            float(sum(int(trajectory) for trajectory, _ in tokens)),
            float(sum(int(text) for _, text in tokens)),
            float(sum(len(batch) for batch in batches)),
        )


class TrainingObjective(nn.Module):
    """A model and its losses, as one module that distributed training can wrap.

    Of the model's weights, those that the mode trains require gradients, and no others.

    Args:
        model: a ReasoningVLA; with an action expert for the mode "expert".
        config: mode, weights of the losses, LoRA.

    Attributes:
        uses_tokens, uses_flow: which losses there are.
        peft_vlm: the peft model in mode "lora", else None.

    Raises:
        TrainingError: the mode needs an expert that the model lacks, no loss has a weight, or levels are to be smoothed
            where the ids are none.
    """

    def __init__(self, model: Any, config: TrainConfig) -> None:
        super().__init__()
        has_expert = all(getattr(model, name, None) is not None for name in EXPERT_PARTS)
        wants_expert = config.mode == "expert" or (config.mode == "lora" and config.lora.train_expert)
        if wants_expert and not has_expert:
            raise TrainingError(
                f"{'mode expert' if config.mode == 'expert' else 'lora.train_expert'} needs a model with an action "
                f"expert (AlpamayoR1), got a {type(model).__name__}; mode lora or full trains this one"
            )
        self.model = model
        self.weights: LossConfig = config.loss
        self.uses_tokens = config.mode != "expert"
        self.uses_flow = wants_expert or (config.mode == "full" and has_expert)
        self.smoothed = _smoothed_levels(model, config.loss.smoothing_bins) if config.loss.smoothing_bins else None
        self.peft_vlm: Any = None
        model.requires_grad_(False)
        # A plain attribute, not a submodule: it holds the VLM that the model holds.
        if config.mode == "lora":
            object.__setattr__(self, "peft_vlm", add_lora(model, config.lora, config.seed))
        elif config.mode == "full":
            model.requires_grad_(True)
        if self.uses_flow:
            for name in EXPERT_PARTS:
                getattr(model, name).requires_grad_(True)
        used = [self.uses_tokens and (config.loss.trajectory or config.loss.text), self.uses_flow and config.loss.flow]
        if not any(used):
            raise TrainingError(f"mode {config.mode} trains by losses whose weights are 0: {config.loss}")

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by their name in the model."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def train(self, mode: bool = True) -> TrainingObjective:
        """Sets training mode for the parts that are trained; frozen parts stay in evaluation mode."""
        self.training = mode
        self.model.eval()
        if mode and self.uses_tokens:
            self.model.train()
        elif mode:
            for name in EXPERT_PARTS:
                getattr(self.model, name).train()
        return self

    def forward(
        self, batch: Batch, counts: Counts, noise: Tensor | None = None, timesteps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """This batch's share of the losses' means over `counts`; the shares of a step's batches add up to them.

        Args:
            batch: the inputs.
            counts: what the means are over.
            noise, timesteps: of flow matching, see `FlowDraws`, on any device; drawn at random when not given.

        Returns:
            "loss", the weighted sum, and "trajectory", "text" and "flow", as far as they are used, without gradients.
        """
        loss = torch.zeros((), device=batch.input_ids.device)
        shares: dict[str, Tensor] = {}
        if self.uses_tokens:
            trajectory, text = self._token_sums(batch)
            shares["trajectory"] = trajectory / max(counts.trajectory_tokens, 1.0)
            shares["text"] = text / max(counts.text_tokens, 1.0)
        if self.uses_flow:
            device = batch.input_ids.device
            noise, timesteps = (None if each is None else each.to(device) for each in (noise, timesteps))
            with _evaluating(self.model.vlm):
                flow = self.model.flow_matching_loss(
                    **batch.model_inputs(), traj_data=batch.traj_data(), noise=noise, timesteps=timesteps
                )
            shares["flow"] = flow * (len(batch) / counts.rows)
        for name, share in shares.items():
            loss = loss + getattr(self.weights, name) * share
        return {"loss": loss, **{name: share.detach() for name, share in shares.items()}}

    def _token_sums(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Summed cross-entropy of trajectory and text tokens.

        Logits are made where a token is learned and nowhere else: a prompt of thousands of tokens times a vocabulary
        of 150000 would not fit into memory.
        """
        fused = self.model.fuse_traj_tokens(batch.input_ids, batch.traj_data())
        targets = torch.where(batch.labels != IGNORE_INDEX, fused, IGNORE_INDEX)
        targets = self._ended_at_padding(targets)[:, 1:]
        columns = (targets != IGNORE_INDEX).any(dim=0).nonzero()[:, 0]
        output = self.model(
            input_ids=fused,
            attention_mask=batch.attention_mask,
            pixel_values=batch.pixel_values,
            image_grid_thw=batch.image_grid_thw,
            use_cache=False,
            logits_to_keep=columns,
        )
        smoothed = self.smoothed if self.training else None
        return token_loss_sums(output.logits, targets[:, columns], batch.is_trajectory[:, 1:][:, columns], smoothed)

    def _ended_at_padding(self, targets: Tensor) -> Tensor:
        """Targets [B, L] whose trajectories end with `<|traj_future_end|>` where their padding begins, as plans do.

        What stands behind the first padding, the end that the prompt has for all rows included, is not to be learned.
        """
        tokenizer, config = self.model.traj_tokenizer, self.model.config
        if tokenizer.num_tokens is not None or tokenizer.pad_id is None:
            return targets
        end = config.traj_token_ids["future_end"]
        is_padding = targets == self.model.future_token_start_idx + tokenizer.pad_id
        number = is_padding.cumsum(dim=1)
        is_late_end = (targets == end) & (number > 0)
        targets = torch.where(is_padding & (number == 1), end, targets)
        return torch.where((is_padding & (number > 1)) | is_late_end, IGNORE_INDEX, targets)


def _smoothed_levels(model: Any, deviation: float) -> SmoothedLevels:
    tokenizer = model.traj_tokenizer
    if not tokenizer.action_tokenizer.ids_are_levels:
        raise TrainingError(
            f"loss.smoothing_bins is {deviation}, but the ids of {tokenizer.action_tokenizer.name!r} are no ascending "
            "levels; needed 0, or a tokenizer such as uniform, bspline or truncated_dct"
        )
    return SmoothedLevels(model.future_token_start_idx, tokenizer.vocab_size, deviation)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """In evaluation mode: without dropout, and with the KV cache that gradient checkpointing would leave out."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
