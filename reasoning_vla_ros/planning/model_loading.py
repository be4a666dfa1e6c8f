"""From a folder or hub id to a model."""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError

from reasoning_vla_ros.models import ReasoningVLA
from reasoning_vla_ros.models.backends.qwen3vl import is_local
from reasoning_vla_ros.models.model_classes import MODEL_CLASSES
from reasoning_vla_ros.models.reasoning_vla import require_file
from reasoning_vla_ros.tokenizers import create_tokenizer

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
    if not path_or_id:
        raise ValueError("the model's folder or hub id is empty")
    if vlm:
        _require_folder_or_id(vlm, "vlm")
    if is_local(path_or_id):
        require_file(path_or_id, "config.json")
    else:
        _require_folder_or_id(path_or_id, "model")
    arguments: dict[str, Any] = {"print_param_count": False}
    if vlm:
        arguments["vlm_name_or_path"] = vlm
    if dtype != "auto":
        arguments["dtype"] = DTYPES[dtype]
    elif chosen_device.type == "cpu":
        arguments["dtype"] = torch.float32
    try:
        model = model_class(path_or_id).from_pretrained(path_or_id, **arguments)
    except SafetensorError as error:
        raise ValueError(f"the weights of {path_or_id} cannot be read: {error}") from error
    if tokenizer:
        model.traj_tokenizer = _trajectory_tokenizer(tokenizer)
    model.check_tokenizers_fit()
    return model.to(chosen_device).eval()


def _require_folder_or_id(name: str, what: str) -> None:
    """Raises FileNotFoundError for what is neither a folder nor a hub id, before a hub is asked for it."""
    if not is_local(name) and (name.startswith((".", "/", "~")) or name.count("/") != 1):
        raise FileNotFoundError(f"{what} folder {name!r} does not exist, nor is that a hub id (owner/name)")


def _trajectory_tokenizer(tokenizer: Any) -> Any:
    if not isinstance(tokenizer, (str, dict)):
        return tokenizer
    try:
        return create_tokenizer(tokenizer)
    except (ImportError, TypeError) as error:
        raise ValueError(f"tokenizer {tokenizer!r}: {error}") from error


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
