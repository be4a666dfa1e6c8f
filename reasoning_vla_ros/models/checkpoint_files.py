"""Whether a checkpoint holds what its model needs: a model never runs with weights that were not loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


def require_file(folder: Any, name: str) -> None:
    """Raises FileNotFoundError, saying what the folder holds, when it lacks the file."""
    if not Path(folder, name).is_file():
        held = sorted(path.name for path in Path(folder).iterdir())
        raise FileNotFoundError(f"model folder {folder} holds no {name}; it holds {held}")


def require_weight_files(folder: Any) -> None:
    """Looks whether a folder holds all files of its weights.

    Raises:
        FileNotFoundError: a folder without safetensors, or without some of those that its index names.
        ValueError: an index that is none.
    """
    folder = Path(folder)
    if (folder / SINGLE_FILE).is_file():
        return
    if not (folder / INDEX_FILE).is_file():
        held = sorted(path.name for path in folder.iterdir())
        raise FileNotFoundError(
            f"model folder {folder} holds neither {SINGLE_FILE} nor {INDEX_FILE}, and other formats are not read; "
            f"it holds {held}"
        )
    try:
        named = sorted(set(json.loads((folder / INDEX_FILE).read_text())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / INDEX_FILE} is no index of weights: {error!r}") from error
    if absent := [name for name in named if not (folder / name).is_file()]:
        raise FileNotFoundError(
            f"model folder {folder} lacks {len(absent)} of the {len(named)} files of its weights: {_some(absent)}; "
            "its download is incomplete"
        )


def require_complete(report: Mapping[str, Iterable[Any]], name: Any, kind: str) -> None:
    """Raises ValueError when loading left out weights of the model or of the checkpoint.

    Args:
        report: transformers' `output_loading_info`.
        name: of the checkpoint.
        kind: of the model.
    """
    missing, unexpected = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    # Names in transformers 4.57; with both shapes in 5.
    misshapen = sorted(
        key if isinstance(key, str) else f"{key[0]} is {list(key[1])}, needed {list(key[2])}"
        for key in report["mismatched_keys"]
    )
    problems = [
        f"{len(keys)} {what}: {_some(keys)}"
        for keys, what in (
            (missing, "missing"),
            (unexpected, "that the model does not have"),
            (misshapen, "of another shape"),
        )
        if keys
    ]
    if problems:
        raise ValueError(f"the weights of {name} are not those of its {kind}; {'; '.join(problems)}")


def _some(names: list[str], limit: int = 10) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
