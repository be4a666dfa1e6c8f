"""The little that numpy and torch spell differently."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

ArrayT = TypeVar("ArrayT", NDArray[Any], torch.Tensor)


def namespace(array: Any) -> Any:
    """The module (torch or numpy) whose functions take this array."""
    return torch if isinstance(array, torch.Tensor) else np


def require_shape(array: Any, tail: tuple[int | None, ...], name: str) -> None:
    """Checks the last axes of an array; None in `tail` stands for any length.

    Raises:
        ValueError: with the shape it had and the shape it needed.
    """
    shape = tuple(array.shape)
    fits = len(shape) >= len(tail) and all(
        need is None or have == need for have, need in zip(shape[len(shape) - len(tail) :], tail, strict=True)
    )
    if not fits:
        wanted = ", ".join(["...", *("T" if need is None else str(need) for need in tail)])
        raise ValueError(f"{name} needs the shape [{wanted}], got {list(shape)}")


def require_finite(array: Any, name: str) -> None:
    """Refuses NaN and infinity.

    Raises:
        ValueError: with the index and value of the first bad entry.
    """
    # NaN and infinity always reach the sum, so one pass clears most arrays; a finite sum may still overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(float(array.sum())):
            return
    finite = namespace(array).isfinite(array)
    if bool(finite.all()):
        return
    first = tuple(int(i) for i in np.argwhere(~np.asarray(finite.cpu() if torch.is_tensor(finite) else finite))[0])
    raise ValueError(f"{name} must be finite, got {float(array[first])} at index {list(first)}")


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float32 when it came in half precision or as integers, else as it is."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def zeros(shape: tuple[int, ...], like: ArrayT) -> ArrayT:
    """Zeros with the dtype (and device) of `like`."""
    if isinstance(like, torch.Tensor):
        return like.new_zeros(shape)
    return np.zeros(shape, like.dtype)
