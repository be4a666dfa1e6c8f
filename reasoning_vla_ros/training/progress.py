"""Progress of a training run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Called with the steps done and a few words about the newest.
OnStep = Callable[[int, str], None]


@contextmanager
def showing_steps(console: Console, begin: int, steps: int) -> Iterator[OnStep]:
    """Shows steps from `begin` up to `steps`; about twenty lines where the console is no terminal."""
    if console.is_terminal:
        columns = (
            TextColumn("Training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=steps, completed=begin, note="")
            yield lambda done, note: progress.update(task, completed=done, note=note)
        return
    every = max((steps - begin) // 20, 1)

    def line(done: int, note: str) -> None:
        if done == steps or (done - begin) % every == 0:
            console.print(f"step {done}/{steps}: {note}", markup=False, highlight=False, soft_wrap=True)

    yield line
