"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Reporter(Protocol):
    """Takes reports of work done."""

    def start(self, title: str, total: int) -> None:
        """A new piece of work of `total` steps, or fewer."""

    def advance(self, note: str) -> None:
        """One step is done; `note` is a few words about it."""

    def finish(self) -> None:
        """The piece of work is done."""


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, note="")

    def start(self, title: str, total: int) -> None:
        self._progress.update(self._task, visible=False)
        self._task = self._progress.add_task(title, total=total, note="")

    def advance(self, note: str) -> None:
        self._progress.update(self._task, advance=1, note=note)

    def finish(self) -> None:
        task = next(task for task in self._progress.tasks if task.id == self._task)
        self._progress.update(self._task, total=task.completed)


class _Lines:
    """A line at the start, about every tenth of the work, and at the end."""

    def __init__(self, console: Console, unit: str) -> None:
        self._console, self._unit = console, unit
        self._title, self._total, self._done = "", 0, 0

    def start(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._print(f"{title}: up to {total} {self._unit}")

    def advance(self, note: str) -> None:
        self._done += 1
        if self._done % max(self._total // 10, 1) == 0:
            self._print(f"{self._title}: {self._done}/{self._total} {note}")

    def finish(self) -> None:
        self._print(f"{self._title}: {self._done} {self._unit} done")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Silent:
    def start(self, title: str, total: int) -> None:
        """Says nothing."""

    def advance(self, note: str) -> None:
        """Says nothing."""

    def finish(self) -> None:
        """Says nothing."""


@contextmanager
def reporting(console: Console | None, force_bar: bool = False, unit: str = "plans") -> Iterator[Reporter]:
    """A reporter: a bar when the console is a terminal or `force_bar` is set, else plain lines; no console, silence.

    `unit` is what lines call the steps of the work.
    """
    if console is None:
        yield _Silent()
    elif force_bar or console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=console) as progress:
            bar = _Bar(progress)
            progress.update(bar._task, visible=False)
            yield bar
    else:
        yield _Lines(console, unit)
