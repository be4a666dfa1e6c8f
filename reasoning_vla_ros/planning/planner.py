"""The planner: an observation in, a plan out; the same in the node, in evaluation and in closed loop."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reasoning_vla_ros.geometry.kinematics import path_kinematics
from reasoning_vla_ros.models.extraction import extract_between
from reasoning_vla_ros.models.rollout import Rollout
from reasoning_vla_ros.models.text_rollout import TextSettings, write_text
from reasoning_vla_ros.planning.action_decoders import Decided, choose_decoder
from reasoning_vla_ros.planning.checks import check_candidate
from reasoning_vla_ros.planning.decoding import ReasoningTokens, reason
from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.prompt import build_prompt, build_question, label_images
from reasoning_vla_ros.planning.settings import PlannerSettings
from reasoning_vla_ros.planning.stages import StageClock

OnText = Callable[[str, bool], None]


class Planner:
    """Runs a ReasoningVLA: reasoning text first, then a trajectory by tokens or by the model's action expert.

    Args:
        model: a ReasoningVLA or AlpamayoR1.
        settings: sampling, the way to act and the bounds of a valid plan.

    Raises:
        ValueError: the model cannot act that way, or its trajectory tokenizer does not fit it.
    """

    def __init__(self, model: Any, settings: PlannerSettings | None = None) -> None:
        self.model = model
        self.settings = settings or PlannerSettings()
        self.decoder = choose_decoder(model, self.settings.action_decoder)
        self.act_seconds = 0.0  # of the newest plan: what must be left of a deadline when reasoning ends

    @classmethod
    def from_pretrained(
        cls,
        path_or_id: str,
        tokenizer: Any = None,
        vlm: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        settings: PlannerSettings | None = None,
        **placement: Any,
    ) -> Planner:
        """Loads the model as `planning.model_loading.load_model` does, with the same arguments and errors.

        Args:
            placement: its `quantization`, `offload`, `device_map`, `max_memory` and `offload_folder`.
        """
        return cls(load_model(str(path_or_id), tokenizer, vlm, device, dtype, **placement), settings)

    def dt_s(self, observation: Observation) -> float:
        """Step between waypoints, seconds: the action space's, or the history's where that has none of its own."""
        return float(self.decoder.action_space.dt_s or observation.dt_s)

    @torch.inference_mode()
    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: OnText | None = None,
        seed: int | None = None,
    ) -> Plan:
        """Plans from an observation.

        Args:
            observation: what the robot sees.
            num_samples: K, candidates to draw.
            deadline_s: seconds that the plan may take; the reasoning is cut to meet it, and the plan says so.
            on_text: called with the first candidate's text so far, and whether it is finished, as it is written.
            seed: of the random numbers; None draws one, which the plan tells. On one machine the same observation,
                K and seed give the same plan, unless a deadline cut it.

        Raises:
            ValueError: no samples asked for, or a history whose length does not fit the model.
        """
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        clock = StageClock(self.model.device)
        seed = secrets.randbits(63) if seed is None else seed
        generator = torch.Generator(self.model.device).manual_seed(seed)
        history_xyz, history_rot = self._history(observation)
        with clock.stage("encode"):
            inputs = self._inputs(observation, history_xyz, history_rot)
        visual = self.model.backend.visual(self.model.vlm)
        with clock.stage("prefill"), clock.carved_out(visual, name="encode", enclosing="prefill"):
            rollout = Rollout(self.model, inputs, num_samples)
        out_of_time, was_cut = self._deadline(clock, deadline_s)
        with clock.stage("reason"):
            reasoning = reason(rollout, self.model, self.settings, generator, out_of_time, self._teller(on_text))
        with clock.stage("act"):
            decided = self.decoder.decide(rollout, inputs, (history_xyz, history_rot), self.settings, generator)
        self.act_seconds = clock.seconds["act"]
        if on_text is not None:
            on_text(self._text(reasoning.rows[0]), True)
        return self._plan(observation, decided, reasoning, inputs, seed, clock, was_cut, deadline_s)

    @torch.inference_mode()
    def ask(
        self,
        observation: Observation,
        question: str,
        num_answers: int = 1,
        max_tokens: int = 256,
        seed: int | None = None,
    ) -> tuple[str, ...]:
        """Answers to a question about the images, as Alpamayo 1.5 gives them; nothing is planned.

        Args:
            observation: its images; the ego history is no part of a question.
            question: in plain words.
            num_answers: how many to draw.
            max_tokens: an answer that is not finished by then comes back as far as it got.
            seed: of the random numbers; None draws one.

        Raises:
            ValueError: a model without tokens for questions, an empty question, or no answers asked for.
        """
        if self.model.special_token_ids.get("question_start") is None:
            raise ValueError("the model has no <|question_start|> token: it takes no questions")
        if not question.strip():
            raise ValueError("the question is empty")
        inputs, image_texts = self._images(observation)
        inputs["input_ids"] = self._ids(build_question(image_texts, question))
        generator = torch.Generator(self.model.device).manual_seed(secrets.randbits(63) if seed is None else seed)
        settings = TextSettings(max_tokens, self.settings.temperature, self.settings.top_p)
        stop_id = self.model.special_token_ids["answer_end"]
        start = self.model.config.traj_token_start_idx
        barred = (start, start + self.model.config.traj_vocab_size)
        written = write_text(self.model, inputs, num_answers, settings, stop_id, barred, generator)
        answers = self.model.tokenizer.batch_decode(
            written.sequences[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return tuple(without_control_characters(text.strip()) for text in answers)

    def _history(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """[1, T, 3] and [1, T, 3, 3] on the model's device."""
        xyz = torch.from_numpy(np.array(observation.history_xyz))[None]
        rot = torch.from_numpy(np.array(observation.history_rot))[None]
        return xyz.to(self.model.device), rot.to(self.model.device)

    def _inputs(self, observation: Observation, history_xyz: Tensor, history_rot: Tensor) -> dict[str, Tensor]:
        """The model's inputs: prompt ids with the ego history fused in, and images."""
        model = self.model
        inputs, image_texts = self._images(observation)
        text = build_prompt(observation, image_texts, model.config.tokens_per_history_traj, model.special_token_ids)
        history = {"ego_history_xyz": history_xyz[:, None], "ego_history_rot": history_rot[:, None]}
        inputs["input_ids"] = model.fuse_traj_tokens(self._ids(text), history)
        return inputs

    def _images(self, observation: Observation) -> tuple[dict[str, Tensor], list[str]]:
        """The images as the vision encoder takes them, and the prompt's text for each."""
        model = self.model
        images = [image for camera in observation.cameras for image in camera.images]
        if not images:
            return {}, []
        batch = model.backend.preprocess_images(images, model.image_settings, *model.config.pixel_bounds)
        inputs = {
            "pixel_values": batch.pixel_values.to(model.device, model.dtype),
            "image_grid_thw": batch.image_grid_thw.to(model.device),
        }
        image_texts = [model.backend.image_prompt(count) for count in batch.tokens_per_image]
        return inputs, label_images(observation, image_texts) if model.config.labels_images else image_texts

    def _ids(self, text: str) -> Tensor:
        return torch.tensor([self.model.tokenizer(text, add_special_tokens=False).input_ids], device=self.model.device)

    def _deadline(self, clock: StageClock, deadline_s: float | None) -> tuple[Callable[[], bool], list[bool]]:
        """Asks whether the reasoning must end now, and the list that is filled once it had to."""
        cut: list[bool] = []

        def out_of_time() -> bool:
            if deadline_s is None or clock.elapsed_s() + self.act_seconds < deadline_s:
                return False
            cut.append(True)
            return True

        return out_of_time, cut

    def _teller(self, on_text: OnText | None) -> Callable[[list[int]], None] | None:
        return None if on_text is None else lambda ids: on_text(self._text(ids), False)

    def _text(self, token_ids: list[int]) -> str:
        """The chain of thought, still being written or not."""
        raw = self.model.tokenizer.decode(token_ids, skip_special_tokens=False)
        text = extract_between(raw, "cot") or self.model.tokenizer.decode(token_ids, skip_special_tokens=True).strip()
        return without_control_characters(text)

    def _meta_action(self, token_ids: list[int]) -> str:
        # Without its start token the text before the end would be the chain of thought.
        if self.model.special_token_ids.get("meta_action_start") not in token_ids:
            return ""
        raw = self.model.tokenizer.decode(token_ids, skip_special_tokens=False)
        return without_control_characters(extract_between(raw, "meta_action"))

    def _plan(
        self,
        observation: Observation,
        decided: Decided,
        reasoning: ReasoningTokens,
        inputs: dict[str, Tensor],
        seed: int,
        clock: StageClock,
        was_cut: list[bool],
        deadline_s: float | None,
    ) -> Plan:
        candidates, scores = decided.candidates, decided.score
        v0_mps, dt_s = observation.speed_mps, self.dt_s(observation)
        motion = path_kinematics(candidates.xyz.astype(np.float64), candidates.rot.astype(np.float64), dt_s, v0_mps)
        reasons = list(candidates.invalid_reasons)
        for k, reason_so_far in enumerate(reasons):
            reasons[k] = reason_so_far or check_candidate(
                candidates.xyz[k],
                motion.speed[k],
                motion.acceleration[k],
                motion.heading_rate[k],
                v0_mps,
                dt_s,
                self.settings.limits,
            )
        valid = np.array([not reason for reason in reasons])
        best = int(np.where(valid, scores, -np.inf).argmax())
        seconds = clock.result()
        reduced = ""
        if was_cut:
            reduced = (
                f"reasoning cut after {max(map(len, reasoning.rows))} tokens to meet the deadline of {deadline_s} s"
            )
        if deadline_s is not None and seconds.total > deadline_s:
            reduced = f"{reduced + '; ' if reduced else ''}took {seconds.total:.3f} s of {deadline_s} s"
        return Plan(
            t0_ns=observation.t0_ns,
            xyz=candidates.xyz,
            rot=candidates.rot,
            speed_mps=motion.speed.astype(np.float32),
            dt_s=dt_s,
            score=scores,
            valid=valid,
            invalid_reasons=tuple(reasons),
            selected=best if valid[best] else -1,
            reasoning=tuple(self._text(row) for row in reasoning.rows),
            meta_actions=tuple(self._meta_action(row) for row in reasoning.rows),
            reasoning_complete=tuple(reasoning.complete),
            v0_mps=v0_mps,
            num_prompt_tokens=inputs["input_ids"].shape[1],
            num_reasoning_tokens=tuple(len(row) for row in reasoning.rows),
            num_trajectory_tokens=decided.num_tokens,
            action_decoder=self.decoder.name,
            seconds=seconds,
            seed=seed,
            reduced=reduced,
        )


def without_control_characters(text: str) -> str:
    """The text with control characters but line breaks and tabs replaced: a ROS string ends at the first NUL, and
    terminals obey the others."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
