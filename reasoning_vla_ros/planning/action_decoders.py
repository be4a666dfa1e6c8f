"""From the language model's state behind the reasoning to candidate trajectories: by tokens, or by an action expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from reasoning_vla_ros.models.navigation import route_ids, without_navigation
from reasoning_vla_ros.models.rollout import Rollout
from reasoning_vla_ros.planning.candidates import Candidates, decode_candidates
from reasoning_vla_ros.planning.decoding import act
from reasoning_vla_ros.planning.settings import PlannerSettings


@dataclass(frozen=True)
class Decided:
    """K candidates, float32 [K] scores, of which the highest is best, and tokens each took."""

    candidates: Candidates
    score: np.ndarray
    num_tokens: int


class ActionDecoder(Protocol):
    """One way to act; `name` as in `PlannerSettings.action_decoder`."""

    name: str

    @property
    def action_space(self) -> Any:
        """Of its actions."""

    def decide(
        self,
        rollout: Rollout,
        inputs: dict[str, Tensor],
        history: tuple[Tensor, Tensor],
        settings: PlannerSettings,
        generator: torch.Generator,
    ) -> Decided:
        """Candidates for K rows that stand behind `<|traj_future_start|>`.

        Args:
            rollout: the K rows.
            inputs: the prompt that they grew from.
            history: xyz [1, T, 3] and rot [1, T, 3, 3].
            settings: of the planner.
            generator: of the random numbers.
        """


class TokenDecoder:
    """Trajectory tokens, one after the other; the score is their mean log-probability."""

    name = "tokens"

    def __init__(self, model: Any) -> None:
        if model.traj_tokenizer is None:
            raise ValueError(
                "the model has no trajectory tokenizer; its config or the argument tokenizer must give one"
            )
        model.check_tokenizers_fit()
        self.model = model

    @property
    def action_space(self) -> Any:
        return self.model.traj_tokenizer.action_space

    def decide(
        self,
        rollout: Rollout,
        inputs: dict[str, Tensor],
        history: tuple[Tensor, Tensor],
        settings: PlannerSettings,
        generator: torch.Generator,
    ) -> Decided:
        tokens, lengths, score = act(rollout, self.model, settings, generator)
        candidates = decode_candidates(self.model.traj_tokenizer, *history, tokens, lengths)
        return Decided(candidates, score.float().cpu().numpy(), tokens.shape[1])


class FlowDecoder:
    """Actions by flow matching; the score is minus the mean distance to the other candidates, metres.

    So the candidate that most others agree with is selected. A flow gives no likelihood without integrating its
    divergence too, which would cost many times the plan.
    """

    name = "flow"

    def __init__(self, model: Any) -> None:
        if not hasattr(model, "expert"):
            raise ValueError(
                f"action_decoder 'flow' needs a model with an action expert, {type(model).__name__} has none"
            )
        self.model = model

    @property
    def action_space(self) -> Any:
        return self.model.action_space

    def decide(
        self,
        rollout: Rollout,
        inputs: dict[str, Tensor],
        history: tuple[Tensor, Tensor],
        settings: PlannerSettings,
        generator: torch.Generator,
    ) -> Decided:
        flow = settings.flow
        unguided = self._without_navigation(rollout, inputs) if flow.navigation_guidance != 1 else None
        actions = self.model.sample_actions(
            self._context(rollout),
            None if unguided is None else self._context(unguided),
            inference_step=flow.steps or None,
            int_method=None if flow.solver == "auto" else flow.solver,
            use_classifier_free_guidance=unguided is not None,
            inference_guidance_weight=flow.navigation_guidance,
            temperature=flow.noise_temperature,
            reuse_tolerance=flow.reuse_tolerance,
            generator=generator,
        )
        count = len(actions)
        xyz, rot = self.action_space.decode(*(poses.expand(count, *poses.shape[1:]) for poses in history), actions)
        candidates = Candidates(xyz.float().cpu().numpy(), rot.float().cpu().numpy(), ("",) * count)
        return Decided(candidates, agreement(candidates.xyz), 0)

    def _context(self, rollout: Rollout) -> Any:
        return self.model.context_behind(rollout.cache, rollout.mask, rollout.next_position)

    def _without_navigation(self, rollout: Rollout, inputs: dict[str, Tensor]) -> Rollout | None:
        """The same texts behind the prompt without its navigation text; None where it has none."""
        ids = route_ids(self.model.special_token_ids)
        if ids[0] is None or not bool((inputs["input_ids"] == ids[0]).any()):
            return None
        input_ids, mask = without_navigation(inputs["input_ids"], None, *ids, rollout.pad_id)
        bare = Rollout(self.model, {**inputs, "input_ids": input_ids, "attention_mask": mask}, len(rollout.mask))
        tokens, active = (torch.cat(columns, dim=1) for columns in zip(*rollout.written, strict=True))
        bare.extend(tokens, active)
        return bare


def agreement(xyz: np.ndarray) -> np.ndarray:
    """float32 [K]: minus the mean distance between a candidate's waypoints [T, 3] and the other candidates', metres.

    Candidates that are not finite count for nothing; a candidate alone has 0.
    """
    finite = np.isfinite(xyz).all(axis=(1, 2))
    known = np.where(finite[:, None, None], xyz, 0.0)
    apart = np.linalg.norm(known[:, None] - known[None], axis=-1).mean(axis=-1)
    others = finite[None] & ~np.eye(len(xyz), dtype=bool)
    score = -(apart * others).sum(axis=1) / np.maximum(others.sum(axis=1), 1)
    return np.where(finite, score, -np.inf).astype(np.float32)


def choose_decoder(model: Any, name: str) -> ActionDecoder:
    """The decoder of that name, or the one that suits the model for "auto".

    Raises:
        ValueError: the model cannot act that way.
    """
    if name == "auto":
        name = FlowDecoder.name if hasattr(model, "expert") else TokenDecoder.name
    return FlowDecoder(model) if name == FlowDecoder.name else TokenDecoder(model)
