"""One job at a time in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


class PlanCancelledError(Exception):
    """Raised inside a job to end it early because its result is no longer wanted."""


@dataclass(frozen=True)
class Outcome(Generic[JobT, ResultT]):
    """What became of a job: a result, or the error that it raised."""

    job: JobT
    result: ResultT | None
    error: Exception | None


class PlanWorker(Generic[JobT, ResultT]):
    """Runs jobs in a thread, one in flight and never a queue, so that the latest input is always the next job.

    Args:
        work: what to do with a job. It may look at `cancelled` and raise :class:`PlanCancelledError`.
        on_outcome: called in the worker's thread after each job, when the worker is free again already.
    """

    def __init__(self, work: Callable[[JobT], ResultT], on_outcome: Callable[[Outcome[JobT, ResultT]], None]) -> None:
        self._work = work
        self._on_outcome = on_outcome
        self._wake = threading.Condition()
        self._job: JobT | None = None
        self._busy = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="plan_worker", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._busy

    @property
    def cancelled(self) -> bool:
        """Whether the job in flight has lost its purpose."""
        return self._stopping

    def submit(self, job: JobT) -> bool:
        """Begins a job; False, and nothing done, while another one is in flight or after `stop`."""
        with self._wake:
            if self._busy or self._stopping:
                return False
            self._busy = True
            self._job = job
            self._wake.notify()
            return True

    def stop(self, timeout_s: float | None = None) -> bool:
        """Ends the thread after the job in flight; False when that one still runs after `timeout_s`."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._job is not None or self._stopping)
                job, self._job = self._job, None
            if job is None:
                return
            outcome = self._carry_out(job)
            self._busy = False
            if not self._stopping:
                self._on_outcome(outcome)

    def _carry_out(self, job: JobT) -> Outcome[JobT, ResultT]:
        try:
            return Outcome(job, self._work(job), None)
        # Whatever a planner raises, out of memory on the GPU included, must not end the thread; it is reported.
        except Exception as error:
            return Outcome(job, None, error)
