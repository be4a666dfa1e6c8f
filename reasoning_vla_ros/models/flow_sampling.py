"""Reasoning text, then trajectories by the expert, from tokenized data: the public original's methods."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reasoning_vla_ros.models.action_expert import ExpertContext
from reasoning_vla_ros.models.navigation import route_ids, without_navigation
from reasoning_vla_ros.models.rollout import Rollout
from reasoning_vla_ros.models.text_rollout import TextRollout, TextSettings, write_text
from reasoning_vla_ros.models.tokenized_data import check_samples, in_sets, prompt_inputs, repeated_history, texts_of

logger = logging.getLogger(__name__)


class FlowSamplingMixin:
    """Gives AlpamayoR1 `sample_trajectories_from_data_with_vlm_rollout` and its guided variant.

    With the same random state the texts and the noise are the original's. Where that is defective these differ:
    several sets of trajectories work; `data` is left as it was; padding on the left is hidden from the expert, as in
    1.5 and unlike R1.
    """

    config: Any
    tokenizer: Any
    action_space: Any
    special_token_ids: dict[str, int | None]
    context_behind: Any
    sample_actions: Any

    @torch.no_grad()
    def sample_trajectories_from_data_with_vlm_rollout(
        self,
        data: Mapping[str, Any],
        top_p: float = 0.98,
        top_k: int | None = None,
        temperature: float = 0.6,
        num_traj_samples: int = 6,
        num_traj_sets: int = 1,
        diffusion_kwargs: Mapping[str, Any] | None = None,
        max_generation_length: int | None = None,
        return_extra: bool = False,
    ) -> Any:
        """Draws texts, and behind each one trajectory.

        Args:
            data: see `tokenized_data.prompt_inputs`.
            top_p, top_k, temperature: of the text.
            num_traj_samples, num_traj_sets: texts and trajectories a row, samples times sets.
            diffusion_kwargs: arguments of `FlowMatching.sample`, such as inference_step, int_method, temperature and
                noise [B * sets * samples, T, D].
            max_generation_length: tokens of text; default the config's `tokens_per_future_traj`.
            return_extra: gives the texts too.

        Returns:
            xyz [B, sets, samples, T, 3] in metres in the ego frame at t0, rot [B, sets, samples, T, 3, 3]; with
            `return_extra` also "cot", "meta_action" and "answer", arrays of strings [B, sets, samples].
        """
        text = self._text_settings(max_generation_length, temperature, top_p, top_k)
        return self._sample(data, text, (num_traj_sets, num_traj_samples), diffusion_kwargs, return_extra)

    @torch.no_grad()
    def sample_trajectories_from_data_with_vlm_rollout_cfg_nav(
        self,
        data: Mapping[str, Any],
        top_p: float = 0.98,
        top_k: int | None = None,
        temperature: float = 0.6,
        num_traj_samples: int = 6,
        num_traj_sets: int = 1,
        diffusion_kwargs: Mapping[str, Any] | None = None,
        max_generation_length: int | None = None,
        return_extra: bool = False,
    ) -> Any:
        """The same, guided by the prompt's navigation text (Alpamayo 1.5).

        The velocity goes from the one without that text towards, and beyond, the one with it (arXiv 2311.13443);
        `diffusion_kwargs` holds use_classifier_free_guidance and inference_guidance_weight.

        Raises:
            ValueError: a row without navigation text.
        """
        text = self._text_settings(max_generation_length, temperature, top_p, top_k)
        return self._sample(data, text, (num_traj_sets, num_traj_samples), diffusion_kwargs, return_extra, guided=True)

    def _text_settings(
        self, max_generation_length: int | None, temperature: float, top_p: float, top_k: int | None
    ) -> TextSettings:
        length = self.config.tokens_per_future_traj if max_generation_length is None else max_generation_length
        return TextSettings(length, temperature, top_p, top_k)

    def _sample(
        self,
        data: Mapping[str, Any],
        text: TextSettings,
        sets_and_samples: tuple[int, int],
        diffusion_kwargs: Mapping[str, Any] | None,
        return_extra: bool,
        guided: bool = False,
    ) -> Any:
        sets, samples = sets_and_samples
        check_samples(samples, sets)
        inputs = prompt_inputs(self, data)
        written = self._write(inputs, sets * samples, text)
        unguided = self._without_navigation(inputs, written, sets * samples) if guided else None
        actions = self.sample_actions(self._behind(written), unguided, **(diffusion_kwargs or {}))
        xyz, rot = self.action_space.decode(*repeated_history(data, sets * samples), actions)
        xyz, rot = in_sets(xyz, sets, samples), in_sets(rot, sets, samples)
        if not return_extra:
            return xyz, rot
        shape = (len(inputs["input_ids"]), sets, samples)
        return xyz, rot, texts_of(self.tokenizer, written.sequences, shape)

    def _write(self, inputs: dict[str, Tensor], total: int, text: TextSettings) -> TextRollout:
        start = self.config.traj_token_start_idx
        written = write_text(
            self,
            inputs,
            total,
            text,
            self.config.traj_token_ids["future_start"],
            barred=(start, start + self.config.traj_vocab_size),
        )
        for row in (~written.found).nonzero().flatten().tolist():
            logger.warning("sequence %d has no <|traj_future_start|>; its end is taken instead", row)
        return written

    def _behind(self, written: TextRollout) -> ExpertContext:
        rollout = written.rollout
        context: ExpertContext = self.context_behind(
            rollout.cache, written.visible(rollout.mask.shape[1]), written.next_position
        )
        return context

    def _without_navigation(self, inputs: dict[str, Tensor], written: TextRollout, total: int) -> ExpertContext:
        """What the expert attends to when the same text follows the prompt without its navigation text."""
        pad_id = written.rollout.pad_id
        ids, mask = without_navigation(
            inputs["input_ids"], inputs.get("attention_mask"), *route_ids(self.special_token_ids), pad_id
        )
        rollout = Rollout(self, {**inputs, "input_ids": ids, "attention_mask": mask}, total)
        text = written.sequences[:, inputs["input_ids"].shape[1] :]
        length = written.length - inputs["input_ids"].shape[1]
        begin = rollout.next_position
        rollout.extend(text, torch.arange(text.shape[1], device=text.device) < length[:, None])
        context: ExpertContext = self.context_behind(rollout.cache, rollout.mask, begin + length)
        return context
