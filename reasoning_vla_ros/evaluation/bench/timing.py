"""Times that a busy machine changes little: the best of several runs, taken in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

Run = Callable[[], object]

# Of the yardstick. Small enough that no library uses threads for it.
SYSTEM = 64


def rate(run: Run, count: int, repeats: int) -> float:
    """Trajectories a second, the best of several runs after one to warm up."""
    return count / best_seconds([run], repeats)[0]


def best_seconds(runs: Sequence[Run], repeats: int, least_s: float = 0.0) -> list[float]:
    """Seconds of each of the runs, the least of several.

    They take turns, so that all meet the same moods of the machine.

    Args:
        runs: what is timed, each after one call to warm up.
        repeats: turns.
        least_s: a run shorter than that is called again within its turn until so much time is over.
    """
    for run in runs:
        run()
    best = [float("inf")] * len(runs)
    for _ in range(repeats):
        for place, run in enumerate(runs):
            end = time.perf_counter() + least_s
            while True:
                begin = time.perf_counter()
                run()
                now = time.perf_counter()
                best[place] = min(best[place], now - begin)
                if now >= end:
                    break
    return best


def numpy_solve() -> Run:
    """A yardstick for single calls, which no change here makes faster: one dense 64 x 64 system, solved by numpy."""
    rng = np.random.default_rng(0)
    matrix, right = rng.normal(size=(SYSTEM, SYSTEM)) + SYSTEM * np.eye(SYSTEM), rng.normal(size=SYSTEM)
    return lambda: np.linalg.solve(matrix, right)
