"""Smooth driving trajectories, made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from reasoning_vla_ros.geometry.rotations import yaw_to_matrix


def make_driving(
    count: int,
    seed: int = 0,
    history: int = 16,
    future: int = 64,
    dt_s: float = 0.1,
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """History and future (xyz, rot, xyz, rot) in the ego frame at t0: speeds 2..28 m/s, gentle braking and turning."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator, dtype=torch.float64)

    time = torch.arange(-history + 1, future + 1, dtype=torch.float64) * dt_s
    speed = draw(4, 26) + draw(-1, 1) * torch.sin(draw(0.2, 0.8) * time) + draw(-0.2, 0.3) * time
    rate = draw(-0.2, 0.2) * torch.sin(draw(0.1, 0.5) * time + draw(0, 6)) * 5 / (5 + speed)
    yaw = torch.cumulative_trapezoid(rate, dx=dt_s)
    heading = torch.cat([torch.zeros(count, 1, dtype=torch.float64), yaw], dim=1)
    heading = heading - heading[:, history - 1 : history]
    velocity = speed[..., None] * torch.stack([torch.cos(heading), torch.sin(heading)], dim=-1)
    xy = torch.cumulative_trapezoid(velocity, dx=dt_s, dim=1)
    xy = torch.cat([torch.zeros(count, 1, 2, dtype=torch.float64), xy], dim=1)
    xy = xy - xy[:, history - 1 : history]
    xyz = torch.cat([xy, torch.zeros_like(xy[..., :1])], dim=-1).to(dtype)
    rot = yaw_to_matrix(heading).to(dtype)
    return xyz[:, :history], rot[:, :history], xyz[:, history:], rot[:, history:]


@pytest.fixture(scope="session")
def driving() -> Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """The function above."""
    return make_driving
