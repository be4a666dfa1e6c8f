"""Errors of the data sets."""

from __future__ import annotations


class DataError(ValueError):
    """Data that gives no trajectories; the message says what was found and what is needed."""
