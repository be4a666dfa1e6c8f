"""Wall-clock time of the stages of a plan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from reasoning_vla_ros.planning.plan import StageSeconds


class StageClock:
    """Times the stages of one plan; on a GPU each stage waits for its own kernels.

    Args:
        device: that the model runs on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def elapsed_s(self) -> float:
        return time.perf_counter() - self.began

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = self._now()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self._now() - begin

    @contextmanager
    def carved_out(self, module: Any, name: str, enclosing: str) -> Iterator[None]:
        """Counts the time inside a module for stage `name` and not for the `enclosing` stage that calls it."""
        begins: list[float] = []

        def before(*_: Any) -> None:
            begins.append(self._now())

        def after(*_: Any) -> None:
            spent = self._now() - begins.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
            self.seconds[enclosing] = self.seconds.get(enclosing, 0.0) - spent

        handles = (module.register_forward_pre_hook(before), module.register_forward_hook(after))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def result(self) -> StageSeconds:
        return StageSeconds(**self.seconds, total=self.elapsed_s())

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
