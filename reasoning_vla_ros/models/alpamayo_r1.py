"""AlpamayoR1: a ReasoningVLA whose action expert draws trajectories by flow matching (arXiv 2511.00088)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from reasoning_vla_ros.models.action_expert import ExpertContext, build_expert, run_expert
from reasoning_vla_ros.models.action_projection import FourierEncoder
from reasoning_vla_ros.models.alpamayo_config import Alpamayo15Config, AlpamayoR1Config
from reasoning_vla_ros.models.alpamayo_parts import build_part
from reasoning_vla_ros.models.flow_matching import FlowMatching
from reasoning_vla_ros.models.flow_sampling import FlowSamplingMixin
from reasoning_vla_ros.models.reasoning_vla import ReasoningVLA
from reasoning_vla_ros.models.rollout import Rollout
from reasoning_vla_ros.tokenizers import UnicycleActionSpace, create_action_space


class AlpamayoR1(ReasoningVLA, FlowSamplingMixin):
    """The public Alpamayo checkpoints: reasoning text from the VLM, then actions from an expert on its KV cache.

    Weights, names and results are those of the public R1 (1.0) and, as :class:`Alpamayo15`, of 1.5. The discrete
    trajectory tokens of the same checkpoint work too; a planner's `action_decoder` chooses.

    Args:
        config: see :class:`AlpamayoR1Config`.
        pretrained_modules, original_vocab_size, print_param_count: see :class:`ReasoningVLA`.

    Attributes:
        expert: a transformer like the VLM's text model, without embeddings.
        action_space: trajectories to normalised actions [T, D] and back.
        diffusion: the flow matching over those actions.
        action_in_proj, action_out_proj: actions to the expert's embeddings, and its hidden states to a velocity.

    Raises:
        ValueError: an unknown `_target_`, an action space of any length, or an expert that does not fit the cache.
    """

    config_class: Any = AlpamayoR1Config
    _keys_to_ignore_on_load_missing = [r"^action_space\.", r"\.freqs$"]  # noqa: RUF012 (transformers' own convention)

    def __init__(
        self,
        config: AlpamayoR1Config,
        pretrained_modules: Mapping[str, Any] | None = None,
        original_vocab_size: int | None = None,
        print_param_count: bool = True,
    ) -> None:
        super().__init__(config, pretrained_modules, original_vocab_size, print_param_count=False)
        language_model = self.backend.language_model(self.vlm)
        dtype = next(language_model.parameters()).dtype
        self.expert = build_expert(language_model, config.expert_cfg, dtype, language_model.config._attn_implementation)
        self.action_space = create_action_space(config.action_space_cfg or "unicycle", allow_imports=False)
        if self.action_space.horizon is None:
            raise ValueError(
                f"the action space must have a fixed number of waypoints, {config.action_space_cfg} has not"
            )
        x_dims = (self.action_space.horizon, self.action_space.action_dim)
        hidden_size = self.expert.config.hidden_size
        package = "alpamayo_r1"
        self.diffusion: FlowMatching = build_part(
            config.diffusion_cfg, f"{package}.diffusion.FlowMatching", "diffusion_cfg", x_dims=x_dims
        )
        self.action_in_proj = build_part(
            config.action_in_proj_cfg,
            f"{package}.models.action_in_proj.PerWaypointActionInProjV2",
            "action_in_proj_cfg",
            in_dims=x_dims,
            out_dim=hidden_size,
            fourier_dtype=getattr(torch, config.run_dtype),
        ).to(dtype)
        self.action_out_proj = build_part(
            config.action_out_proj_cfg,
            "torch.nn.Linear",
            "action_out_proj_cfg",
            in_features=hidden_size,
            out_features=x_dims[1],
        ).to(dtype)
        self.post_init()
        self._round_statistics()
        if print_param_count:
            self.log_parameter_count()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Loads a checkpoint; see `ReasoningVLA.from_pretrained`.

        Raises:
            ValueError: besides, when the checkpoint's action statistics are not those of its config.
        """
        model: Any = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        loaded = model[0] if isinstance(model, tuple) else model
        loaded._round_statistics()
        return model

    def _round_statistics(self) -> None:
        """Gives the action spaces their config's statistics, rounded as the model was made to run."""
        for space in (self.action_space, getattr(self.traj_tokenizer, "action_space", None)):
            if isinstance(space, UnicycleActionSpace):
                space.restore_statistics(getattr(torch, self.config.run_dtype))

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, FourierEncoder):
            module.reset_frequencies()
        elif isinstance(module, UnicycleActionSpace):
            module.reset_statistics()
        else:
            super()._init_weights(module)

    def context_behind(self, cache: Any, visible: Tensor, next_position: Tensor) -> ExpertContext:
        """What the expert attends to; see `ExpertContext.behind`."""
        return ExpertContext.behind(
            cache,
            visible,
            next_position,
            self.diffusion.x_dims[0],
            not self.config.expert_non_causal_attention,
            self.action_out_proj.weight.dtype,
        )

    def velocity(self, x: Tensor, t: Tensor, context: ExpertContext) -> Tensor:
        """The flow's velocity [B, T, D] at noisy actions x [B, T, D] and times t [B, 1, 1]."""
        hidden = run_expert(self.expert, self.action_in_proj(x, t), context)
        velocity: Tensor = self.action_out_proj(hidden.to(self.action_out_proj.weight.dtype))
        return velocity

    def sample_actions(
        self, context: ExpertContext, unguided: ExpertContext | None = None, **diffusion_kwargs: Any
    ) -> Tensor:
        """Actions float32 [B, T, D] by the flow.

        Args:
            context: what the expert attends to, B rows.
            unguided: the same behind the prompt without its navigation text, for guidance.
            diffusion_kwargs: arguments of `FlowMatching.sample`.
        """
        actions: Tensor = self.diffusion.sample(
            batch_size=len(context.attention_mask),
            step_fn=partial(self.velocity, context=context),
            unguided_step_fn=None if unguided is None else partial(self.velocity, context=unguided),
            device=context.attention_mask.device,
            **diffusion_kwargs,
        )
        return actions

    def flow_matching_loss(
        self,
        input_ids: Tensor,
        traj_data: Mapping[str, Any],
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        train_vlm: bool = False,
        noise: Tensor | None = None,
        timesteps: Tensor | None = None,
    ) -> Tensor:
        """Mean squared error of the velocity; what the expert learns from.

        Args:
            input_ids: int64 [B, L], each row with one `<|traj_future_start|>`; what follows it is hidden from the
                expert. History placeholders are fused from `traj_data`.
            traj_data: see `fuse_traj_tokens`; ego_future_xyz [B, 1, T, 3] and ego_future_rot are needed.
            attention_mask: int64 [B, L], 0 for padding on either side.
            pixel_values, image_grid_thw: images of all rows.
            train_vlm: whether the loss reaches the VLM through its keys and values.
            noise: [B, T, D]; drawn when None.
            timesteps: [B]; drawn when None.

        Raises:
            ValueError: a row without `<|traj_future_start|>`, or trajectories that do not fit.
        """
        start = input_ids == self.config.traj_token_ids["future_start"]
        if not bool(start.any(dim=1).all()):
            row = int((~start.any(dim=1)).nonzero()[0])
            raise ValueError(f"row {row} has no <|traj_future_start|>; the expert starts behind it")
        columns = torch.arange(input_ids.shape[1], device=input_ids.device)
        length = input_ids.shape[1] - start.flip(1).int().argmax(dim=1)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.to(input_ids)
        # Nothing behind the start is seen by anything before it, so it need not be run at all.
        keep = int(length.max())
        visible = mask * (columns < length[:, None]).to(mask)
        inputs = {"input_ids": self.fuse_traj_tokens(input_ids, history_of(traj_data))[:, :keep]}
        inputs["attention_mask"] = visible[:, :keep]
        if pixel_values is not None and image_grid_thw is not None:
            inputs.update(pixel_values=pixel_values, image_grid_thw=image_grid_thw)
        with torch.set_grad_enabled(train_vlm and torch.is_grad_enabled()):
            rollout = Rollout(self, inputs, num_samples=1)
        context = self.context_behind(rollout.cache, rollout.mask, rollout.next_position)
        data = self.diffusion.construct_training_data(self._actions(traj_data), noise, timesteps)
        return self.diffusion.compute_loss_from_pred(data, self.velocity(data["noisy_x"], data["timesteps"], context))

    def _actions(self, traj_data: Mapping[str, Any]) -> Tensor:
        """float32 [B, T, D] of the recorded futures."""
        names = ("ego_history_xyz", "ego_history_rot", "ego_future_xyz", "ego_future_rot")
        missing = [name for name in names if traj_data.get(name) is None]
        if missing:
            raise ValueError(f"flow matching learns from histories and futures; traj_data lacks {missing}")
        # In mixed-precision training these are the targets; half precision would move them by as much as they are.
        with torch.autocast(traj_data["ego_future_xyz"].device.type, enabled=False):
            actions = self.action_space.encode(*(traj_data[name][:, -1] for name in names))
        return actions.float()


class Alpamayo15(AlpamayoR1):
    """Alpamayo 1.5: the same network; its prompts name the cameras, and may hold navigation text or a question."""

    config_class = Alpamayo15Config


def history_of(traj_data: Mapping[str, Any]) -> dict[str, Any]:
    """The history alone, so that the future is not written into the prompt."""
    return {name: traj_data.get(name) for name in ("ego_history_xyz", "ego_history_rot")}


AutoModel.register(AlpamayoR1Config, AlpamayoR1, exist_ok=True)
AutoModel.register(Alpamayo15Config, Alpamayo15, exist_ok=True)
