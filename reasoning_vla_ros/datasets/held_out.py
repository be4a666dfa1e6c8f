"""A share of the data kept for testing."""

from __future__ import annotations

import torch

from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet

# With fewer recordings than this, time is split instead: one recording is no fair sample of five.
MANY_GROUPS = 10
BLOCKS = 10


def hold_out(data: TrajectorySet, share: float = 0.2, seed: int = 0) -> tuple[TrajectorySet, TrajectorySet]:
    """(what to fit on, what to test on), so that no test row is the neighbour of one that was fitted.

    Whole recordings or episodes are held out where there are ten or more. Else each one's time is cut into ten
    blocks, of which some are held out, and rows that overlap those are left out of both. Rows of unknown origin are
    split in their order, since neighbours usually follow one another; the last are held out.

    Raises:
        DataError: too few rows for both.
        ValueError: a share outside of 0..1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    if data.group is None or data.t0_s is None:
        cut = len(data) - max(round(share * len(data)), 1)
        test, fit = torch.arange(len(data)) >= cut, torch.arange(len(data)) < cut
    else:
        generator = torch.Generator().manual_seed(seed)
        groups = data.group.unique()
        if len(groups) >= MANY_GROUPS:
            chosen = groups[torch.randperm(len(groups), generator=generator)[: max(round(share * len(groups)), 1)]]
            test = torch.isin(data.group, chosen)
            fit = ~test
        else:
            test, fit = _by_time(data, data.group, data.t0_s, share, generator)
    if not bool(test.any()) or not bool(fit.any()):
        raise DataError(
            f"{data.name}: {len(data)} rows give {int(fit.sum())} to fit on and {int(test.sum())} to test on, "
            "needed at least one of each; give more data, or a source of its own for each"
        )
    return data[fit], data[test]


def _by_time(
    data: TrajectorySet, group: torch.Tensor, t0_s: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flags of the rows to test and to fit on."""
    length_s = (data.hist_xyz.shape[1] + data.horizon - 1) * data.dt_s
    test, fit = torch.zeros(len(data), dtype=torch.bool), torch.zeros(len(data), dtype=torch.bool)
    held_out = max(round(share * BLOCKS), 1)
    for number in group.unique():
        rows = (group == number).nonzero()[:, 0]
        begin_s, end_s = t0_s[rows].min(), t0_s[rows].max()
        block = ((t0_s[rows] - begin_s) / (end_s - begin_s).clamp_min(1e-9) * BLOCKS).long().clamp_max(BLOCKS - 1)
        # Neighbouring blocks, so that few rows overlap what is held out.
        first = int(torch.randint(BLOCKS - held_out + 1, (), generator=generator))
        tested = rows[(block >= first) & (block < first + held_out)]
        if not len(tested):
            fit[rows] = True
            continue
        test[tested] = True
        apart = (t0_s[rows] < t0_s[tested].min() - length_s) | (t0_s[rows] > t0_s[tested].max() + length_s)
        fit[rows[apart]] = True
    return test, fit
