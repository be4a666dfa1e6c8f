"""Solvers of the flow's ordinary differential equation dx/dt = v(x, t), from noise at t = 0 to data at t = 1."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

# v(x [B, ...], t [B, 1, ...]) -> [B, ...]
Velocity = Callable[[Tensor, Tensor], Tensor]

SOLVERS = ("euler", "midpoint")


def solve(
    velocity: Velocity, x: Tensor, num_steps: int, solver: str = "euler", reuse_tolerance: float = 0.0
) -> tuple[Tensor, Tensor, int]:
    """Integrates with equal steps.

    Args:
        velocity: called with x and with t of shape [B, 1, ...].
        x: float [B, ...] at t = 0.
        num_steps: at least 1.
        solver: "euler" evaluates the velocity once a step; "midpoint", of second order, twice.
        reuse_tolerance: with "euler", a velocity that differed from the one before by no more than this fraction of
            its norm, in every row, serves the next step too. At most every second evaluation is saved; 0 saves none.

    Returns:
        x at all steps [B, num_steps + 1, ...], the times [num_steps + 1], and how often the velocity was evaluated.

    Raises:
        ValueError: an unknown solver, no steps, a tolerance that is negative or not for this solver.
    """
    if solver not in SOLVERS:
        raise ValueError(f"the solver must be one of {list(SOLVERS)}, got {solver!r}")
    if num_steps < 1:
        raise ValueError(f"the flow needs at least 1 step, got {num_steps}")
    if not reuse_tolerance >= 0 or (reuse_tolerance > 0 and solver != "euler"):
        raise ValueError(
            f"reuse_tolerance must be at least 0, and 0 but for 'euler'; got {reuse_tolerance} for {solver!r}"
        )
    times = torch.linspace(0.0, 1.0, num_steps + 1, device=x.device)
    steps, evaluations = [x], 0
    newest: Tensor | None = None
    steady = False
    for begin, end in pairwise(times):
        dt = end - begin
        if solver == "midpoint":
            middle = x + dt / 2 * velocity(x, _as_rows(begin, x))
            x = x + dt * velocity(middle, _as_rows(begin + dt / 2, x))
            evaluations += 2
        elif steady and newest is not None:
            x, steady = x + dt * newest, False
        else:
            before, newest = newest, velocity(x, _as_rows(begin, x))
            evaluations += 1
            steady = reuse_tolerance > 0 and before is not None and _differ_at_most(newest, before, reuse_tolerance)
            x = x + dt * newest
        steps.append(x)
    return torch.stack(steps, dim=1), times, evaluations


def _as_rows(time: Tensor, x: Tensor) -> Tensor:
    return time.view(1, *[1] * (x.ndim - 1)).expand(x.shape[0], *[1] * (x.ndim - 1))


def _differ_at_most(newest: Tensor, before: Tensor, tolerance: float) -> bool:
    change = (newest - before).flatten(1).norm(dim=1)
    return bool((change <= tolerance * newest.flatten(1).norm(dim=1)).all())
