"""A small ReasoningVLA made from nothing but a seed: for tests, for trying the pipeline, and to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3VLConfig
from transformers.utils import logging

from reasoning_vla_ros.models.alpamayo_r1 import AlpamayoR1
from reasoning_vla_ros.models.backends import get_backend
from reasoning_vla_ros.models.config import VLM_FOLDER, ReasoningVLAConfig
from reasoning_vla_ros.models.fitted_tokenizers import tokenizer_of
from reasoning_vla_ros.models.level_embeddings import embed_levels
from reasoning_vla_ros.models.model_classes import MODEL_CLASSES
from reasoning_vla_ros.models.reasoning_vla import ReasoningVLA
from reasoning_vla_ros.models.small_config import SmallModelConfig
from reasoning_vla_ros.models.text_tokenizers import bpe_tokenizer, byte_tokenizer, phrase_tokenizer

# 0.1 s steps over 6.4 s. Random tokens stay within mild accelerations (0.5 m/s^2) and curvatures (1/500 m), so that
# even an untrained model's plans pass the safety checks; the odd number of bins has one that means zero.
TRAJ_TOKENIZER = {
    "action_space": {"name": "unicycle", "accel_std": 0.25, "curvature_std": 0.001, "n_waypoints": 64, "dt": 0.1},
    "action_tokenizer": {"name": "uniform", "action_range": [-2.0, 2.0], "num_bins": 255},
}
# Ego positions relative to t0: a 16-step history reaches back 1.5 s, which even bins of 4 m a step represent.
HIST_TRAJ_TOKENIZER = {"action_space": {"name": "delta_xyz"}, "action_tokenizer": {"name": "uniform", "num_bins": 255}}


def build_small_model(
    folder: str | Path,
    seed: int = 0,
    hidden_size: int = 128,
    num_layers: int = 4,
    tied: bool = True,
    traj_tokenizer: str | dict[str, Any] | None = None,
    kind: str = ReasoningVLAConfig.model_type,
    texts: Sequence[str] = (),
) -> ReasoningVLA:
    """Makes a ReasoningVLA with random weights, saves it to `folder` and returns it.

    With the defaults it has about two million parameters and plans in less than a second on two CPU cores. See
    `build_model` for what else there is to choose.

    Args:
        folder: where to save it.
        seed: of the weights.
        hidden_size, num_layers, tied, kind: see :class:`SmallModelConfig`.
        traj_tokenizer: name or config of a trajectory tokenizer whose number of tokens is fixed; accelerations and
            curvatures by default.
        texts: to learn words from; without any each byte is a token.

    Raises:
        ValueError: an unknown kind, or a tokenizer whose number of tokens varies.
    """
    config = SmallModelConfig(
        kind=kind,
        hidden_size=hidden_size,
        num_layers=num_layers,
        tied=tied,
        text_tokens="words" if texts else "bytes",
        traj_tokenizer={"name": traj_tokenizer} if isinstance(traj_tokenizer, str) else traj_tokenizer or {},
    )
    return build_model(folder, config, texts, seed)


def build_model(folder: str | Path, config: SmallModelConfig, texts: Sequence[str] = (), seed: int = 0) -> ReasoningVLA:
    """Makes a ReasoningVLA with random weights, saves it to `folder` and returns it. Its config says `untrained`,
    which reports repeat.

    Args:
        folder: where to save it.
        config: what it is made of.
        texts: what the text tokenizer learns from.
        seed: of the weights.

    Raises:
        ValueError: an unknown kind, a tokenizer whose number of tokens varies, or one that learns from texts without
            any.
    """
    if config.kind not in MODEL_CLASSES:
        raise ValueError(f"kind must be one of {list(MODEL_CLASSES)}, got {config.kind!r}")
    model_class = MODEL_CLASSES[config.kind]
    traj_tokenizer_cfg = config.traj_tokenizer or TRAJ_TOKENIZER
    hist_traj_tokenizer_cfg = config.hist_traj_tokenizer or HIST_TRAJ_TOKENIZER
    future_tokens, history_tokens = tokenizer_of(traj_tokenizer_cfg), tokenizer_of(hist_traj_tokenizer_cfg)
    num_future = future_tokens.num_tokens or config.max_trajectory_tokens
    num_history = history_tokens.num_tokens or history_tokens.action_tokenizer.num_tokens_for(config.num_history)
    for given, count in ((traj_tokenizer_cfg, num_future), (hist_traj_tokenizer_cfg, num_history)):
        if not count:
            raise ValueError(f"the number of tokens must be fixed or bounded, that of {given!r} varies")
    folder = Path(folder)
    vlm_folder = folder / VLM_FOLDER
    vlm_folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _text_tokenizer(config, texts)
    backend = get_backend("qwenvl3")
    image_settings = {**IMAGE_SETTINGS, "temporal_patch_size": config.temporal_patch_size}
    backend.save_parts(small_vlm_config(tokenizer, config), image_settings, tokenizer, str(vlm_folder))
    model_config = model_class.config_class(
        vlm_name_or_path=str(vlm_folder),
        traj_tokenizer_cfg=traj_tokenizer_cfg,
        hist_traj_tokenizer_cfg=hist_traj_tokenizer_cfg,
        traj_vocab_size=future_tokens.vocab_size + history_tokens.vocab_size,
        tokens_per_history_traj=num_history,
        tokens_per_future_traj=num_future,
        model_dtype="float32",
        attn_implementation="sdpa",
        add_special_tokens=True,
        untrained=True,
        **({"trained_rig": config.trained_rig} if config.trained_rig else {}),
        **(_expert_fields(config.hidden_size) if issubclass(model_class, AlpamayoR1) else {}),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(model_config, print_param_count=False).eval()
    embed_levels(model, seed)
    logging.disable_progress_bar()  # a bar for one file of a few megabytes
    try:
        model.save_pretrained(folder)
    finally:
        logging.enable_progress_bar()
    return model


def _text_tokenizer(config: SmallModelConfig, texts: Sequence[str]) -> Any:
    if config.text_tokens == "bytes":
        return byte_tokenizer()
    if not texts:
        raise ValueError(f"text_tokens {config.text_tokens!r} are learnt from texts, got none")
    learn = phrase_tokenizer if config.text_tokens == "phrases" else bpe_tokenizer
    return learn(texts, config.vocabulary)


def _expert_fields(hidden_size: int) -> dict[str, Any]:
    """Fields of AlpamayoR1Config beside those of ReasoningVLAConfig."""
    width = hidden_size // 2
    return {
        "min_pixels": IMAGE_SETTINGS["size"]["shortest_edge"],
        "max_pixels": IMAGE_SETTINGS["size"]["longest_edge"],
        "action_space_cfg": TRAJ_TOKENIZER["action_space"],
        "action_in_proj_cfg": {"hidden_size": width, "num_enc_layers": 2},
        "expert_cfg": {"hidden_size": width, "intermediate_size": 3 * width},
    }


# 448 x 128 for KITTI's 1226 x 370, 320 x 192 for 640 x 360: 56 to 60 tokens an image.
IMAGE_SETTINGS: dict[str, Any] = {
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "size": {"shortest_edge": 32 * 32, "longest_edge": 64 * 32 * 32},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}


def small_vlm_config(tokenizer: Any, config: SmallModelConfig) -> Qwen3VLConfig:
    hidden_size, vision_size = config.hidden_size, config.vision_hidden_size
    head_dim = 32
    heads = max(2, hidden_size // head_dim)
    token = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "head_dim": head_dim,
        "max_position_embeddings": 8192,
        "rope_theta": 5_000_000,
        "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [8, 4, 4]},
        "eos_token_id": token("<|im_end|>"),
        "tie_word_embeddings": config.tied,
    }
    vision = {
        "depth": config.vision_layers,
        "hidden_size": vision_size,
        "intermediate_size": 3 * vision_size,
        "num_heads": vision_size // head_dim,
        "out_hidden_size": hidden_size,
        "num_position_embeddings": 256,
        "patch_size": IMAGE_SETTINGS["patch_size"],
        "temporal_patch_size": config.temporal_patch_size,
        "spatial_merge_size": IMAGE_SETTINGS["merge_size"],
        "deepstack_visual_indexes": list(config.deepstack_layers),
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=config.tied,
    )
