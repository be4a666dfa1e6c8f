"""Low-rank adapters (LoRA, arXiv 2106.09685) on a model's language model, by peft."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch

from reasoning_vla_ros.training.config import LoraSettings
from reasoning_vla_ros.training.errors import TrainingError


def add_lora(model: Any, settings: LoraSettings, seed: int = 0) -> Any:
    """Puts adapters into the language model, in place: `model` keeps its class and its layout, and plans with them.

    Args:
        model: a ReasoningVLA.
        settings: of the adapters; layers of the vision encoder get none.
        seed: of their random weights. At first they change nothing.

    Returns:
        The peft model around `model.vlm`, for `save_lora` and `merge_lora`.

    Raises:
        TrainingError: peft is not installed, or the language model has no layer of the given names.
    """
    peft = _peft()
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        exclude_modules=r".*\bvisual\b.*",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return peft.get_peft_model(model.vlm, config)
        except ValueError as error:
            raise TrainingError(
                f"lora.targets {list(settings.targets)} do not fit the language model: {error}"
            ) from error


def save_lora(peft_vlm: Any, folder: Path | str) -> None:
    """Writes the adapters as peft does: adapter_config.json and adapter_model.safetensors."""
    # Left to itself peft asks a hub whether the embeddings were resized.
    peft_vlm.save_pretrained(str(folder), save_embedding_layers=False)


def load_lora(model: Any, folder: Path | str) -> Any:
    """Puts saved adapters into a ReasoningVLA, in place, and returns the peft model around its VLM.

    Raises:
        TrainingError: peft is not installed, or the folder holds no adapter.
    """
    if not Path(folder, "adapter_config.json").is_file():
        raise TrainingError(f"{folder} holds no adapter_config.json, needed a folder that save_lora wrote")
    return _peft().PeftModel.from_pretrained(model.vlm, str(folder))


def merge_lora(peft_vlm: Any) -> None:
    """Adds the adapters to the weights, in place; the model then is an ordinary one, without peft."""
    peft_vlm.merge_and_unload()


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ModuleNotFoundError as error:
        raise TrainingError("LoRA needs the package peft: pip install 'reasoning_vla_ros[train]'") from error
