"""Weights of a regularised least-squares problem."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Smoothing:
    """Weights of the squared differences (per dt) and of the squared values."""

    smooth: float
    ridge: float
