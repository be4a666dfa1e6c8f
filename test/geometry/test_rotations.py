from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.geometry.rotations import (
    is_rotation,
    matrix_to_quaternion,
    matrix_to_yaw,
    quaternion_to_matrix,
    require_rotation,
    unwrap,
    yaw_to_matrix,
)

coordinates = st.floats(-1, 1, allow_subnormal=False)
quaternions = arrays(np.float64, (5, 4), elements=coordinates).filter(
    lambda q: (np.linalg.norm(q, axis=-1) > 1e-3).all()
)


@given(quaternions)
def test_quaternion_to_matrix_agrees_with_scipy(quat_xyzw: np.ndarray) -> None:
    np.testing.assert_allclose(quaternion_to_matrix(quat_xyzw), Rotation.from_quat(quat_xyzw).as_matrix(), atol=1e-12)


@given(quaternions)
def test_quaternion_round_trip(quat_xyzw: np.ndarray) -> None:
    rot = quaternion_to_matrix(quat_xyzw)
    back = matrix_to_quaternion(rot)
    assert (back[..., 3] >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(back, axis=-1), 1, atol=1e-12)
    np.testing.assert_allclose(quaternion_to_matrix(back), rot, atol=1e-9)
    assert is_rotation(rot).all()


@pytest.mark.parametrize("axis", np.eye(3).tolist())
def test_half_turns(axis: list[float]) -> None:
    rot = Rotation.from_rotvec(math.pi * np.array(axis)).as_matrix()
    np.testing.assert_allclose(quaternion_to_matrix(matrix_to_quaternion(rot)), rot, atol=1e-12)


def test_torch_and_numpy_agree_and_keep_their_dtype() -> None:
    quat = np.random.default_rng(0).normal(size=(2, 3, 4))
    rot = quaternion_to_matrix(torch.tensor(quat, dtype=torch.float32))
    assert rot.dtype == torch.float32
    assert rot.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(rot.numpy(), quaternion_to_matrix(quat), atol=1e-6)
    np.testing.assert_allclose(
        matrix_to_quaternion(rot).numpy(), matrix_to_quaternion(quaternion_to_matrix(quat)), atol=1e-5
    )
    np.testing.assert_allclose(matrix_to_yaw(rot).numpy(), matrix_to_yaw(rot.numpy()), atol=1e-6)
    assert bool(is_rotation(rot).all())


@given(st.floats(-math.pi + 1e-9, math.pi))
def test_yaw_round_trip(yaw: float) -> None:
    rot = yaw_to_matrix(np.array([yaw]))
    np.testing.assert_allclose(matrix_to_yaw(rot), [yaw], atol=1e-12)
    np.testing.assert_allclose(rot[0], Rotation.from_euler("z", yaw).as_matrix(), atol=1e-12)


@given(arrays(np.float64, 20, elements=st.floats(-3, 3)))
def test_unwrap_undoes_wrapping(steps: np.ndarray) -> None:
    angles = np.cumsum(steps)
    wrapped = np.arctan2(np.sin(angles), np.cos(angles))
    expected = angles - angles[0] + wrapped[0]
    np.testing.assert_allclose(unwrap(wrapped), expected, atol=1e-9)
    np.testing.assert_allclose(unwrap(torch.tensor(wrapped)[None]).numpy()[0], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("quat", "message"),
    [
        (np.zeros(4), "norm near 1, got 0.0"),
        (np.array([0, 0, math.nan, 1]), r"finite, got nan at index \[2\]"),
        (np.zeros(3), r"needs the shape \[\.\.\., 4\], got \[3\]"),
    ],
)
def test_bad_quaternions_are_refused(quat: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quaternion_to_matrix(quat)


@pytest.mark.parametrize("bad", [np.diag([1.0, 1, -1]), np.eye(3) * 1.1, np.full((3, 3), np.nan)])
def test_what_is_no_rotation_is_named(bad: np.ndarray) -> None:
    stack = np.stack([np.eye(3), bad])
    assert is_rotation(stack).tolist() == [True, False]
    with pytest.raises(ValueError, match=r"a pose must be orthonormal within 0\.001 and right-handed.*index \[1\]"):
        require_rotation(stack, "a pose")
    require_rotation(stack[:1])
