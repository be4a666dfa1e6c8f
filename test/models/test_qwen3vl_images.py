"""Image preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models.backends import get_backend
from reasoning_vla_ros.models.backends.qwen3vl_images import preprocess, resized_shape
from reasoning_vla_ros.models.small import IMAGE_SETTINGS

SETTINGS = {**IMAGE_SETTINGS, "min_pixels": 1024, "max_pixels": 65536}


def test_sizes_of_known_cameras() -> None:
    # Alpamayo: 1080 x 1920 within 163840..196608 pixels becomes 320 x 576.
    assert resized_shape(1080, 1920, 32, 163840, 196608) == (320, 576)
    assert resized_shape(96, 160, 32, 4096, 16384) == (96, 160)
    assert resized_shape(20, 20, 32, 4096, 16384) == (64, 64)


def test_too_long_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="1x201: the aspect ratio may be at most 200"):
        resized_shape(201, 1, 32, 1024, 65536)


def test_patches_hold_the_pixels_in_merge_order() -> None:
    """Each patch of a flat-coloured tile image has that tile's colour; the four of one token adjoin."""
    tiles = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    image = np.repeat(np.repeat(tiles, 16, axis=0), 16, axis=1)[..., None].repeat(3, axis=2)
    batch = preprocess([image], SETTINGS)
    assert batch.image_grid_thw.tolist() == [[1, 4, 4]]
    assert batch.tokens_per_image == (4,)
    colours = (batch.pixel_values * 127.5 + 127.5).round()
    assert torch.equal(colours, colours[:, :1].expand_as(colours))
    assert (colours[:, 0] / 16).int().tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


def test_a_resized_flat_image_stays_flat() -> None:
    batch = preprocess([np.full((370, 1226, 3), 200, np.uint8)], SETTINGS)
    assert torch.allclose(batch.pixel_values, torch.tensor(200 / 127.5 - 1), atol=1e-6)
    assert batch.image_grid_thw.prod() * 256 <= 65536


def test_parity_of_pixel_values(parity_data: Path) -> None:
    folder = parity_data / "alpamayo_r1"
    arrays = np.load(folder / "vlm_forward.npz")
    backend = get_backend("qwenvl3")
    settings = backend.load_image_settings(str(folder / "tiny_vlm"))
    images = [np.moveaxis(frame, 0, -1) for frame in arrays["frames"]]
    batch = backend.preprocess_images(images, settings, 4096, 16384)
    assert np.array_equal(batch.image_grid_thw, arrays["image_grid_thw"])
    assert np.allclose(batch.pixel_values, arrays["pixel_values"], atol=1e-6)
