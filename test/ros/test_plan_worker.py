"""The worker's thread: one job in flight, errors caught."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from reasoning_vla_ros.ros.plan_worker import Outcome, PlanWorker

WAIT_S = 5.0


class Bench:
    """A worker whose jobs wait for the test."""

    def __init__(self) -> None:
        self.outcomes: queue.Queue[Outcome[int, int]] = queue.Queue()
        self.was_busy: list[bool] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.worker: PlanWorker[int, int] = PlanWorker(self.work, self.take)

    def work(self, job: int) -> int:
        assert self.may_go.wait(WAIT_S)
        if job < 0:
            raise MemoryError(f"no memory for {job}")
        return job * 2

    def take(self, outcome: Outcome[int, int]) -> None:
        self.was_busy.append(self.worker.busy)
        self.outcomes.put(outcome)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.may_go.set()
    assert bench.worker.stop(WAIT_S)


def test_result_comes_back_with_its_job(bench: Bench) -> None:
    assert bench.worker.submit(21)
    assert bench.outcomes.get(timeout=WAIT_S) == Outcome(21, 42, None)
    assert bench.was_busy == [False]


def test_second_job_is_refused_while_one_is_in_flight(bench: Bench) -> None:
    bench.may_go.clear()
    assert bench.worker.submit(1)
    assert bench.worker.busy
    assert not bench.worker.submit(2)
    bench.may_go.set()
    assert bench.outcomes.get(timeout=WAIT_S).job == 1
    assert bench.worker.submit(3)
    assert bench.outcomes.get(timeout=WAIT_S).job == 3
    assert bench.outcomes.empty()


def test_error_is_handed_over_and_the_worker_goes_on(bench: Bench) -> None:
    bench.worker.submit(-1)
    outcome = bench.outcomes.get(timeout=WAIT_S)
    assert outcome.result is None
    assert isinstance(outcome.error, MemoryError)
    assert bench.worker.submit(1)
    assert bench.outcomes.get(timeout=WAIT_S).result == 2


def test_stop_waits_for_the_job_in_flight_and_drops_its_outcome(bench: Bench) -> None:
    bench.may_go.clear()
    bench.worker.submit(1)
    assert not bench.worker.stop(timeout_s=0.05)
    assert bench.worker.cancelled
    bench.may_go.set()
    assert bench.worker.stop(WAIT_S)
    assert bench.outcomes.empty()
    assert not bench.worker.submit(2)
