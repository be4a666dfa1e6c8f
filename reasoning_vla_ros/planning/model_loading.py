"""From a folder or hub id to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError

from reasoning_vla_ros.models import ReasoningVLA
from reasoning_vla_ros.models.backends.qwen3vl_files import is_hub_id, is_local
from reasoning_vla_ros.models.checkpoint_files import require_file
from reasoning_vla_ros.models.model_classes import MODEL_CLASSES
from reasoning_vla_ros.models.shipped_models import model_folder_or_id
from reasoning_vla_ros.planning.placement import placement_arguments
from reasoning_vla_ros.planning.quantization import quantization_config
from reasoning_vla_ros.tokenizers import create_tokenizer

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_model(
    path_or_id: str,
    tokenizer: Any = None,
    vlm: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantization: str = "none",
    offload: str = "none",
    device_map: str | Mapping[str, Any] | None = None,
    max_memory: Mapping[int | str, int | str] | None = None,
    offload_folder: str | None = None,
) -> Any:
    """Loads a model for inference.

    Args:
        path_or_id: a model's folder, a hub id, or the name of a model that comes with the package.
        tokenizer: takes the place of the model's trajectory tokenizer; a name, config or TrajectoryTokenizer.
        vlm: folder or hub id of the VLM's tokenizer and config, for checkpoints without their own.
        device: "auto" takes CUDA where there is one.
        dtype: "auto" takes the model's own on a GPU and float32 on a CPU, where halves are slow.
        quantization: "none", "int8" or "int4"; see `planning.quantization`.
        offload, device_map, max_memory, offload_folder: see `planning.placement`.

    Raises:
        FileNotFoundError: there is no such folder, or it lacks config.json, weights or the VLM's files.
        ValueError: an unknown kind of model, device, dtype, quantization or offload; a package that is absent; weights
            that are not those of the model; or a tokenizer that does not fit it.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise ValueError(f"dtype must be auto or one of {sorted(DTYPES)}, got {dtype!r}")
    chosen_device = pick_device(device)
    if not path_or_id:
        raise ValueError("the model's folder or hub id is empty")
    path_or_id = model_folder_or_id(path_or_id)
    if vlm:
        _require_folder_or_id(vlm, "vlm")
    if is_local(path_or_id):
        require_file(path_or_id, "config.json")
    else:
        _require_folder_or_id(path_or_id, "model")
    kind = model_class(path_or_id)
    chosen_dtype = DTYPES[_stated_dtype(path_or_id, kind) if dtype == "auto" else dtype]
    if dtype == "auto" and chosen_device.type == "cpu":
        chosen_dtype = torch.float32
    arguments: dict[str, Any] = {"print_param_count": False, "dtype": chosen_dtype}
    if vlm:
        arguments["vlm_name_or_path"] = vlm
    places = offload != "none" or device_map is not None
    if quantization != "none":
        if places:
            raise ValueError(f"quantization {quantization} and offloading do not go together: needed one of the two")
        arguments["quantization_config"] = quantization_config(quantization, chosen_device, chosen_dtype)
    # On a CPU nothing is gained by it, and models that accelerate has placed are not for training.
    if places or quantization != "none" or chosen_device.type == "cuda":
        arguments |= placement_arguments(chosen_device, offload, device_map, max_memory, offload_folder)
    else:
        placement_arguments(chosen_device, offload)
    try:
        model = kind.from_pretrained(path_or_id, **arguments)
    except SafetensorError as error:
        raise ValueError(f"the weights of {path_or_id} cannot be read: {error}") from error
    if tokenizer:
        model.traj_tokenizer = _trajectory_tokenizer(tokenizer)
    model.check_tokenizers_fit()
    return model.eval()


def _stated_dtype(path_or_id: str, kind: Any) -> str:
    """The config's `model_dtype`. Raises ValueError when that is none."""
    stated = str(model_config(path_or_id).get("model_dtype") or kind.config_class().model_dtype).removeprefix("torch.")
    if stated not in DTYPES:
        raise ValueError(f"the config of {path_or_id} has model_dtype {stated!r}, needed one of {sorted(DTYPES)}")
    return stated


def _require_folder_or_id(name: str, what: str) -> None:
    """Raises FileNotFoundError for what is neither a folder nor a hub id, before a hub is asked for it."""
    if not is_local(name) and not is_hub_id(name):
        raise FileNotFoundError(f"{what} folder {name!r} does not exist, nor is that a hub id (owner/name)")


def _trajectory_tokenizer(tokenizer: Any) -> Any:
    if not isinstance(tokenizer, (str, dict)):
        return tokenizer
    try:
        return create_tokenizer(tokenizer)
    except (ImportError, TypeError) as error:
        raise ValueError(f"tokenizer {tokenizer!r}: {error}") from error


def model_config(path_or_id: str) -> dict[str, Any]:
    """The model's config.json. Raises FileNotFoundError for a hub id that is neither cached nor to be had."""
    path_or_id = model_folder_or_id(path_or_id)
    local = is_local(path_or_id)
    try:
        config_dict, _ = ReasoningVLA.config_class.get_config_dict(path_or_id, local_files_only=local)
    except OSError as error:
        if local:
            raise
        raise FileNotFoundError(
            f"{path_or_id} is not in the hub's cache on this machine and cannot be fetched from here; where there is a "
            f"network and an account that accepted its licence, `hf download {path_or_id}` fetches it: {error}"
        ) from error
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
