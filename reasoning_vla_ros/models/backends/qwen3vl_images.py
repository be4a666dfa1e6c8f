"""Image preprocessing of Qwen-VL models in plain PyTorch.

The values are those of transformers' Qwen2VLImageProcessorFast. That class needs torchvision, for which many robots
have no build, and so does the whole Qwen3-VL processor; this needs neither.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from numpy.typing import NDArray
from torch import Tensor

from reasoning_vla_ros.models.backends.base import ImageBatch

# Longest side over shortest; the same limit as the original's.
MAX_ASPECT_RATIO = 200


def resized_shape(height: int, width: int, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Height and width in multiples of `factor` whose area lies in the bounds, the aspect ratio kept as well as it can.

    Raises:
        ValueError: the image is more than 200 times as long as it is wide.
    """
    if max(height, width) > MAX_ASPECT_RATIO * min(height, width):
        raise ValueError(f"image of {width}x{height}: the aspect ratio may be at most {MAX_ASPECT_RATIO}")
    new_height, new_width = round(height / factor) * factor, round(width / factor) * factor
    if new_height * new_width > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif new_height * new_width < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


def preprocess(images: list[NDArray[np.uint8]], settings: dict[str, Any]) -> ImageBatch:
    """RGB images, uint8 [H, W, 3] each, to normalised patches.

    Args:
        settings: keys patch_size, temporal_patch_size, merge_size, min_pixels, max_pixels, image_mean, image_std,
            rescale_factor, as in `preprocessor_config.json`.
    """
    if not images:
        raise ValueError("preprocessing needs at least one image, got none")
    patches, grids = [], []
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(f"an image must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
        pixels = _resized(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1), settings)
        image_patches, grid = _patches(_normalised(pixels, settings), settings)
        patches.append(image_patches)
        grids.append(grid)
    tokens = tuple(math.prod(grid) // settings["merge_size"] ** 2 for grid in grids)
    return ImageBatch(torch.cat(patches), torch.tensor(grids, dtype=torch.long), tokens)


def _resized(pixels: Tensor, settings: dict[str, Any]) -> Tensor:
    """uint8 [3, H, W] to the model's size, bicubic with antialiasing, still uint8."""
    height, width = pixels.shape[1:]
    factor = settings["patch_size"] * settings["merge_size"]
    shape = resized_shape(height, width, factor, settings["min_pixels"], settings["max_pixels"])
    if shape == (height, width):
        return pixels
    return torch.nn.functional.interpolate(pixels[None], shape, mode="bicubic", antialias=True)[0]


def _normalised(pixels: Tensor, settings: dict[str, Any]) -> Tensor:
    # Rescaling folded into mean and deviation, as the original does: the same rounding.
    scale = 1.0 / settings["rescale_factor"]
    mean = (torch.tensor(settings["image_mean"]) * scale)[:, None, None]
    std = (torch.tensor(settings["image_std"]) * scale)[:, None, None]
    return (pixels.to(torch.float32) - mean) / std


def _patches(pixels: Tensor, settings: dict[str, Any]) -> tuple[Tensor, tuple[int, int, int]]:
    """float32 [3, H, W] to [patches, 3 * temporal * patch * patch]; the patches that merge into one token adjoin."""
    size, merge, frames = settings["patch_size"], settings["merge_size"], settings["temporal_patch_size"]
    rows, columns = pixels.shape[1] // size, pixels.shape[2] // size
    # A single image stands still for all frames of a temporal patch.
    flat = rearrange(
        repeat(pixels, "c h w -> t c h w", t=frames),
        "t c (row row_in y) (column column_in x) -> (row column row_in column_in) (c t y x)",
        row_in=merge,
        column_in=merge,
        y=size,
        x=size,
    )
    return flat, (1, rows, columns)
