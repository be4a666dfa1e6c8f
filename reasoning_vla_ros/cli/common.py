"""What all commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console

app = typer.Typer(
    help="Reasoning vision-language-action models as planners for robots and cars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

console = Console()
P = ParamSpec("P")
R = TypeVar("R")


def says_what_is_wrong(command: Callable[P, R]) -> Callable[P, R]:
    """Bad input ends the command with its message and exit code 2; anything else is a bug and shows its traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (ValueError, OSError) as error:
            Console(stderr=True).print(f"[red]{type(error).__name__}:[/red] ", end="")
            Console(stderr=True, markup=False, highlight=False).print(str(error))
            raise typer.Exit(2) from error

    return run
