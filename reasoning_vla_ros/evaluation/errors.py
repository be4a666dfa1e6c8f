"""Errors of the evaluation."""

from __future__ import annotations


class EvaluationError(ValueError):
    """A recording can't be evaluated; the message says what it holds and what is needed."""
