"""Rotation matrices, unit quaternions (x, y, z, w) and headings; numpy arrays or torch tensors, any leading axes.

Frames follow REP-103: x forward, y left, z up; yaw is counter-clockwise about z, radians.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from reasoning_vla_ros.geometry.arrays import ArrayT, namespace, require_finite, require_shape, steps_from_zero, zeros


def matrix_to_yaw(rot: ArrayT) -> ArrayT:
    """Heading [...] of rotation matrices [..., 3, 3], radians in [-pi, pi]."""
    sin, cos = rot[..., 1, 0], rot[..., 0, 0]
    if isinstance(rot, torch.Tensor):  # whose arctan2 of numbers that lie apart is many times slower
        return torch.arctan2(sin.contiguous(), cos.contiguous())
    return np.arctan2(sin, cos)


def yaw_to_matrix(yaw: ArrayT) -> ArrayT:
    """Rotation matrices [..., 3, 3] about z for headings [...] in radians."""
    xp = namespace(yaw)
    return direction_to_matrix(xp.cos(yaw), xp.sin(yaw))


def direction_to_matrix(cos: ArrayT, sin: ArrayT) -> ArrayT:
    """Rotation matrices [..., 3, 3] about z for the cosine and sine [...] of the headings."""
    rot = zeros((*cos.shape, 3, 3), cos)
    rot[..., 0, 0] = cos
    rot[..., 0, 1] = -sin
    rot[..., 1, 0] = sin
    rot[..., 1, 1] = cos
    rot[..., 2, 2] = 1
    return rot


def unwrap(angles: ArrayT) -> ArrayT:
    """Angles [..., T] without jumps: each step along the last axis lies in [-pi, pi); the first angle stays."""
    xp = namespace(angles)
    steps = angles[..., 1:] - angles[..., :-1]
    wrapped = xp.remainder(steps + math.pi, 2 * math.pi) - math.pi
    return xp.concatenate([angles[..., :1], angles[..., :1] + xp.cumsum(wrapped, -1)], -1)


def unwrap_from_zero(angles: ArrayT) -> ArrayT:
    """Angles [..., T] without jumps, along the last axis from zero on: each step lies in [-pi, pi]."""
    xp = namespace(angles)
    steps = steps_from_zero(angles)
    return angles - 2 * math.pi * xp.cumsum(xp.round(steps / (2 * math.pi)), -1)


def quaternion_to_matrix(quat_xyzw: ArrayT) -> ArrayT:
    """Rotation matrices [..., 3, 3] of quaternions [..., 4] (x, y, z, w), normalised here.

    Raises:
        ValueError: another shape, a value that is not finite, or a norm below 1e-6.
    """
    require_shape(quat_xyzw, (4,), "a quaternion")
    require_finite(quat_xyzw, "a quaternion")
    xp = namespace(quat_xyzw)
    norm = (quat_xyzw * quat_xyzw).sum(-1) ** 0.5
    if bool((norm < 1e-6).any()):
        raise ValueError(f"a quaternion needs a norm near 1, got {float(norm.min())}")
    unit = quat_xyzw / norm[..., None]
    x, y, z, w = (unit[..., i] for i in range(4))
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return xp.stack(entries, -1).reshape(*x.shape, 3, 3)


def matrix_to_quaternion(rot: ArrayT) -> ArrayT:
    """Unit quaternions [..., 4] (x, y, z, w) with w >= 0 of rotation matrices [..., 3, 3].

    Each of the four columns below is the quaternion times four of its own entries; the one with the largest entry
    is free of cancellation (Shepperd 1978).
    """
    require_shape(rot, (3, 3), "a rotation")
    xp = namespace(rot)
    m = [[rot[..., i, j] for j in range(3)] for i in range(3)]
    xx, yy, zz = m[0][0], m[1][1], m[2][2]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    xw, yw, zw = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    rows = [
        [1 + xx - yy - zz, xy, xz, xw],
        [xy, 1 - xx + yy - zz, yz, yw],
        [xz, yz, 1 - xx - yy + zz, zw],
        [xw, yw, zw, 1 + xx + yy + zz],
    ]
    candidates = xp.stack([xp.stack(row, -1) for row in rows], -2)
    largest = xp.stack([rows[i][i] for i in range(4)], -1).argmax(-1)
    quat = sum((largest == i)[..., None] * candidates[..., i, :] for i in range(4))
    quat = quat / (quat * quat).sum(-1)[..., None] ** 0.5
    return quat * (1 - 2 * (quat[..., 3:] < 0))


def is_rotation(rot: ArrayT, tolerance: float = 1e-3) -> ArrayT:
    """Flags [...]: each matrix [..., 3, 3] is finite, orthonormal within `tolerance` and right-handed."""
    require_shape(rot, (3, 3), "a rotation")
    gram = rot @ rot.swapaxes(-1, -2) - _eye(rot)
    # NaN compares false, so it counts as no rotation.
    return (abs(gram).reshape(*rot.shape[:-2], 9) < tolerance).all(-1) & (_determinant(rot) > 0)


def require_rotation(rot: Any, name: str = "a rotation", tolerance: float = 1e-3) -> None:
    """Checks matrices [..., 3, 3].

    Raises:
        ValueError: with the index and value of the first matrix that is no rotation.
    """
    good = np.asarray(is_rotation(rot, tolerance).tolist())
    if not good.all():
        first = tuple(int(i) for i in np.argwhere(~good)[0])
        matrix = rot[first].tolist()
        raise ValueError(
            f"{name} must be orthonormal within {tolerance} and right-handed, got {matrix} at index {list(first)}"
        )


def _eye(rot: Any) -> Any:
    eye = zeros((3, 3), rot)
    eye[range(3), range(3)] = 1
    return eye


def _determinant(rot: Any) -> Any:
    a, b, c = (rot[..., i, :] for i in range(3))
    return (a * namespace(rot).linalg.cross(b, c)).sum(-1)
