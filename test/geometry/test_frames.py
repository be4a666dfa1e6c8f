from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.geometry.frames import compose, from_ego_frame, invert, to_ego_frame, transform_points


def poses(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1e3, 1e3, (count, 3)), Rotation.random(count, rng).as_matrix()


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_ego_frame_round_trip(seed: int, count: int) -> None:
    xyz, rot = poses(seed, count)
    xyz_in_ego, rot_in_ego = to_ego_frame(xyz, rot)
    np.testing.assert_allclose(xyz_in_ego[-1], 0, atol=1e-12)
    np.testing.assert_allclose(rot_in_ego[-1], np.eye(3), atol=1e-12)
    back_xyz, back_rot = from_ego_frame(xyz_in_ego, rot_in_ego, xyz[-1], rot[-1])
    np.testing.assert_allclose(back_xyz, xyz, atol=1e-9)
    np.testing.assert_allclose(back_rot, rot, atol=1e-12)


def test_ego_frame_by_hand() -> None:
    """A car that looks along +y of odom: what lies north of it lies ahead."""
    rot = Rotation.from_euler("z", [[90], [90]], degrees=True).as_matrix()
    xyz, _ = to_ego_frame(np.array([[10.0, 3, 0], [10, 0, 0]]), rot)
    np.testing.assert_allclose(xyz, [[3, 0, 0], [0, 0, 0]], atol=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_composition_and_inversion(seed: int) -> None:
    xyz, rot = poses(seed, 3)
    points = xyz[2]
    a_b, b_c = (xyz[0], rot[0]), (xyz[1], rot[1])
    twice = transform_points(*a_b, transform_points(*b_c, points))
    np.testing.assert_allclose(transform_points(*compose(*a_b, *b_c), points), twice, atol=1e-9)
    np.testing.assert_allclose(transform_points(*invert(*a_b), transform_points(*a_b, points)), points, atol=1e-9)


def test_torch_batches_agree_with_numpy() -> None:
    xyz, rot = poses(0, 8)
    batch_xyz, batch_rot = to_ego_frame(torch.tensor(xyz).reshape(2, 4, 3), torch.tensor(rot).reshape(2, 4, 3, 3))
    for row in range(2):
        one_xyz, one_rot = to_ego_frame(xyz[4 * row : 4 * row + 4], rot[4 * row : 4 * row + 4])
        np.testing.assert_allclose(batch_xyz[row], one_xyz, atol=1e-9)
        np.testing.assert_allclose(batch_rot[row], one_rot, atol=1e-12)


def test_mismatched_poses_are_refused() -> None:
    xyz, rot = poses(0, 4)
    with pytest.raises(ValueError, match="same number of poses, at least 1; got 4 and 3"):
        to_ego_frame(xyz, rot[:3])
    with pytest.raises(ValueError, match="got 0 and 0"):
        to_ego_frame(xyz[:0], rot[:0])
    with pytest.raises(ValueError, match=r"positions needs the shape \[\.\.\., T, 3\], got \[4, 2\]"):
        to_ego_frame(xyz[:, :2], rot)
