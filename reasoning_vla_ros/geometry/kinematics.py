"""What a path implies about the vehicle's motion."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.arrays import ArrayT, cast, constant, namespace, require_shape
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, unwrap

# Below this speed the turn of the heading says more about noise than about curvature.
SLOW_MPS = 0.2


# Poses that `speed_at_end` looks at. A longer past averages out more of the poses' noise: 2 cm of it become 0.075 m/s.
SPEED_POSES = 11


class PathKinematics(NamedTuple, Generic[ArrayT]):
    """Speed (m/s), acceleration (m/s^2), heading rate (rad/s) and curvature (1/m), each [..., T]."""

    speed: ArrayT
    acceleration: ArrayT
    heading_rate: ArrayT
    curvature: ArrayT


def path_kinematics(xyz: ArrayT, rot: ArrayT, dt_s: float, v0_mps: Any = None) -> PathKinematics[ArrayT]:
    """Motion at the waypoints of a path in the ego frame at t0, by finite differences.

    The path starts at the origin with heading zero at t0; waypoint i lies at t0 + (i + 1) * dt_s. Differences are
    central, and one-sided at the last waypoint. Speed is taken along the vehicle's x axis, so it is negative in
    reverse. Curvature is heading rate over speed and fades to zero below 0.2 m/s, where it is not observable.

    Args:
        xyz: [..., T, 3], metres, T >= 1.
        rot: [..., T, 3, 3].
        dt_s: step, seconds.
        v0_mps: speed at t0, a number or [...]; taken from the first two steps when None.

    Raises:
        ValueError: other shapes, no waypoint, or a step that is not positive.
    """
    _check_path(xyz, rot, dt_s)
    xp = namespace(xyz)
    zero = xp.zeros_like(xyz[..., :1, 0])
    xy = xp.concatenate([xp.zeros_like(xyz[..., :1, :2]), xyz[..., :2]], -2)
    yaw = unwrap(xp.concatenate([zero, matrix_to_yaw(rot)], -1))
    steps = xy[..., 1:, :] - xy[..., :-1, :]
    middle = (yaw[..., 1:] + yaw[..., :-1]) / 2
    mean_speed = (steps[..., 0] * xp.cos(middle) + steps[..., 1] * xp.sin(middle)) / dt_s
    inner = (mean_speed[..., 1:] + mean_speed[..., :-1]) / 2
    # Half a step beyond the last mean speed, on the line through the last two.
    last = 1.5 * mean_speed[..., -1:] - 0.5 * mean_speed[..., -2:-1] if xyz.shape[-2] > 1 else mean_speed[..., -1:]
    speed = xp.concatenate([inner, last], -1)
    if v0_mps is None:
        v0 = 1.5 * mean_speed[..., :1] - 0.5 * mean_speed[..., 1:2] if xyz.shape[-2] > 1 else mean_speed[..., :1]
    else:
        v0 = zero + (v0_mps[..., None] if getattr(v0_mps, "ndim", 0) else v0_mps)
    heading_rate = _central(yaw, dt_s)
    curvature = heading_rate * speed / xp.clip(speed**2, SLOW_MPS**2, None)
    return PathKinematics(speed, _central(xp.concatenate([v0, speed], -1), dt_s), heading_rate, curvature)


def speed_at_end(xyz: ArrayT, rot: ArrayT, dt_s: float) -> ArrayT:
    """Speed [...] at the last of the poses, m/s, along the heading there; negative in reverse.

    The slope of the parabola that fits the last 11 positions best; of a line through two; zero for a single pose.
    A parabola, so that steady braking does not look like another speed.

    Args:
        xyz: [..., T, 3], metres, T >= 1.
        rot: [..., T, 3, 3].
        dt_s: step, seconds.

    Raises:
        ValueError: other shapes, no pose, or a step that is not positive.
    """
    _check_path(xyz, rot, dt_s)
    count = min(xyz.shape[-2], SPEED_POSES)
    xp = namespace(xyz)
    # In float64, so that it is the same number in any batch; and from the last position, as large coordinates would
    # cost precision.
    heading = cast(rot[..., -1, :2, 0], xp.float64)
    steps = cast(xyz[..., -count:, :2], xp.float64) - cast(xyz[..., -1:, :2], xp.float64)
    along = steps[..., 0] * heading[..., None, 0] + steps[..., 1] * heading[..., None, 1]
    return cast(along @ constant(_slope_weights(count) / dt_s, along), xyz.dtype)


@lru_cache(maxsize=SPEED_POSES)
def _slope_weights(count: int) -> NDArray[np.float64]:
    """What `count` values, one a step, weigh in the slope at the last of the polynomial that fits them best."""
    if count == 1:
        return np.zeros(1)
    slopes: NDArray[np.float64] = np.linalg.pinv(np.vander(np.arange(1 - count, 1), min(count, 3), increasing=True))
    return slopes[1]


def _check_path(xyz: Any, rot: Any, dt_s: float) -> None:
    require_shape(xyz, (None, 3), "positions")
    require_shape(rot, (None, 3, 3), "rotations")
    if xyz.shape[:-1] != rot.shape[:-2] or xyz.shape[-2] == 0:
        raise ValueError(
            f"positions and rotations need the same number of waypoints, at least 1; "
            f"got {list(xyz.shape)} and {list(rot.shape)}"
        )
    if not dt_s > 0:
        raise ValueError(f"dt_s must be positive, got {dt_s}")


def _central(values: ArrayT, dt_s: float) -> ArrayT:
    """Derivatives [..., T] at all but the first of T + 1 values."""
    steps = (values[..., 1:] - values[..., :-1]) / dt_s
    return namespace(values).concatenate([(steps[..., 1:] + steps[..., :-1]) / 2, steps[..., -1:]], -1)
