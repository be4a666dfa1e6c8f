"""Trajectory tokenizers that were fitted, and therefore lie as files inside a saved model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from reasoning_vla_ros.tokenizers import TrajectoryTokenizer, create_tokenizer
from reasoning_vla_ros.tokenizers.factory import load_tokenizer

# Fields of a model's config, and the folders inside the model that `{"folder": ...}` there may name: no others, as a
# checkpoint does not choose which files are opened.
FOLDERS = {"traj_tokenizer_cfg": "traj_tokenizer", "hist_traj_tokenizer_cfg": "hist_traj_tokenizer"}


def tokenizer_of(config: Mapping[str, Any]) -> TrajectoryTokenizer:
    """The tokenizer of a config: `{"folder": path}` for a saved one, else as `create_tokenizer` takes it. Code is never
    imported.

    Raises:
        ValueError, TypeError, FileNotFoundError: see `create_tokenizer`.
    """
    if "folder" in config:
        return load_tokenizer(config["folder"], allow_imports=False)
    return create_tokenizer(config, allow_imports=False)


def folder_inside(checkpoint: Any, name: str) -> Path:
    """A folder of a saved model, on disk or, for a hub id, fetched from the same repository."""
    if Path(checkpoint).exists():
        return Path(checkpoint) / name
    return Path(snapshot_download(str(checkpoint), allow_patterns=f"{name}/*")) / name


def with_full_paths(config: dict[str, Any], checkpoint: Any) -> dict[str, Any]:
    """A model's config as its file has it, with the fitted tokenizers' folders as paths on disk."""
    full = dict(config)
    for field, name in FOLDERS.items():
        if isinstance(config.get(field), Mapping) and config[field].get("folder") == name and checkpoint:
            full[field] = {"folder": str(folder_inside(checkpoint, name))}
    return full


def require_own_folders(config: Mapping[str, Any], checkpoint: Any) -> None:
    """Raises ValueError where a checkpoint's config file names folders that are not its own."""
    for field, name in FOLDERS.items():
        folder = config[field].get("folder", name) if isinstance(config.get(field), Mapping) else name
        if folder != name:
            raise ValueError(f"the config of {checkpoint} has {field} with the folder {folder!r}, needed {name!r}")


@contextmanager
def saved_inside(model: Any, folder: Path) -> Iterator[None]:
    """Writes a model's fitted tokenizers into its folder; meanwhile its config names them as they lie there."""
    config = model.config
    known = {field: getattr(config, field) for field in FOLDERS}
    tokenizers = {"traj_tokenizer_cfg": model.traj_tokenizer, "hist_traj_tokenizer_cfg": model.hist_traj_tokenizer}
    for field, name in FOLDERS.items():
        if known[field] is not None and "folder" in known[field]:
            tokenizers[field].save_pretrained(folder / name)
            setattr(config, field, {"folder": name})
    try:
        yield
    finally:
        for field, value in known.items():
            setattr(config, field, value)
