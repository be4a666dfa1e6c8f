"""Configurations of the public Alpamayo checkpoints: R1 (also called 1.0) and 1.5."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig

from reasoning_vla_ros.models.config import ReasoningVLAConfig
from reasoning_vla_ros.models.vocabulary import ALPAMAYO_15_SPECIAL_TOKENS

# What the public inference code gives its image processor: 1080 x 1920 becomes 320 x 576.
MIN_PIXELS, MAX_PIXELS = 163_840, 196_608


class AlpamayoR1Config(ReasoningVLAConfig):
    """Configuration of :class:`AlpamayoR1` (`model_type` "alpamayo_r1"), field for field that of the checkpoints.

    Args:
        diffusion_cfg: `_target_` dict of the flow matching.
        action_space_cfg: `_target_` dict of the action space, or a config as `create_tokenizer` takes it.
        action_in_proj_cfg, action_out_proj_cfg: `_target_` dicts of the expert's input and output layers.
        expert_cfg: what of the VLM's text config the expert has otherwise.
        keep_same_dtype: as in the checkpoints' configs; the expert's parts always have one dtype here.
        expert_non_causal_attention: the expert's waypoints see each other, not only the earlier ones.
        run_dtype: the dtype that the model was made to run in; None is the checkpoint's `model_dtype`. The public
            original rounds the action statistics and the frequencies of `action_in_proj` to it. They are part of what
            the weights were trained with, and so are rounded here, whatever dtype the weights are loaded in.
    """

    model_type = "alpamayo_r1"

    def __init__(
        self,
        diffusion_cfg: dict[str, Any] | None = None,
        action_space_cfg: dict[str, Any] | None = None,
        action_in_proj_cfg: dict[str, Any] | None = None,
        action_out_proj_cfg: dict[str, Any] | None = None,
        expert_cfg: dict[str, Any] | None = None,
        keep_same_dtype: bool = True,
        expert_non_causal_attention: bool = True,
        run_dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.diffusion_cfg = diffusion_cfg
        self.action_space_cfg = action_space_cfg
        self.action_in_proj_cfg = action_in_proj_cfg
        self.action_out_proj_cfg = action_out_proj_cfg
        self.expert_cfg = expert_cfg
        self.keep_same_dtype = keep_same_dtype
        self.expert_non_causal_attention = expert_non_causal_attention
        super().__init__(**kwargs)
        self.run_dtype = run_dtype or self.model_dtype

    @property
    def pixel_bounds(self) -> tuple[int | None, int | None]:
        """As in the base class, with the public inference code's bounds where the config has none."""
        return self.min_pixels or MIN_PIXELS, self.max_pixels or MAX_PIXELS


class Alpamayo15Config(AlpamayoR1Config):
    """Configuration of Alpamayo 1.5 (`model_type` "alpamayo1_5").

    Its prompts name each camera and number its frames, as the public inference code always does for this model; the
    two flags are the training's and are kept as they are.
    """

    model_type = "alpamayo1_5"
    special_tokens = ALPAMAYO_15_SPECIAL_TOKENS
    labels_images = True

    def __init__(self, include_camera_ids: bool = False, include_frame_nums: bool = False, **kwargs: Any) -> None:
        self.include_camera_ids = include_camera_ids
        self.include_frame_nums = include_frame_nums
        super().__init__(**kwargs)


for _config in (AlpamayoR1Config, Alpamayo15Config):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
