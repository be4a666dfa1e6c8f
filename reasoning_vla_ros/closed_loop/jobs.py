"""Work in several processes, with results in the order of the tasks."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Protocol, TypeVar

import torch

from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings

Result_co = TypeVar("Result_co", covariant=True)
Result = TypeVar("Result")


class Task(Protocol[Result_co]):
    """A piece of work that needs nothing but a planner and the settings; it is sent to other processes."""

    @property
    def scenario(self) -> str:
        """That it is about."""
        ...

    def run(self, source: PlannerSource, settings: EvaluationSettings) -> Result_co:
        """Do it."""
        ...


_context: tuple[PlannerSource, EvaluationSettings] | None = None


def run_tasks(
    tasks: Sequence[Task[Result]],
    source: PlannerSource,
    settings: EvaluationSettings,
    num_jobs: int = 1,
    on_done: Callable[[str], None] | None = None,
) -> list[Result]:
    """Run tasks, each with one thread of PyTorch, so that their number does not change what comes out.

    Args:
        tasks: results come in their order.
        source, settings: of all of them.
        num_jobs: processes; with one the work is done here.
        on_done: called with the scenario of each task that is done.

    Raises:
        ValueError: less than one process.
    """
    if num_jobs < 1:
        raise ValueError(f"the number of jobs must be at least 1, got {num_jobs}")
    done = on_done or (lambda scenario: None)
    if num_jobs == 1 or len(tasks) < 2:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            results = []
            for task in tasks:
                results.append(task.run(source, settings))
                done(task.scenario)
            return results
        finally:
            torch.set_num_threads(threads)
    # Not forked: PyTorch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    workers = min(num_jobs, len(tasks))
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(source, settings)) as pool:
        futures = {pool.submit(_run, task): number for number, task in enumerate(tasks)}
        by_number: dict[int, Result] = {}
        try:
            for future in as_completed(futures):
                number = futures[future]
                by_number[number] = future.result()
                done(tasks[number].scenario)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [by_number[number] for number in range(len(tasks))]


def _begin(source: PlannerSource, settings: EvaluationSettings) -> None:
    global _context
    torch.set_num_threads(1)
    _context = source, settings


def _run(task: Task[Result]) -> Result:
    assert _context is not None
    return task.run(*_context)
