"""A drive in the terminal while it goes on: a live table, or plain lines where the output is no terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reasoning_vla_ros.simulation.drive_log import DriveLog, Leg, gap_text
from reasoning_vla_ros.simulation.film.page import actions_of

REFRESH_S = 0.1
LINE_PERIOD_S = 2.0  # of scene time, between plain lines
BAR_CELLS = 30
LINE = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"


class DriveView:
    """Shows a drive as its messages come; a context manager.

    Args:
        console: where; what is no terminal gets a line now and then, and one for each leg.
        num_legs, leg_s: of the drive, for its progress.
    """

    def __init__(self, console: Console, num_legs: int, leg_s: float) -> None:
        self.log = DriveLog()
        self._console, self._num_legs, self._leg_s = console, num_legs, leg_s
        self._live: Live | None = None
        self._waits_for = self._said = ""
        self._shown_s, self._line_ns, self._told_legs = 0.0, 0, 0
        self._plan_times_s: list[float] = []

    def __enter__(self) -> DriveView:
        if self._console.is_terminal:
            self._live = Live(self.table(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        self._tell_legs(len(self.log.legs))

    def take(self, topic: str, message: Any, time_ns: int) -> None:
        """A message of the drive."""
        self.log.take(topic, message, time_ns)
        if topic == "/planner_node/output/plan":
            self._plan_times_s = [*self._plan_times_s[-19:], time.monotonic()]
        leg = self.log.leg
        if self._live is None and leg is not None:
            self._tell_legs(len(self.log.legs) - 1)
            if leg.num_plans and not leg.end and time_ns - self._line_ns >= LINE_PERIOD_S * 1e9:
                self._line_ns = time_ns
                self._console.print(self._line(leg), highlight=False, markup=False, soft_wrap=True)

    def turn(self, waits_for: str) -> None:
        """Time goes by; `waits_for` tells for what."""
        self._waits_for = waits_for
        if self._live is None:
            if not self.log.legs and waits_for != self._said:
                self._said = waits_for
                self._console.print(waits_for, highlight=False, markup=False)
        elif time.monotonic() - self._shown_s > REFRESH_S:
            self._shown_s = time.monotonic()
            self._live.update(self.table(), refresh=True)

    def table(self) -> Panel:
        """All that there is to be told now."""
        log, leg = self.log, self.log.leg
        if leg is None:
            return Panel(Text(self._waits_for or "starting"), title="reasoning-vla demo", border_style="blue")
        facts = Table.grid(padding=(0, 3))
        limit = log.limit_mps
        over = limit is not None and log.speed_mps > limit + 1.0
        speed = Text(f"{log.speed_mps * 3.6:5.1f} km/h", style="bold red" if over else "bold")
        if limit is not None:
            speed.append(f"  limit {limit * 3.6:.0f}", style="dim")
        state = Text(leg.end or ("driving" if leg.num_plans else self._waits_for or "warming up"))
        state.stylize("red" if leg.has_collided or leg.has_left_road else "green")
        facts.add_row(Text("scenario", "dim"), Text(f"{leg.scenario} ({len(log.legs)} of {self._num_legs})", "bold"),
                      Text("state", "dim"), state)  # fmt: skip
        facts.add_row(Text("speed", "dim"), speed, Text("plans", "dim"), self._plans(leg))
        facts.add_row(Text("smallest gap", "dim"), Text(gap_text(leg.min_gap_m)),
                      Text("plan time", "dim"), Text(_seconds(leg)))  # fmt: skip
        facts.add_row(Text("collisions", "dim"), Text(str(sum(each.has_collided for each in log.legs))),
                      Text("off the road", "dim"), Text(str(sum(each.has_left_road for each in log.legs))))  # fmt: skip
        words = Text()
        if log.meta_action:
            words.append(", ".join(actions_of(log.meta_action)) + "\n", style="bold blue")
        words.append(log.text or "-")
        told = Text(log.instruction, style="dim italic")
        return Panel(
            Group(facts, Text(), told, words, Text(), self._progress()), title="reasoning-vla demo", border_style="blue"
        )

    @property
    def progress(self) -> float:
        """Share of the drive that is done."""
        done = max(len(self.log.legs) - 1, 0)
        leg = self.log.leg
        here = 0.0 if leg is None else 1.0 if leg.end else min(leg.duration_s / self._leg_s, 1.0)
        return min((done + here) / self._num_legs, 1.0)

    @property
    def plans_per_s(self) -> float:
        """Of the clock on the wall, over the newest plans."""
        times = self._plan_times_s
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9) if len(times) > 1 else 0.0

    def _plans(self, leg: Leg) -> Text:
        text = Text(f"{leg.num_plans}  {self.plans_per_s:.1f}/s")
        if leg.num_invalid:
            text.append(f"  {leg.num_invalid} invalid", style="red")
        return text

    def _progress(self) -> Text:
        cells = round(self.progress * BAR_CELLS)
        bar = Text(LINE * cells, style="blue")
        bar.append(LINE * (BAR_CELLS - cells), style="bright_black")
        return bar.append(f" {100 * self.progress:.0f} %", style="dim")

    def _line(self, leg: Leg) -> str:
        log = self.log
        return (
            f"{leg.scenario} {leg.duration_s:5.1f} s  {log.speed_mps * 3.6:5.1f} km/h  plans {leg.num_plans}  "
            f"{_seconds(leg)}  gap {gap_text(leg.min_gap_m)}  {log.text}"
        )

    def _tell_legs(self, count: int) -> None:
        """A line for each of the first `count` legs that was not told of yet."""
        for leg in self.log.legs[self._told_legs : count]:
            self._console.print(leg_line(leg), highlight=False, markup=False, soft_wrap=True)
        self._told_legs = max(self._told_legs, count)


def leg_line(leg: Leg) -> str:
    """What came of a leg."""
    end = leg.end or "the end of the drive"
    return (
        f"{leg.scenario}, seed {leg.seed}: {leg.duration_s:.1f} s, {leg.distance_m:.0f} m, {leg.num_plans} plans "
        f"({leg.num_invalid} invalid), smallest gap {gap_text(leg.min_gap_m)}, ended by: {end}"
    )


def _seconds(leg: Leg) -> str:
    return f"{leg.plan_seconds[-1]:.2f} s" if leg.plan_seconds else "-"
