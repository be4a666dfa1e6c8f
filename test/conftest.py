"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]

# Set before any message class is imported: without it rclpy takes a float for an integer field and sends garbage.
os.environ.setdefault("ROS_PYTHON_CHECK_FIELDS", "1")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
# The models here are so small that a second thread costs more than it brings. Child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing in the tests may ask a model hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _outside(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPO.parent / "shared" / default)).resolve()
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set {variable} to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real recordings."""
    return _outside("REASONING_VLA_TEST_DATA", "data")


@pytest.fixture(scope="session")
def parity_data() -> Path:
    """Folder of reference inputs and outputs of the public originals."""
    return _outside("REASONING_VLA_PARITY_DATA", "parity")


@pytest.fixture(scope="session")
def small_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained ReasoningVLA on disk."""
    from reasoning_vla_ros.models.small import build_small_model

    folder = tmp_path_factory.mktemp("small_model")
    build_small_model(folder, seed=0, hidden_size=64, num_layers=2)
    return folder


@pytest.fixture(scope="session")
def small_alpamayo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained AlpamayoR1 on disk."""
    from reasoning_vla_ros.models.small import build_small_model

    folder = tmp_path_factory.mktemp("small_alpamayo")
    build_small_model(folder, seed=0, hidden_size=64, num_layers=2, kind="alpamayo_r1")
    return folder
