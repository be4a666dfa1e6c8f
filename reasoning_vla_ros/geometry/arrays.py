"""The little that numpy and torch spell differently."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

ArrayT = TypeVar("ArrayT", NDArray[Any], torch.Tensor)

# Up to so many numbers in an array, the time of an operation is mostly that of calling it.
FEW = 10_000


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
    if isinstance(array, torch.Tensor):
        total = float(array.sum())
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(array.sum())
    if math.isfinite(total):
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


def numpy_if_few(*tensors: torch.Tensor) -> tuple[Any, ...]:
    """The tensors as numpy arrays where all are few numbers on the CPU and none wants a gradient, else as they are.

    A call of numpy takes a fifth of the time of one of torch, which is most of the time for a few trajectories; torch
    is quicker at many. For what is written for either; `as_tensor` goes back.
    """
    if all(t.numel() <= FEW and t.device.type == "cpu" and not t.requires_grad for t in tensors):
        return tuple(t.numpy() for t in tensors)
    return tensors


def as_tensor(array: Any) -> torch.Tensor:
    """The tensor of a numpy array, which shares its memory; a tensor as it is."""
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(array)


def cast(array: ArrayT, dtype: Any) -> ArrayT:
    """The array in a dtype of its own module."""
    return array.to(dtype) if isinstance(array, torch.Tensor) else array.astype(dtype, copy=False)


def constant(values: NDArray[Any], like: ArrayT) -> ArrayT:
    """The values as an array of the kind, dtype and device of `like`; not to be written to."""
    if isinstance(like, torch.Tensor):
        return torch.from_numpy(values if values.flags.writeable else values.copy()).to(like)
    return values.astype(like.dtype, copy=False)


def steps_from_zero(values: ArrayT) -> ArrayT:
    """Differences along the last axis, the first one from zero."""
    return namespace(values).concatenate([values[..., :1], values[..., 1:] - values[..., :-1]], -1)
