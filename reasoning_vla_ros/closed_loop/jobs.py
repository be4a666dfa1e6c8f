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


class Workers:
    """Processes that each hold a planner, with one thread of PyTorch: their number does not change what comes out.

    A context manager; the processes end with it.

    Args:
        source, settings: of all tasks.
        num_jobs: processes; with one the work is done here.

    Raises:
        ValueError: less than one process.
    """

    def __init__(self, source: PlannerSource, settings: EvaluationSettings, num_jobs: int = 1) -> None:
        if num_jobs < 1:
            raise ValueError(f"the number of jobs must be at least 1, got {num_jobs}")
        self.source, self.settings, self.num_jobs = source, settings, num_jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self.num_jobs > 1:
            # Not forked: PyTorch's threads do not survive that.
            context = multiprocessing.get_context("spawn")
            arguments = (self.source, self.settings)
            self._pool = ProcessPoolExecutor(self.num_jobs, context, initializer=_begin, initargs=arguments)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(self, tasks: Sequence[Task[Result]], on_done: Callable[[str], None] | None = None) -> list[Result]:
        """Results in the order of the tasks; `on_done` is called with the scenario of each that is done."""
        done = on_done or (lambda scenario: None)
        if self._pool is None:
            return self._run_here(tasks, done)
        futures = {self._pool.submit(_run, task): number for number, task in enumerate(tasks)}
        by_number: dict[int, Result] = {}
        for future in as_completed(futures):
            by_number[futures[future]] = future.result()
            done(tasks[futures[future]].scenario)
        return [by_number[number] for number in range(len(tasks))]

    def _run_here(self, tasks: Sequence[Task[Result]], done: Callable[[str], None]) -> list[Result]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            results = []
            for task in tasks:
                results.append(task.run(self.source, self.settings))
                done(task.scenario)
            return results
        finally:
            torch.set_num_threads(threads)


def _begin(source: PlannerSource, settings: EvaluationSettings) -> None:
    global _context
    torch.set_num_threads(1)
    _context = source, settings


def _run(task: Task[Result]) -> Result:
    assert _context is not None
    return task.run(*_context)
