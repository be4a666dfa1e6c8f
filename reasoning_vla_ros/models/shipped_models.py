"""Models that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "shipped"
# Each is a folder that `save_pretrained` wrote, with a model card.
SHIPPED_MODELS = {
    "reasoning_vla_tiny": "trained from nothing in the package's own simulation; drives there, and nowhere else"
}
DEFAULT_MODEL = "reasoning_vla_tiny"


def shipped_model_path(name: str) -> Path:
    """The folder of a shipped model.

    Raises:
        ValueError: a name that is not shipped.
    """
    if name not in SHIPPED_MODELS:
        raise ValueError(f"unknown shipped model {name!r}; known: {list(SHIPPED_MODELS)}")
    return FOLDER / name


def model_folder_or_id(name: str) -> str:
    """What a person calls a model as a folder or hub id: a shipped model's name becomes its folder, unless there is a
    folder of that name; all else stays as it is."""
    return str(shipped_model_path(name)) if name in SHIPPED_MODELS and not Path(name).is_dir() else name
