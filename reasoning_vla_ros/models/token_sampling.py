"""Text and discrete trajectory tokens from tokenized data, as the public original's methods give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from reasoning_vla_ros.models.extraction import extract_trajectory_tokens
from reasoning_vla_ros.models.text_rollout import TextSettings, write_text
from reasoning_vla_ros.models.tokenized_data import check_samples, in_sets, prompt_inputs, repeated_history, texts_of


class TokenSamplingMixin:
    """Gives a ReasoningVLA `generate_text` and `sample_trajectories_from_data`."""

    config: Any
    tokenizer: Any
    traj_tokenizer: Any
    future_token_start_idx: int

    @torch.no_grad()
    def generate_text(
        self,
        data: Mapping[str, Any],
        top_p: float = 0.98,
        top_k: int | None = None,
        temperature: float = 0.6,
        num_samples: int = 1,
        max_generation_length: int = 256,
    ) -> dict[str, Any]:
        """Texts that follow the prompt, such as the answer to a question.

        Args:
            data: see `tokenized_data.prompt_inputs`; the history is fused where it is given.

        Returns:
            "cot", "meta_action" and "answer", each an array of strings [B, num_samples], empty where the text has none.
        """
        inputs = prompt_inputs(self, data, with_history=data.get("ego_history_xyz") is not None)
        settings = TextSettings(max_generation_length, temperature, top_p, top_k)
        written = write_text(self, inputs, num_samples, settings)
        rows, prompt_length = inputs["input_ids"].shape
        return texts_of(self.tokenizer, written.sequences[:, prompt_length:], (rows, num_samples))

    @torch.no_grad()
    def sample_trajectories_from_data(
        self,
        data: Mapping[str, Any],
        top_p: float = 0.98,
        top_k: int | None = None,
        temperature: float = 0.6,
        num_traj_samples: int = 6,
        num_traj_sets: int = 1,
        max_generation_length: int | None = None,
        return_extra: bool = False,
    ) -> Any:
        """Trajectories from discrete tokens that the language model writes freely.

        Args:
            data: see `tokenized_data.prompt_inputs`.
            max_generation_length: tokens of text and trajectory; default, and at least, the config's
                `tokens_per_future_traj`.

        Returns:
            xyz [B, sets, samples, T, 3] and rot [..., 3, 3], NaN where the tokens are no trajectory (the original
            fills such rows up); with `return_extra` also the texts and "valid", bool [B, sets, samples].
        """
        check_samples(num_traj_samples, num_traj_sets)
        least = self.config.tokens_per_future_traj
        length = least if max_generation_length is None else max_generation_length
        if length < least:
            raise ValueError(f"max_generation_length must be at least {least}, a trajectory's tokens, got {length}")
        inputs = prompt_inputs(self, data)
        total = num_traj_samples * num_traj_sets
        written = write_text(self, inputs, total, TextSettings(length, temperature, top_p, top_k))
        # The start may be the prompt's last token or one of the text.
        tokens, valid = extract_trajectory_tokens(
            written.sequences,
            least,
            self.traj_tokenizer.vocab_size,
            self.future_token_start_idx,
            self.config.traj_token_ids["future_start"],
            self.config.traj_token_ids["future_end"],
        )
        xyz, rot, _, decodable = self.traj_tokenizer.decode(*repeated_history(data, total), tokens, strict=False)
        valid = valid & decodable
        xyz = torch.where(valid[:, None, None], xyz, torch.nan)
        rot = torch.where(valid[:, None, None, None], rot, torch.nan)
        xyz, rot = (in_sets(rows, num_traj_sets, num_traj_samples) for rows in (xyz, rot))
        if not return_extra:
            return xyz, rot
        shape = (len(inputs["input_ids"]), num_traj_sets, num_traj_samples)
        generated = written.sequences[:, inputs["input_ids"].shape[1] :]
        return xyz, rot, {**texts_of(self.tokenizer, generated, shape), "valid": valid.reshape(shape)}
