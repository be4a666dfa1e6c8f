"""The fitted tokenizers in the package: what docs/tokenizers.md promises of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.datasets import TrajectorySet, synthetic_arms, synthetic_driving
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw
from reasoning_vla_ros.tokenizers import TrajectoryTokenizer, available_tokenizers, create_tokenizer
from reasoning_vla_ros.tokenizers.shipped import FITS, shipped_names

# Half again as much as measured: 0.054, 0.0147, 0.0032 and 0.0007 m.
MOST_DRIVING_M = {4: 0.08, 8: 0.022, 16: 0.0048, 32: 0.0011}


def position_error_m(tokenizer: TrajectoryTokenizer, data: TrajectorySet) -> torch.Tensor:
    ids = tokenizer.encode(*data.tensors())
    xyz, _, _ = tokenizer.decode(data.hist_xyz, data.hist_rot, ids)
    return (xyz - data.fut_xyz)[..., :2].norm(dim=-1)


@pytest.fixture(scope="module")
def drives() -> TrajectorySet:
    return synthetic_driving(1500, seed=77)


def test_names() -> None:
    assert available_tokenizers()["shipped"] == list(shipped_names())
    assert "driving-klt-8" in shipped_names()
    with pytest.raises(ValueError, match="driving-klt-8"):
        create_tokenizer("driving-klt-5")
    with pytest.raises(TypeError, match="takes no arguments"):
        create_tokenizer("driving-klt-8", num_tokens=9)


@pytest.mark.parametrize("count", [4, 8, 16, 32])
def test_driving(drives: TrajectorySet, count: int) -> None:
    tokenizer = create_tokenizer(f"driving-klt-{count}")
    assert tokenizer.num_tokens == count
    error_m = position_error_m(tokenizer, drives)
    assert float(error_m.mean()) < MOST_DRIVING_M[count]
    assert float(error_m.max()) <= 0.5
    ids = tokenizer.encode(*drives.tensors())
    _, rot, _ = tokenizer.decode(drives.hist_xyz, drives.hist_rot, ids)
    turned = matrix_to_yaw(drives.fut_rot.transpose(-1, -2) @ rot)  # type: ignore[union-attr]
    assert float(turned.abs().mean()) < {4: 0.025, 8: 0.015, 16: 0.008, 32: 0.003}[count]


def test_arms() -> None:
    chunks = synthetic_arms(500, seed=77)
    tokenizer = create_tokenizer("arm7-klt-16")
    ids = tokenizer.encode(chunks.hist_xyz, None, chunks.fut_xyz, None)  # type: ignore[arg-type]
    assert ids.shape[1] >= tokenizer.num_tokens == 16
    positions, _, _ = tokenizer.decode(chunks.hist_xyz, None, ids)  # type: ignore[arg-type]
    assert float((positions - chunks.fut_xyz).abs().mean()) < 0.003


def test_a_name_is_its_config() -> None:
    tokenizer = create_tokenizer("driving-klt-16")
    assert tokenizer.to_config() == {"name": "driving-klt-16"}
    again = create_tokenizer(tokenizer.to_config(), allow_imports=False)
    assert again.num_tokens == 16
    assert type(again) is type(tokenizer)


def test_saved_and_loaded(tmp_path: Path, drives: TrajectorySet) -> None:
    tokenizer = create_tokenizer("driving-klt-8")
    tokenizer.save_pretrained(tmp_path)
    again = create_tokenizer(tmp_path)
    assert torch.equal(again.encode(*drives[:64].tensors()), tokenizer.encode(*drives[:64].tensors()))
    assert again.num_tokens == 8


def test_fitted_anew_it_has_lost_its_name(drives: TrajectorySet) -> None:
    tokenizer = create_tokenizer("driving-klt-4")
    tokenizer.fit(*drives[:200].tensors(), iterations=1)
    with pytest.raises(ValueError, match="fitted anew"):
        tokenizer.to_config()
    # The package's own codebooks are as they were.
    assert create_tokenizer("driving-klt-4").to_config() == {"name": "driving-klt-4"}
    assert float(position_error_m(create_tokenizer("driving-klt-8"), drives).mean()) < MOST_DRIVING_M[8]


def test_prefixes_are_plans(drives: TrajectorySet) -> None:
    """The first tokens of a row are a plan, the coarser the fewer they are."""
    tokenizer = create_tokenizer("driving-klt-32")
    ids = tokenizer.encode(*drives.tensors())
    errors = []
    for count in (1, 2, 4, 8, 16, 32):
        xyz, _, _ = tokenizer.decode(drives.hist_xyz, drives.hist_rot, ids[:, :count])
        errors.append(float((xyz - drives.fut_xyz)[..., :2].norm(dim=-1).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 1.0
    assert errors[3] < 0.03


def test_small_files() -> None:
    for family in FITS.iterdir():
        assert sum(file.stat().st_size for file in family.iterdir()) < 2e6, family


def test_a_real_recording(test_data: Path) -> None:
    """City driving that nothing was fitted to: KITTI odometry sequence 06."""
    rows = np.loadtxt(test_data / "kitti_06_head" / "poses_full_06.txt").reshape(-1, 3, 4)
    to_ros = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    rot, xyz = to_ros @ rows[:, :, :3] @ to_ros.T, rows[:, :, 3] @ to_ros.T
    starts = range(15, len(xyz) - 64, 5)
    inverse = rot[starts].transpose(0, 2, 1)
    window = np.arange(-15, 65) + np.array(starts)[:, None]
    local_xyz = torch.from_numpy((xyz[window] - xyz[starts][:, None]) @ rot[starts]).float()
    local_rot = torch.from_numpy(inverse[:, None] @ rot[window]).float()
    data = TrajectorySet(local_xyz[:, :16], local_rot[:, :16], local_xyz[:, 16:], local_rot[:, 16:], 0.1)
    for count, most_m in ((8, 0.03), (16, 0.01)):
        error_m = position_error_m(create_tokenizer(f"driving-klt-{count}"), data)
        assert float(error_m.mean()) < most_m
        assert float(error_m.max()) <= 0.5
