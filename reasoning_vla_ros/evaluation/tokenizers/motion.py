"""How smoothly decoded trajectories move."""

from __future__ import annotations

import torch

from reasoning_vla_ros.datasets import TrajectorySet
from reasoning_vla_ros.evaluation.tokenizers.case import Case, Scores, mean
from reasoning_vla_ros.geometry.kinematics import path_kinematics, speed_at_end


def motion(case: Case) -> Scores:
    """Root mean square error of the acceleration, and how much more jerk there is than in the true motion.

    Of a vehicle the acceleration is that of `path_kinematics`, along the path, m/s^2; of an arm each joint's second
    difference. The jerk is the acceleration's difference; the ratio of the root mean squares is 1 for a decoder that
    adds no roughness.
    """
    decoded = _accelerations(case.data, case.found.xyz, case.found.rot)
    true = _accelerations(case.data, case.data.fut_xyz, case.data.fut_rot)
    known = ~decoded.isnan().flatten(1).any(1)
    if not bool(known.any()):
        return {"acceleration_rms": None, "jerk_ratio": None}
    decoded, true = decoded[known], true[known]
    true_jerk = _rms(true.diff(dim=1))
    return {
        "acceleration_rms": _rms(decoded - true),
        "jerk_ratio": _rms(decoded.diff(dim=1)) / true_jerk if true_jerk else None,
    }


def _accelerations(data: TrajectorySet, xyz: torch.Tensor, rot: torch.Tensor | None) -> torch.Tensor:
    """[B, T, 1] of a vehicle, [B, T - 2, D] of an arm."""
    if data.hist_rot is None or rot is None:
        return xyz.double().diff(n=2, dim=1) / data.dt_s**2
    v0_mps = speed_at_end(data.hist_xyz.double(), data.hist_rot.double(), data.dt_s)
    return path_kinematics(xyz.double(), rot.double(), data.dt_s, v0_mps).acceleration[..., None]


def _rms(values: torch.Tensor) -> float:
    return mean(values**2) ** 0.5
