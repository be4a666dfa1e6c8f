from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.kinematics import path_kinematics
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.geometry.unicycle import integrate


def driven(
    v0: float, accel: float, curvature: float, steps: int = 40
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ones = torch.ones(steps, dtype=torch.float64)
    xy, yaw, speed = integrate(torch.tensor(v0, dtype=torch.float64), accel * ones, curvature * ones, 0.1)
    return torch.cat([xy, torch.zeros_like(xy[:, :1])], dim=-1), yaw_to_matrix(yaw), speed


@settings(max_examples=40, deadline=None)
@given(v0=st.floats(3, 20), accel=st.floats(-0.5, 2), lateral=st.floats(-4, 4))
def test_a_driven_path_gives_back_its_controls(v0: float, accel: float, lateral: float) -> None:
    curvature = lateral / max(v0 + 4 * accel, v0) ** 2
    xyz, rot, speed = driven(v0, accel, curvature)
    motion = path_kinematics(xyz, rot, 0.1, v0)
    np.testing.assert_allclose(motion.speed, speed, rtol=0.01, atol=0.02)
    np.testing.assert_allclose(motion.acceleration, np.full(40, accel), atol=0.1)
    np.testing.assert_allclose(motion.curvature[:-1], np.full(39, curvature), rtol=0.02, atol=1e-4)
    np.testing.assert_allclose(motion.heading_rate[:-1], (speed * curvature)[:-1], rtol=0.02, atol=0.01)


def test_reverse_is_negative() -> None:
    xyz, rot, speed = driven(-2.0, 0.0, 0.1)
    motion = path_kinematics(xyz.numpy(), rot.numpy(), 0.1)
    np.testing.assert_allclose(motion.speed, speed, rtol=1e-3)
    np.testing.assert_allclose(motion.curvature[:-1], 0.1, rtol=1e-3)


def test_standstill_is_all_zeros_even_when_the_heading_is_noisy() -> None:
    rot = yaw_to_matrix(np.random.default_rng(0).normal(0, 0.01, (2, 20)))
    motion = path_kinematics(np.zeros((2, 20, 3)), rot, 0.1)
    assert not motion.speed.any()
    assert not motion.acceleration.any()
    assert not motion.curvature.any()


def test_one_waypoint_and_a_speed_for_each_row() -> None:
    motion = path_kinematics(
        np.array([[[1.0, 0, 0]], [[2.0, 0, 0]]]), np.broadcast_to(np.eye(3), (2, 1, 3, 3)), 0.5, np.array([2.0, 2.0])
    )
    np.testing.assert_allclose(motion.speed, [[2.0], [4.0]])
    np.testing.assert_allclose(motion.acceleration, [[0.0], [4.0]])


def test_bad_input_is_named() -> None:
    rot = np.broadcast_to(np.eye(3), (4, 3, 3))
    with pytest.raises(ValueError, match=r"at least 1; got \[3, 3\] and \[4, 3, 3\]"):
        path_kinematics(np.zeros((3, 3)), rot, 0.1)
    with pytest.raises(ValueError, match="dt_s must be positive, got 0"):
        path_kinematics(np.zeros((4, 3)), rot, 0)
