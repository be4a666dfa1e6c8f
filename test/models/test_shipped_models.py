"""Models that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasoning_vla_ros.models.shipped_models import (
    DEFAULT_MODEL,
    SHIPPED_MODELS,
    model_folder_or_id,
    shipped_model_path,
)
from reasoning_vla_ros.planning.model_loading import load_model, model_config


def test_names_become_folders_and_all_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_folder_or_id(DEFAULT_MODEL) == str(shipped_model_path(DEFAULT_MODEL))
    assert model_folder_or_id("nvidia/Alpamayo-R1-10B") == "nvidia/Alpamayo-R1-10B"
    monkeypatch.chdir(tmp_path)
    Path(DEFAULT_MODEL).mkdir()
    assert model_folder_or_id(DEFAULT_MODEL) == DEFAULT_MODEL  # one's own folder comes first
    with pytest.raises(ValueError, match=r"unknown shipped model 'small'; known: \['reasoning_vla_tiny'\]"):
        shipped_model_path("small")


@pytest.mark.parametrize("name", SHIPPED_MODELS)
def test_a_shipped_model_is_small_trained_and_has_a_card(name: str) -> None:
    folder = shipped_model_path(name)
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert sum(files.values()) < 12e6
    assert {"config.json", "model.safetensors", "README.md", "vlm/tokenizer.json"} <= files.keys()
    assert model_config(name)["untrained"] is False
    assert "## Scores" in (folder / "README.md").read_text(encoding="utf-8")
    assert sum(parameter.numel() for parameter in load_model(name, device="cpu").parameters()) > 1e6
