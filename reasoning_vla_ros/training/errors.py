"""Errors of the training."""

from __future__ import annotations


class TrainingError(ValueError):
    """Training can't begin or go on; the message says what there is and what is needed."""
