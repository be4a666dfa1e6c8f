"""What the node tells about itself and its inputs, as plain values; the node makes messages of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from reasoning_vla_ros.messages.stamps import ns_to_seconds
from reasoning_vla_ros.planning.plan import Plan

# A sensor that is silent for so long is reported as stale, whatever its stamps say.
MAX_SILENCE_S = 1.0


class Level(IntEnum):
    """Level of a status; the values are those of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Status:
    """One entry of /diagnostics."""

    name: str
    level: Level
    message: str
    values: dict[str, str]


@dataclass
class InputHealth:
    """Record of one input: what arrived, what was refused and why. `clock` gives seconds of any steady clock.

    A refusal is an error until a good message follows, and stays a warning in the next report after that, so that
    none goes unseen between two reports.
    """

    name: str
    clock: Callable[[], float] = time.monotonic
    received: int = 0
    refused: int = 0
    newest_ns: int | None = None
    details: dict[str, str] = field(default_factory=dict)
    _arrived_s: float = 0.0
    _current: str = ""
    _unreported: str = ""

    def accept(self, stamp_ns: int) -> None:
        self._arrive()
        self.newest_ns = stamp_ns
        self._current = ""

    def refuse(self, problem: str) -> None:
        self._arrive()
        self.refused += 1
        self._current = self._unreported = problem

    def note(self, problem: str) -> None:
        """A problem with a message that was taken all the same."""
        self._unreported = problem

    def report(self, lag_problem: str = "") -> Status:
        """Status since the last report."""
        unreported, self._unreported = self._unreported, ""
        silent_s = self.clock() - self._arrived_s
        if self.received == 0:
            level, message = Level.STALE, "nothing has arrived"
        elif silent_s > MAX_SILENCE_S:
            level = Level.STALE
            message = f"silent for {silent_s:.3f} s, at most {MAX_SILENCE_S:.3f} s are allowed; {self._current}"
        elif self._current:
            level, message = Level.ERROR, self._current
        elif lag_problem:
            level, message = Level.ERROR, lag_problem
        elif unreported:
            level, message = Level.WARN, unreported
        else:
            level, message = Level.OK, "receiving"
        newest = "" if self.newest_ns is None else f"{ns_to_seconds(self.newest_ns):.3f}"
        values = {"received": str(self.received), "refused": str(self.refused), "newest_stamp_s": newest}
        return Status(self.name, level, message.rstrip("; "), values | self.details)

    def _arrive(self) -> None:
        self.received += 1
        self._arrived_s = self.clock()


@dataclass
class PlannerHealth:
    """Record of the planning: counters, the last plan's durations, and what stands in the way of the next one."""

    state: str = "unconfigured"
    configure_problem: str = ""
    problem: str = ""
    in_flight: bool = False
    plans: int = 0
    invalid: int = 0
    failed: int = 0
    overtaken: int = 0
    fallbacks: int = 0
    last_plan: dict[str, str] = field(default_factory=dict)
    _unreported: str = ""
    _finished_s: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """A new activation: the rate starts anew, the counters go on."""
        self.problem = self._unreported = ""
        self._finished_s.clear()

    def fail(self, problem: str) -> None:
        """No plan, or none that is valid, until `succeed`."""
        self.problem = self._unreported = problem

    def succeed(self, now_s: float, note: str = "") -> None:
        """A valid plan came out at `now_s` of any steady clock; `note` tells what was given up for it."""
        self.problem = ""
        self._unreported = note or self._unreported
        self._finished_s = [*self._finished_s[-19:], now_s]

    def record_plan(self, plan: Plan, now_ns: int) -> None:
        """Durations and size of a plan that is ready at `now_ns` of the node's clock."""
        seconds = {f"{name}_s": f"{value:.4f}" for name, value in vars(plan.seconds).items()}
        self.last_plan = {
            "t0_s": f"{ns_to_seconds(plan.t0_ns):.3f}",
            "latency_s": f"{ns_to_seconds(now_ns - plan.t0_ns):.3f}",
            **seconds,
            "reasoning_tokens": str(sum(plan.num_reasoning_tokens)),
            "status": plan.status.name,
        }

    def rate_hz(self) -> float:
        """Rate of the last valid plans, 0 before the second one."""
        if len(self._finished_s) < 2:
            return 0.0
        return (len(self._finished_s) - 1) / max(self._finished_s[-1] - self._finished_s[0], 1e-9)

    def report(self, waiting_for: Sequence[str] = ()) -> Status:
        """Status since the last report; `waiting_for` names the inputs that are silent."""
        unreported, self._unreported = self._unreported, ""
        if self.configure_problem:
            level, message = Level.ERROR, f"not configured: {self.configure_problem}"
        elif self.state == "configuring":
            level, message = Level.WARN, "LOADING"
        elif self.state != "active":
            level, message = Level.OK, self.state
        elif self.problem:
            level, message = Level.ERROR, self.problem
        elif waiting_for:
            level, message = Level.WARN, f"waiting for {', '.join(waiting_for)}"
        elif unreported:
            level, message = Level.WARN, unreported
        else:
            level, message = Level.OK, "planning"
        values = {
            "state": self.state,
            "in_flight": str(self.in_flight).lower(),
            "plans": str(self.plans),
            "invalid": str(self.invalid),
            "failed": str(self.failed),
            "overtaken": str(self.overtaken),
            "fallbacks": str(self.fallbacks),
            "rate_hz": f"{self.rate_hz():.2f}",
        }
        return Status("planner", level, message, values | self.last_plan)
