"""The public Alpamayo checkpoints' shape, without their weights: to check names, count memory and time a machine.

Sizes are those of the 10B release's weights. The tokenizer is a stand-in with Qwen's ids for bytes, markup and the
added tokens; what lies between them means nothing.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from reasoning_vla_ros.models.alpamayo_config import Alpamayo15Config, AlpamayoR1Config
from reasoning_vla_ros.models.alpamayo_r1 import Alpamayo15, AlpamayoR1
from reasoning_vla_ros.models.backends.qwen3vl_files import IMAGE_SETTINGS_FILE

# The release's Qwen tokenizer: so many entries of its BPE, then the markup, then what `extend_tokenizer` adds.
BPE_SIZE = 151_643
MARKUP_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
)
IMAGE_SETTINGS = {
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}
ACTION_SPACE = {
    "_target_": "alpamayo_r1.action_space.UnicycleAccelCurvatureActionSpace",
    "accel_mean": 0.02902694707164455,
    "accel_std": 0.6810426736454882,
    "accel_bounds": [-9.8, 9.8],
    "curvature_mean": 0.0002692167976330542,
    "curvature_std": 0.026148280660833106,
    "curvature_bounds": [-0.33, 0.33],
    "n_waypoints": 64,
    "dt": 0.1,
}
VERSIONS: dict[str, tuple[type[AlpamayoR1Config], type[AlpamayoR1]]] = {
    "r1": (AlpamayoR1Config, AlpamayoR1),
    "1.5": (Alpamayo15Config, Alpamayo15),
}


@dataclass(frozen=True)
class ReleaseShape:
    """Sizes of one model: fields of the VLM's two configs, of the expert's, and the width of the action projection."""

    text: dict[str, Any]
    vision: dict[str, Any]
    expert: dict[str, Any]
    projection_hidden_size: int


SHAPES = {
    "10b": ReleaseShape(
        text={
            "hidden_size": 4096,
            "intermediate_size": 12_288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
        vision={
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "deepstack_visual_indexes": [8, 16, 24],
        },
        expert={"hidden_size": 2048, "intermediate_size": 8256, "num_attention_heads": 16, "head_dim": 128},
        projection_hidden_size=512,
    ),
    # The same parts and proportions, for CPUs: about 23 million parameters, most of them embeddings.
    "small": ReleaseShape(
        text={
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
        },
        vision={
            "depth": 3,
            "hidden_size": 48,
            "intermediate_size": 160,
            "num_heads": 2,
            "deepstack_visual_indexes": [0, 1, 2],
        },
        expert={"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "head_dim": 32},
        projection_hidden_size=32,
    ),
}


def build_release_shape(
    device: str | torch.device = "meta",
    dtype: torch.dtype = torch.bfloat16,
    shape: str = "10b",
    version: str = "r1",
    known_text: str = "",
    attn_implementation: str = "sdpa",
) -> AlpamayoR1:
    """An AlpamayoR1 of the release's shape with random weights, made on `device`; on "meta" it takes no memory.

    Args:
        shape: of SHAPES, "10b" or "small".
        version: "r1" or "1.5".
        known_text: text whose words get one token each, as most words of a real prompt have.
        attn_implementation: as transformers takes it.

    Raises:
        ValueError: an unknown shape or version.
    """
    _, model_class = _require_version(version)
    with tempfile.TemporaryDirectory() as folder:
        write_vlm_parts(folder, shape, known_text)
        config = release_config(folder, shape, version, str(dtype).removeprefix("torch."), attn_implementation)
        with torch.device(device):
            model = model_class(config, print_param_count=False)
    # Buffers that are computed rather than initialised are made on the CPU.
    return (model if torch.device(device).type == "meta" else model.to(device)).eval()


def release_config(
    vlm_folder: str | Path,
    shape: str = "10b",
    version: str = "r1",
    dtype: str = "bfloat16",
    attn_implementation: str = "sdpa",
) -> AlpamayoR1Config:
    """The config of such a checkpoint, on a folder as `write_vlm_parts` leaves it. Raises as `build_release_shape`."""
    config_class, _ = _require_version(version)
    return config_class(
        vlm_name_or_path=str(vlm_folder),
        traj_tokenizer_cfg={
            "_target_": "alpamayo_r1.action_space.discrete_action_space.DiscreteTrajectoryTokenizer",
            "action_space_cfg": ACTION_SPACE,
            "dims_min": [-10.0, -10.0],
            "dims_max": [10.0, 10.0],
            "num_bins": 3000,
        },
        hist_traj_tokenizer_cfg={
            "_target_": "alpamayo_r1.models.delta_tokenizer.DeltaTrajectoryTokenizer",
            "num_bins": 1000,
        },
        traj_vocab_size=4000,
        tokens_per_history_traj=48,
        tokens_per_future_traj=128,
        add_special_tokens=True,
        # 1920 x 1080 becomes 576 x 320, 180 tokens an image.
        min_pixels=163_840,
        max_pixels=196_608,
        model_dtype=dtype,
        attn_implementation=attn_implementation,
        diffusion_cfg={"_target_": "alpamayo_r1.diffusion.flow_matching.FlowMatching", "num_inference_steps": 10},
        action_space_cfg=ACTION_SPACE,
        action_in_proj_cfg={
            "_target_": "alpamayo_r1.models.action_in_proj.PerWaypointActionInProjV2",
            "hidden_size": _require_shape(shape).projection_hidden_size,
            "num_enc_layers": 2,
            "max_freq": 100.0,
            "num_fourier_feats": 20,
        },
        action_out_proj_cfg={"_target_": "torch.nn.Linear"},
        expert_cfg=_require_shape(shape).expert,
        untrained=True,
    )


def write_vlm_parts(folder: str | Path, shape: str = "10b", known_text: str = "") -> None:
    """Writes config, stand-in tokenizer and image settings of the VLM. Raises ValueError for an unknown shape."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = stand_in_tokenizer(known_text)
    tokenizer.save_pretrained(folder)
    (folder / IMAGE_SETTINGS_FILE).write_text(json.dumps(IMAGE_SETTINGS, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(_vlm_config(_require_shape(shape), tokenizer), indent=2) + "\n")


def stand_in_tokenizer(known_text: str = "") -> PreTrainedTokenizerFast:
    """A tokenizer of Qwen's 151,669 entries, whose words are those of `known_text`; other text goes byte by byte."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet())]
    words += sorted({word for word, _ in splitter.pre_tokenize_str(known_text)} - set(words))
    words += [f"\N{NULL}{index}" for index in range(len(words), BPE_SIZE)]  # no text splits into these
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(MARKUP_TOKENS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )


def _vlm_config(shape: ReleaseShape, tokenizer: Any) -> dict[str, Any]:
    """config.json as Qwen3-VL-8B-Instruct spells it, which transformers 4.57 and 5 both read."""
    token = tokenizer.convert_tokens_to_ids
    rotary = shape.text["head_dim"] // 2
    sides = 5 * rotary // 16  # height's and width's share of the rotary frequencies: 20 of 64, and 24 for time
    text = {
        "model_type": "qwen3_vl_text",
        "vocab_size": 151_936,
        "max_position_embeddings": 262_144,
        "rms_norm_eps": 1e-6,
        "rope_theta": 5_000_000,
        "rope_scaling": {
            "rope_type": "default",
            "mrope_interleaved": True,
            "mrope_section": [rotary - 2 * sides, sides, sides],
        },
        "attention_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
        **shape.text,
    }
    vision = {
        "model_type": "qwen3_vl",
        "num_position_embeddings": 2304,
        "patch_size": IMAGE_SETTINGS["patch_size"],
        "temporal_patch_size": IMAGE_SETTINGS["temporal_patch_size"],
        "spatial_merge_size": IMAGE_SETTINGS["merge_size"],
        "out_hidden_size": shape.text["hidden_size"],
        **shape.vision,
    }
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "tie_word_embeddings": False,
    }


def _require_shape(name: str) -> ReleaseShape:
    if name not in SHAPES:
        raise ValueError(f"shape must be one of {sorted(SHAPES)}, got {name!r}")
    return SHAPES[name]


def _require_version(name: str) -> tuple[type[AlpamayoR1Config], type[AlpamayoR1]]:
    if name not in VERSIONS:
        raise ValueError(f"version must be one of {sorted(VERSIONS)}, got {name!r}")
    return VERSIONS[name]
