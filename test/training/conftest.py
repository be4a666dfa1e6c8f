"""Tiny models and a handful of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.planning import CameraFrames, Observation
from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.simulation.rendered_drive import render_drive
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.training import TrainConfig, TrainingSample
from reasoning_vla_ros.training.config_files import config_from_dict

# 8 tokens a trajectory: sequences are short.
TOKENIZER = "driving-klt-8"


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """accelerate keeps the first run's precision for the whole process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tiny_vla_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ReasoningVLA on disk."""
    folder = tmp_path_factory.mktemp("tiny_vla")
    build_small_model(folder, seed=0, hidden_size=32, num_layers=2, traj_tokenizer=TOKENIZER)
    return folder


@pytest.fixture(scope="session")
def tiny_alpamayo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AlpamayoR1 on disk."""
    folder = tmp_path_factory.mktemp("tiny_alpamayo")
    build_small_model(folder, seed=0, hidden_size=64, num_layers=2, traj_tokenizer=TOKENIZER, kind="alpamayo_r1")
    return folder


@pytest.fixture(scope="session")
def drive_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 s of a rendered drive: seven seconds of instants have their whole future."""
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    render_drive(path, camera=PinholeCamera(width=160, height=96))
    return path


@pytest.fixture(scope="session")
def other_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shorter drive on another road."""
    path = tmp_path_factory.mktemp("other") / "other.mcap"
    render_drive(path, duration_s=11.0, seed=1, camera=PinholeCamera(width=160, height=96))
    return path


@pytest.fixture
def tiny_vla(tiny_vla_dir: Path) -> Any:
    return load_model(str(tiny_vla_dir), device="cpu")


@pytest.fixture
def tiny_alpamayo(tiny_alpamayo_dir: Path) -> Any:
    return load_model(str(tiny_alpamayo_dir), device="cpu")


def _make_sample(index: int = 0, reasoning: str | None = "Keep the lane.", meta_action: str = "") -> TrainingSample:
    """A drive along an arc, with a speed, an acceleration and a curvature of its own, before its own shade of grey."""
    speed_mps, acceleration_mps2, curvature_per_m = 6.0 + 2.0 * index, 0.4 + 0.2 * index, 0.003 * (index - 1)
    steps_s = np.arange(-15, 65) * 0.1
    along_m = speed_mps * steps_s + acceleration_mps2 * np.maximum(steps_s, 0) ** 2 / 2
    yaw = curvature_per_m * along_m
    xyz = np.stack([along_m, curvature_per_m * along_m**2 / 2, 0 * along_m], axis=1)
    rot = Rotation.from_euler("z", yaw[:, None]).as_matrix()
    pixels = np.full((1, 32, 32, 3), 20 * index, np.uint8)
    return TrainingSample(
        observation=Observation(
            t0_ns=1_700_000_000_000_000_000 + index,
            cameras=(CameraFrames(1, "front", pixels, (index,)),),
            history_xyz=xyz[:16].astype(np.float32),
            history_rot=rot[:16].astype(np.float32),
        ),
        future_xyz=xyz[16:].astype(np.float32),
        future_rot=rot[16:].astype(np.float32),
        reasoning=reasoning,
        meta_action=meta_action,
    )


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., TrainingSample]:
    return _make_sample


@pytest.fixture(scope="session")
def samples() -> list[TrainingSample]:
    return [_make_sample(index) for index in range(4)]


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., TrainConfig]:
    """A config of a few quick steps, with what a test says otherwise."""

    def make(**fields: Any) -> TrainConfig:
        defaults: dict[str, Any] = {
            "output": str(tmp_path / "run"),
            "mode": "full",
            "steps": 4,
            "batch_size": 4,
            "micro_batch_size": 4,
            "device": "cpu",
            "optimizer": {"learning_rate": 2e-3, "warmup_steps": 2},
            "evaluation": {"samples": 2, "candidates": 1, "max_reasoning_tokens": 4},
        }
        return config_from_dict({**defaults, **fields})

    return make


@pytest.fixture(scope="session")
def same_weights() -> Callable[[Any, Any], bool]:
    """Whether two models have the same weights, bit for bit."""

    def compare(one: Any, other: Any) -> bool:
        mine, theirs = one.state_dict(), other.state_dict()
        return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)

    return compare
