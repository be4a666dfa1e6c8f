"""Multimodal rotary positions (Qwen2-VL, arXiv 2409.12191, section 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor


def mrope_position_ids(
    input_ids: Tensor, attention_mask: Tensor, image_token_id: int, image_grid_thw: Tensor | None, merge_size: int
) -> tuple[Tensor, Tensor]:
    """Positions of text and image tokens along time, height and width.

    Text counts up along all three axes. An image's tokens share one time and spread over height and width; the text
    behind it goes on after the larger of the two. Padding gets position 1, as in transformers, and counts for nothing.

    Args:
        input_ids: int64 [B, L].
        attention_mask: int or bool [B, L], 0 for padding.
        image_token_id: id of the image placeholder.
        image_grid_thw: int64 [images, 3] in patches, in the order of the rows; None without images, and then image
            tokens count as text.
        merge_size: patches along a side that merge into one token.

    Returns:
        int64 [3, B, L] positions, and int64 [B] the next position of each row.

    Raises:
        ValueError: the images' grids and the image tokens do not match.
    """
    device = input_ids.device
    grids = [] if image_grid_thw is None else image_grid_thw.tolist()
    position_ids = torch.ones(3, *input_ids.shape, dtype=torch.long, device=device)
    next_position = torch.zeros(input_ids.shape[0], dtype=torch.long, device=device)
    used = 0
    for row in range(input_ids.shape[0]):
        attended = attention_mask[row].bool()
        tokens = input_ids[row][attended]
        is_image = [False] * len(tokens) if image_grid_thw is None else (tokens == image_token_id).tolist()
        pieces: list[Tensor] = []
        index, position = 0, 0
        while index < len(is_image):
            if is_image[index]:
                if used == len(grids):
                    raise ValueError(f"row {row} has image tokens beyond the {len(grids)} images given")
                frames, height, width = grids[used][0], grids[used][1] // merge_size, grids[used][2] // merge_size
                used += 1
                count = frames * height * width
                if not all(is_image[index : index + count]) or index + count > len(is_image):
                    raise ValueError(f"row {row}: image {used - 1} needs {count} image tokens in a row")
                axes = (torch.arange(frames), torch.arange(height), torch.arange(width))
                pieces.append(torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, -1) + position)
                index, position = index + count, position + max(height, width)
            else:
                end = is_image.index(True, index) if True in is_image[index:] else len(is_image)
                pieces.append((torch.arange(end - index) + position).expand(3, -1))
                index, position = end, position + end - index
        if pieces:
            position_ids[:, row, attended] = torch.cat(pieces, dim=1).to(device)
        next_position[row] = position
    if used != len(grids):
        raise ValueError(f"{len(grids)} images were given, the ids have room for {used}")
    return position_ids, next_position
