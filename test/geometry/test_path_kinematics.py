from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.kinematics import path_kinematics, speed_at_end
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


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 20), st.floats(-40, 40), st.floats(-8, 8), st.floats(-4, 4), st.booleans())
def test_speed_at_the_end_is_exact_under_a_steady_acceleration(
    count: int, v0: float, accel: float, yaw: float, as_tensor: bool
) -> None:
    time = 0.1 * np.arange(1 - count, 1)
    way = v0 * time + accel * time**2 / 2
    xyz = np.stack([way * np.cos(yaw) + 1e4, way * np.sin(yaw) - 1e4, 0 * way], -1)
    rot = yaw_to_matrix(np.full(count, yaw))
    if as_tensor:
        speed = speed_at_end(torch.from_numpy(xyz), torch.from_numpy(rot), 0.1)
        assert isinstance(speed, torch.Tensor)
    else:
        speed = speed_at_end(xyz, rot, 0.1)
    assert float(speed) == pytest.approx(v0, abs=1e-6)


def test_speed_at_the_end_of_few_poses() -> None:
    xyz, rot = np.array([[-1.0, 0, 0], [-0.4, 0, 5], [0, 0, 0]]), np.broadcast_to(np.eye(3), (3, 3, 3))
    assert speed_at_end(xyz[2:], rot[2:], 0.1) == 0
    assert speed_at_end(xyz[1:], rot[1:], 0.1) == pytest.approx(4.0)
    assert speed_at_end(xyz, rot, 0.1) == pytest.approx(3.0)
    assert speed_at_end(-xyz, rot, 0.2) == pytest.approx(-1.5)


def test_speed_at_the_end_averages_noise_and_looks_at_eleven_poses() -> None:
    rng = np.random.default_rng(0)
    rot = np.broadcast_to(np.eye(3), (20_000, 16, 3, 3))
    xyz = 0.02 * rng.normal(size=(20_000, 16, 3))
    speed = speed_at_end(xyz, rot, 0.1)
    assert speed.shape == (20_000,)
    assert 0.05 < speed.std() * 2**0.5 < 0.2
    xyz[:, :5] = 1e6
    np.testing.assert_array_equal(speed_at_end(xyz, rot, 0.1), speed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_speed_at_the_end_keeps_leading_axes_dtype_and_rows(dtype: torch.dtype) -> None:
    xyz, rot, _ = driven(6.0, 0.0, 0.02, steps=16)
    many = torch.stack([xyz, 2 * xyz, xyz.flip(-2)]).to(dtype)[None]
    many[0, 2] += torch.nan
    speed = speed_at_end(many, rot.to(dtype).expand(1, 3, 16, 3, 3), 0.1)
    assert speed.dtype == dtype
    assert speed.shape == (1, 3)
    assert speed[0, :2].double() == pytest.approx([6, 12], rel=0.02)
    assert speed[0, 2].isnan()


def test_speed_at_the_end_refuses_other_shapes() -> None:
    rot = np.broadcast_to(np.eye(3), (4, 3, 3))
    with pytest.raises(ValueError, match=r"positions needs the shape \[..., T, 3\]"):
        speed_at_end(np.zeros((4, 2)), rot, 0.1)
    with pytest.raises(ValueError, match=r"at least 1; got \[0, 3\] and \[0, 3, 3\]"):
        speed_at_end(np.zeros((0, 3)), rot[:0], 0.1)
    with pytest.raises(ValueError, match="dt_s must be positive, got 0"):
        speed_at_end(np.zeros((4, 3)), rot, 0)
