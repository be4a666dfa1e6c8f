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
from reasoning_vla_ros.models.model_classes import MODEL_CLASSES
from reasoning_vla_ros.models.reasoning_vla import ReasoningVLA
from reasoning_vla_ros.models.text_tokenizers import bpe_tokenizer, byte_tokenizer
from reasoning_vla_ros.tokenizers import create_tokenizer

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

    Its config says `untrained`, which reports repeat. With the defaults it has about two million parameters and plans
    in less than a second on two CPU cores.

    Args:
        folder: where to save it.
        seed: of the weights.
        hidden_size, num_layers: of the language model.
        tied: input and output embeddings are one.
        traj_tokenizer: name or config of a trajectory tokenizer whose number of tokens is fixed; accelerations and
            curvatures by default.
        kind: its `model_type`: "alpamayo_reasoning_vla", or "alpamayo_r1" or "alpamayo1_5" for one with an action
            expert, half as wide as the language model.

    Raises:
        ValueError: an unknown kind, or a tokenizer whose number of tokens varies.
    """
    if kind not in MODEL_CLASSES:
        raise ValueError(f"kind must be one of {list(MODEL_CLASSES)}, got {kind!r}")
    model_class = MODEL_CLASSES[kind]
    traj_tokenizer_cfg = {"name": traj_tokenizer} if isinstance(traj_tokenizer, str) else traj_tokenizer
    traj_tokenizer_cfg = traj_tokenizer_cfg or TRAJ_TOKENIZER
    future_tokens = create_tokenizer(traj_tokenizer_cfg, allow_imports=False)
    history_tokens = create_tokenizer(HIST_TRAJ_TOKENIZER)
    if future_tokens.num_tokens is None:
        raise ValueError(f"the number of tokens must be fixed, that of {traj_tokenizer!r} varies")
    folder = Path(folder)
    vlm_folder = folder / VLM_FOLDER
    vlm_folder.mkdir(parents=True, exist_ok=True)
    tokenizer = bpe_tokenizer(texts) if texts else byte_tokenizer()
    backend = get_backend("qwenvl3")
    vlm_config = small_vlm_config(tokenizer, hidden_size, num_layers, tied)
    backend.save_parts(vlm_config, IMAGE_SETTINGS, tokenizer, str(vlm_folder))
    config = model_class.config_class(
        vlm_name_or_path=str(vlm_folder),
        traj_tokenizer_cfg=traj_tokenizer_cfg,
        hist_traj_tokenizer_cfg=HIST_TRAJ_TOKENIZER,
        traj_vocab_size=future_tokens.vocab_size + history_tokens.vocab_size,
        tokens_per_history_traj=48,
        tokens_per_future_traj=future_tokens.num_tokens,
        model_dtype="float32",
        attn_implementation="sdpa",
        add_special_tokens=True,
        untrained=True,
        **(_expert_fields(hidden_size) if issubclass(model_class, AlpamayoR1) else {}),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config, print_param_count=False).eval()
    logging.disable_progress_bar()  # a bar for one file of a few megabytes
    try:
        model.save_pretrained(folder)
    finally:
        logging.enable_progress_bar()
    return model


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


def small_vlm_config(tokenizer: Any, hidden_size: int, num_layers: int, tied: bool) -> Qwen3VLConfig:
    head_dim = 32
    heads = max(2, hidden_size // head_dim)
    token = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_hidden_layers": num_layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "head_dim": head_dim,
        "max_position_embeddings": 8192,
        "rope_theta": 5_000_000,
        "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [8, 4, 4]},
        "eos_token_id": token("<|im_end|>"),
        "tie_word_embeddings": tied,
    }
    vision = {
        "depth": 3,
        "hidden_size": 96,
        "intermediate_size": 288,
        "num_heads": 3,
        "out_hidden_size": hidden_size,
        "num_position_embeddings": 256,
        "patch_size": IMAGE_SETTINGS["patch_size"],
        "temporal_patch_size": IMAGE_SETTINGS["temporal_patch_size"],
        "spatial_merge_size": IMAGE_SETTINGS["merge_size"],
        "deepstack_visual_indexes": [0, 1],
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=tied,
    )
