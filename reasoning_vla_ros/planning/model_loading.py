"""From a folder or hub id to a model."""

from __future__ import annotations

from typing import Any

import torch

from reasoning_vla_ros.models import ReasoningVLA
from reasoning_vla_ros.models.backends.qwen3vl import is_local
from reasoning_vla_ros.models.reasoning_vla import require_file
from reasoning_vla_ros.tokenizers import create_tokenizer

MODEL_CLASSES = {"alpamayo_reasoning_vla": ReasoningVLA}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_model(
    path_or_id: str, tokenizer: Any = None, vlm: str | None = None, device: str = "auto", dtype: str = "auto"
) -> Any:
    """Loads a model for inference.

    Args:
        path_or_id: a model's folder, or a hub id.
        tokenizer: takes the place of the model's trajectory tokenizer; a name, config or TrajectoryTokenizer.
        vlm: folder or hub id of the VLM's tokenizer and config, for checkpoints without their own.
        device: "auto" takes CUDA where there is one.
        dtype: "auto" takes the model's own on a GPU and float32 on a CPU, where halves are slow.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no config.json.
        ValueError: an unknown kind of model, device or dtype, or a tokenizer that does not fit the model.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise ValueError(f"dtype must be auto or one of {sorted(DTYPES)}, got {dtype!r}")
    chosen_device = pick_device(device)
    if is_local(path_or_id):
        require_file(path_or_id, "config.json")
    elif path_or_id.startswith((".", "/", "~")) or path_or_id.count("/") != 1:
        raise FileNotFoundError(f"model folder {path_or_id!r} does not exist, nor is that a hub id (owner/name)")
    arguments: dict[str, Any] = {"print_param_count": False}
    if vlm:
        arguments["vlm_name_or_path"] = vlm
    if dtype != "auto":
        arguments["dtype"] = DTYPES[dtype]
    elif chosen_device.type == "cpu":
        arguments["dtype"] = torch.float32
    model = model_class(path_or_id).from_pretrained(path_or_id, **arguments)
    if tokenizer:
        model.traj_tokenizer = create_tokenizer(tokenizer) if isinstance(tokenizer, (str, dict)) else tokenizer
    model.check_tokenizers_fit()
    return model.to(chosen_device).eval()


def model_config(path_or_id: str) -> dict[str, Any]:
    """The model's config.json."""
    config_dict, _ = ReasoningVLA.config_class.get_config_dict(path_or_id, local_files_only=is_local(path_or_id))
    return config_dict


def model_class(path_or_id: str) -> Any:
    """The class that the model's config asks for."""
    kind = model_config(path_or_id).get("model_type")
    if kind not in MODEL_CLASSES:
        raise ValueError(f"{path_or_id} is a model of type {kind!r}; known types: {sorted(MODEL_CLASSES)}")
    return MODEL_CLASSES[kind]


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA where there is one. Raises ValueError when it is not to be had."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} asks for a GPU; PyTorch sees {torch.cuda.device_count()}")
    return device
