"""Positions in the plane as actions."""

from __future__ import annotations

import torch

from reasoning_vla_ros.tokenizers import ActionSpace


class PlanarActionSpace(ActionSpace):
    """Actions are x and y in units of `scale_m` metres; height and heading stay zero."""

    action_dim = 2

    def __init__(self, scale_m: float = 10.0) -> None:
        self.scale_m = scale_m

    def encode(self, history_xyz, history_rot, future_xyz, future_rot):
        return future_xyz[..., :2] / self.scale_m

    def decode(self, history_xyz, history_rot, actions):
        xyz = torch.cat([actions * self.scale_m, torch.zeros_like(actions[..., :1])], dim=-1)
        return xyz, torch.eye(3).to(xyz).expand(*xyz.shape, 3).clone()
