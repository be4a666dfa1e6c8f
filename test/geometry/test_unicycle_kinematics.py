from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.geometry.unicycle import (
    Smoothing,
    estimate_v0,
    integrate,
    smooth_yaw,
    solve_accel,
    solve_curvature,
    solve_speed,
)

SPEED = Smoothing(1e-6, 1e-4)
DT_S = 0.1


def straight(speed_mps: float, poses: int, heading: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    way = torch.arange(poses, dtype=torch.float64) * speed_mps * DT_S
    direction = torch.tensor([np.cos(heading), np.sin(heading), 0.0])
    return way[:, None] * direction, yaw_to_matrix(torch.full((poses,), heading, dtype=torch.float64))


def differences(size: int, order: int) -> np.ndarray:
    return np.diff(np.eye(size), n=order, axis=0) if size > order else np.zeros((0, size))


def test_a_circle_closes() -> None:
    steps, radius = 6283, 10.0
    speed = 2 * np.pi * radius / (steps * 0.01)
    ones = torch.ones(1, steps, dtype=torch.float64)
    xy, yaw, _ = integrate(torch.tensor([speed]).double(), 0 * ones, ones / radius, 0.01)
    np.testing.assert_allclose(xy[0, -1], [0, 0], atol=1e-3)
    np.testing.assert_allclose(xy[0, steps // 2 - 1], [0, 2 * radius], atol=0.02)
    assert float(yaw[0, -1]) == pytest.approx(2 * np.pi)


@settings(max_examples=30, deadline=None)
@given(st.floats(-10, 40), st.floats(-3, 3), st.integers(4, 20))
def test_constant_speed_is_estimated(speed: float, heading: float, poses: int) -> None:
    xyz, rot = straight(speed, poses, heading)
    assert float(estimate_v0(xyz, rot, DT_S, SPEED)) == pytest.approx(speed, rel=1e-3, abs=1e-6)


def test_one_pose_has_no_speed() -> None:
    assert float(estimate_v0(*straight(5.0, 1), DT_S, SPEED)) == 0


def test_estimated_speed_is_the_dense_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    xyz, yaw = torch.tensor(rng.normal(size=(8, 3))), torch.tensor(rng.normal(size=8) * 0.3)
    design = np.zeros((14, 8))
    for t in range(7):
        for end in (t, t + 1):
            design[2 * t : 2 * t + 2, end] = [float(yaw[end].cos()), float(yaw[end].sin())]
    third = differences(8, 3) * np.sqrt(SPEED.smooth / DT_S**6)
    right = (2 / DT_S * np.diff(xyz[:, :2].numpy(), axis=0)).ravel()
    rows = np.vstack([design, third, np.eye(8) * np.sqrt(SPEED.ridge)])
    expected = np.linalg.lstsq(rows, np.concatenate([right, np.zeros(13)]), rcond=None)[0]
    assert float(estimate_v0(xyz, yaw_to_matrix(yaw), DT_S, SPEED)) == pytest.approx(expected[-1], abs=1e-8)


def test_rows_do_not_mix_and_any_batch_size_gives_the_same() -> None:
    """Small batches are solved densely, large ones by bands."""
    torch.manual_seed(0)
    yaw = torch.randn(100, 21).cumsum(1) * 0.1
    steps, v0 = torch.rand(100, 20, 2), torch.rand(100) * 10
    together = solve_speed(steps, yaw, v0, DT_S, SPEED)
    one_by_one = torch.cat(
        [solve_speed(steps[i : i + 1], yaw[i : i + 1], v0[i : i + 1], DT_S, SPEED) for i in range(100)]
    )
    torch.testing.assert_close(together, one_by_one, rtol=1e-6, atol=1e-5)


def test_controls_are_recovered() -> None:
    torch.manual_seed(0)
    time = torch.arange(64) * DT_S
    accel = (torch.sin(time) * 0.5).double().expand(3, 64)
    curvature = (torch.cos(time * 0.7) * 0.03).double().expand(3, 64)
    v0 = torch.tensor([3.0, 8.0, 20.0]).double()
    xy, yaw, _ = integrate(v0, accel, curvature, DT_S)
    headings = smooth_yaw(yaw_to_matrix(yaw), DT_S, Smoothing(1e-6, 1e-8))
    steps = torch.cat([torch.zeros(3, 1, 2), xy], dim=1).diff(dim=1)
    speed = solve_speed(steps, headings, v0, DT_S, SPEED)
    found = solve_accel(speed, DT_S, Smoothing(1e-4, 1e-4))
    assert float((found - accel).abs().max()) < 0.03
    kappa = solve_curvature(headings, speed, found, DT_S, Smoothing(1e-4, 1e-4))
    assert float((kappa - curvature).abs().max()) < 2e-3


@pytest.mark.parametrize("rows", [3, 100])
def test_a_singular_problem_ends_and_leaves_other_rows_alone(rows: int) -> None:
    """Parked with ridge zero: curvature is undetermined, the answer zero."""
    yaw, speed = torch.zeros(rows, 11), torch.zeros(rows, 11)
    yaw[1], speed[1] = torch.linspace(0, 0.5, 11), 5.0
    kappa = solve_curvature(yaw, speed, torch.zeros(rows, 10), DT_S, Smoothing(1e-4, 0.0))
    assert not kappa[0].any()
    torch.testing.assert_close(kappa[1], torch.full((10,), 0.1), rtol=1e-4, atol=1e-5)


def test_half_precision_gives_float32_and_float64_stays() -> None:
    xyz, rot = straight(8.0, 16)
    assert estimate_v0(xyz.bfloat16(), rot.bfloat16(), DT_S, SPEED).dtype == torch.float32
    assert estimate_v0(xyz, rot, DT_S, SPEED).dtype == torch.float64


def test_integration_has_a_gradient() -> None:
    accel = torch.zeros(1, 8, requires_grad=True)
    xy, _, _ = integrate(torch.ones(1), accel, torch.zeros(1, 8), DT_S)
    xy[0, -1, 0].backward()
    assert accel.grad is not None
    assert float(accel.grad[0, 0]) > 0
