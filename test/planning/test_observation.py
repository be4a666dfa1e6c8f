"""Observations check their own shapes."""

from __future__ import annotations

import numpy as np
import pytest

from reasoning_vla_ros.planning import CameraFrames, Observation

IMAGES = np.zeros((2, 4, 6, 3), np.uint8)
XYZ = np.zeros((16, 3), np.float32)
ROT = np.tile(np.eye(3, dtype=np.float32), (16, 1, 1))


def camera(camera_id: int, name: str = "front") -> CameraFrames:
    return CameraFrames(camera_id, name, IMAGES, (1, 2))


def test_a_good_observation() -> None:
    observation = Observation(5, (camera(0, "left"), camera(3, "right")), XYZ, ROT)
    assert observation.camera_names == ("left", "right")


@pytest.mark.parametrize(
    ("images", "stamps", "message"),
    [
        (IMAGES.astype(np.float32), (1, 2), r"uint8 \[F, H, W, 3\] .* got float32"),
        (IMAGES[..., :2], (1, 2), r"\[2, 4, 6, 2\]"),
        (IMAGES[:0], (), r"without empty axes"),
        (IMAGES, (1,), "2 frames need as many stamps, got 1"),
        (IMAGES, (2, 1), r"oldest to newest, got \[2, 1\]"),
    ],
)
def test_bad_frames(images: np.ndarray, stamps: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CameraFrames(0, "front", images, stamps)


@pytest.mark.parametrize(
    ("cameras", "xyz", "rot", "message"),
    [
        ((camera(3), camera(0)), XYZ, ROT, r"ascending, got \[3, 0\]"),
        ((), XYZ[:5], ROT, r"got \[5, 3\] and \[16, 3, 3\]"),
        ((), XYZ[:0], ROT[:0], "T >= 1"),
        ((), XYZ * np.nan, ROT, "NaN"),
    ],
)
def test_bad_observations(cameras: tuple, xyz: np.ndarray, rot: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Observation(0, cameras, xyz, rot)
