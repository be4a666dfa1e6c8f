"""Methods on tensors that take numpy arrays as well."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def takes_numpy(method: MethodT) -> MethodT:
    """The method, which given any numpy array works on tensors and gives numpy arrays back.

    Given none it is the method itself. A subclass that overrides it and calls it through `super()` is fine.
    """
    if getattr(method, "_takes_numpy", False):
        return method

    @functools.wraps(method)
    def either(self: Any, *args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, np.ndarray):
                break
        else:
            return method(self, *args, **kwargs)
        return _as_numpy(method(self, *map(_as_tensor, args), **{k: _as_tensor(v) for k, v in kwargs.items()}))

    either._takes_numpy = True  # type: ignore[attr-defined]
    return either  # type: ignore[return-value]


def wrap_methods(cls: type, names: tuple[str, ...]) -> None:
    """Applies `takes_numpy` to those of the named methods that the class itself defines."""
    for name in names:
        if name in cls.__dict__:
            setattr(cls, name, takes_numpy(cls.__dict__[name]))


def _as_tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    array: NDArray[Any] = value
    if array.dtype.kind == "u":  # torch has few operations on unsigned integers; too large ones become negative
        array = array.astype(np.int64)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.require(native, requirements=["C", "W"]))


def _as_numpy(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_as_numpy, value))
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
