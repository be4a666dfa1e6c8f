"""Times all operations of all tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reasoning_vla_ros.evaluation.bench.cases import Case, cases
from reasoning_vla_ros.evaluation.bench.timing import best_seconds, numpy_solve
from reasoning_vla_ros.evaluation.bench.workload import TOKENIZERS, Workload, trajectories

OnCase = Callable[[str], None]


@dataclass(frozen=True)
class Speed:
    """One operation: trajectories a second in a batch, and of the baseline where there is one; and one alone.

    Attributes:
        single_us: microseconds of one trajectory alone.
        numpy_solve_us: microseconds of the yardstick, one dense 64 x 64 system solved by numpy, at the same time.
    """

    name: str
    per_s: float
    baseline_per_s: float | None
    single_us: float
    numpy_solve_us: float

    @property
    def ratio(self) -> float | None:
        """Of the batch's rate to the baseline's."""
        return None if self.baseline_per_s is None else self.per_s / self.baseline_per_s

    @property
    def single_ratio(self) -> float:
        """How many yardsticks a single call takes."""
        return self.single_us / self.numpy_solve_us


def measure(
    batch: int = 4096,
    baseline_batch: int = 64,
    names: Sequence[str] = tuple(TOKENIZERS),
    *,
    quick: bool = False,
    on_case: OnCase | None = None,
) -> list[Speed]:
    """Times encoding and decoding of `batch` trajectories and of one, and the baseline on `baseline_batch` of them.

    Args:
        batch: trajectories at once.
        baseline_batch: trajectories that the baseline gets.
        names: of TOKENIZERS.
        quick: small tokenizers and few repeats; the figures then mean little.
        on_case: called with the name of each operation before it is timed.

    Raises:
        RuntimeError: baseline and tokenizer give different answers, so that comparing them means nothing.
        ValueError: an unknown name.
    """
    data = trajectories(batch)
    speeds = []
    for name in names:
        for case in cases(Workload.create(name, data, baseline_batch, small=quick)):
            if on_case is not None:
                on_case(case.name)
            speeds.append(_time(case, batch, baseline_batch, quick))
    return speeds


def _time(case: Case, batch: int, baseline_batch: int, quick: bool) -> Speed:
    if case.check is not None:
        case.check()
    runs = [case.many, *([] if case.baseline is None else [case.baseline])]
    many_s, *baseline_s = best_seconds(runs, 2 if quick else 8, 0.0 if quick else 0.1)
    one_s, solve_s = best_seconds([case.one, numpy_solve()], 2 if quick else 10, 0.001 if quick else 0.05)
    return Speed(
        case.name,
        batch / many_s,
        baseline_batch / baseline_s[0] if baseline_s else None,
        1e6 * one_s,
        1e6 * solve_s,
    )
