"""How fast, on this machine and beside a fixed piece of numpy work."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from reasoning_vla_ros.datasets import TrajectorySet
from reasoning_vla_ros.evaluation.bench.timing import numpy_solve, rate
from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores

BATCH = 4096
SINGLE_CALLS = 200
SINGLE_S = 1.0
REPEATS = 3


def speed(case: Case) -> Scores:
    """Trajectories a second, `BATCH` at once, and microseconds for one alone (the median of many).

    `*_ratio` are the same against solving one dense 64 x 64 system with numpy in the same run: how many such solves a
    single call takes. PyTorch uses as many threads as it is told to.
    """
    many = case.data[torch.arange(BATCH) % len(case.data)]
    tokenizer = case.tokenizer
    tokens = tokenizer.encode(*many.tensors())
    ones = [case.data[row : row + 1] for row in range(min(len(case.data), SINGLE_CALLS))]
    rows = [case.found.tokens[row : row + 1, : int(case.found.counts[row])] for row in range(len(ones))]

    def encode(one: TrajectorySet) -> object:
        return tokenizer.encode(*one.tensors())

    def decode(one: TrajectorySet, ids: torch.Tensor) -> object:
        return tokenizer.decode(*one.history(), ids)

    scores: Scores = {
        "encode_per_s": rate(lambda: encode(many), BATCH, REPEATS),
        "decode_per_s": rate(lambda: decode(many, tokens), BATCH, REPEATS),
        "encode_us": _single_us([partial(encode, one) for one in ones]),
        "decode_us": _single_us([partial(decode, one, row) for one, row in zip(ones, rows, strict=True)]),
    }
    yardstick_us = numpy_solve_us()
    return {
        **scores,
        "numpy_solve_us": yardstick_us,
        "encode_ratio": scores["encode_us"] / yardstick_us,
        "decode_ratio": scores["decode_us"] / yardstick_us,
    }


def numpy_solve_us() -> float:
    """Microseconds of one `numpy.linalg.solve` of a fixed 64 x 64 system in float64."""
    return _single_us([numpy_solve()] * SINGLE_CALLS)


def _single_us(calls: list[Callable[[], object]]) -> float:
    """Median microseconds of the calls, as many of them as a second allows, after one to warm up."""
    calls[0]()
    seconds: list[float] = []
    end = time.perf_counter() + SINGLE_S
    for call in calls:
        begin = time.perf_counter()
        call()
        now = time.perf_counter()
        seconds.append(now - begin)
        if now > end:
            break
    return float(np.median(seconds)) * 1e6
