"""The command `reasoning-vla`, one module a group of commands."""

from __future__ import annotations

from typing import Any

from reasoning_vla_ros.cli import demo, evaluate, measure, simulate, tokenizers, train
from reasoning_vla_ros.cli.common import app

__all__ = ["app", "demo", "evaluate", "main", "measure", "simulate", "tokenizers", "train"]


def main() -> Any:
    """Entry point of the command."""
    return app()
