"""Models that the tests of this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def parity_reasoning_vla(parity_data: Path) -> Any:
    """The public original's tiny ReasoningVLA checkpoint, loaded by us."""
    from reasoning_vla_ros.models import ReasoningVLA

    folder = parity_data / "alpamayo_r1"
    return ReasoningVLA.from_pretrained(
        folder / "reasoning_vla_hf", vlm_name_or_path=str(folder / "tiny_vlm"), print_param_count=False
    )


@pytest.fixture(scope="session")
def parity_alpamayo(parity_data: Path) -> Any:
    """The public original's tiny AlpamayoR1 checkpoint, loaded by us."""
    from reasoning_vla_ros.models import AlpamayoR1

    folder = parity_data / "alpamayo_r1"
    return AlpamayoR1.from_pretrained(
        folder / "alpamayo_r1_hf", vlm_name_or_path=str(folder / "tiny_vlm"), print_param_count=False
    ).eval()
