"""Drives without a recording: a kinematic bicycle through twelve kinds of manoeuvres.

The kinds, speeds and limits are those of ordinary driving (accelerations of at most about 5 m/s^2 but in emergencies
and the wildest wanderings, lateral accelerations of at most 4 m/s^2, turning radii of at least 5 m); nothing is fitted
to any recording.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix

DT_S = 0.1
HISTORY_STEPS = 16
FUTURE_STEPS = 64
MAX_SPEED_MPS = 41.0
MAX_CURVATURE_PER_M = 0.2
MAX_LATERAL_MPS2 = 4.0
# Steps of the integration in one step of the trajectory.
FINE = 2

Array = NDArray[np.floating]
# (initial speed [B, 1], acceleration [B, S], curvature [B, S]) of B drives at the fine steps.
Controls = tuple[Array, Array, Array]
Manoeuvre = Callable[[np.random.Generator, int, Array], Controls]


def synthetic_driving(
    count: int, seed: int = 0, *, noise_m: float = 0.0, lever_m: float = 0.0, manoeuvres: list[str] | None = None
) -> TrajectorySet:
    """Histories of 16 poses ending at t0 and futures of 64 waypoints, 0.1 s apart, float32, in random order.

    Args:
        count: B.
        seed: of everything random; the same seed gives the same drives.
        noise_m: a recording's poses jitter: white noise on positions, of a standard deviation that each drive draws
            from 0..noise_m; headings get half as many radians.
        lever_m: the tracked point lies up to so far ahead of the rear axle (uniform in 0..lever_m), as a camera's
            does.
        manoeuvres: names from MANOEUVRES to draw from, all of them equally by default.

    Raises:
        ValueError: an unknown manoeuvre, or none; no drive.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    names = list(MANOEUVRES) if manoeuvres is None else manoeuvres
    if not names or (unknown := sorted(set(names) - set(MANOEUVRES))):
        raise ValueError(f"manoeuvres come from {list(MANOEUVRES)}, got {unknown if names else names}")
    rng = np.random.default_rng(seed)
    time_s = np.arange((HISTORY_STEPS + FUTURE_STEPS - 1) * FINE) * (DT_S / FINE) - (HISTORY_STEPS - 1) * DT_S
    shares = np.diff(np.linspace(0, count, len(names) + 1).astype(int))
    controls = [
        MANOEUVRES[name](rng, int(share), time_s[None]) for name, share in zip(names, shares, strict=True) if share
    ]
    v0, acceleration, curvature = (np.concatenate(column) for column in zip(*controls, strict=True))
    acceleration, curvature = acceleration + _pedal_noise(rng, v0, len(time_s)), _steering(rng, curvature)
    xy, yaw = _integrate(v0, acceleration, curvature, rng.uniform(0, 1, (count, 1)) * lever_m)
    if noise_m:
        deviation_m = rng.uniform(0, noise_m, (count, 1))
        xy = xy + deviation_m[..., None] * rng.normal(size=xy.shape)
        yaw = yaw + deviation_m / 2 * rng.normal(size=yaw.shape)
    order = rng.permutation(count)
    xy, yaw = _from_t0(xy[order], yaw[order])
    xyz = torch.from_numpy(np.concatenate([xy, np.zeros_like(xy[..., :1])], -1)).float()
    rot = yaw_to_matrix(torch.from_numpy(yaw)).float()
    past, future = slice(None, HISTORY_STEPS), slice(HISTORY_STEPS, None)
    return TrajectorySet(xyz[:, past], rot[:, past], xyz[:, future], rot[:, future], DT_S, "synthetic driving")


def _integrate(v0: Array, acceleration: Array, curvature: Array, lever_m: Array) -> tuple[Array, Array]:
    """xy [B, 80, 2] of the tracked point and yaw [B, 80]; speeds stay in 0..41 m/s, or in -3..0 for a reverse start.

    Lateral acceleration is limited by less curvature, so that fast drives are not thrown off the road.
    """
    step_s = DT_S / FINE
    speed = v0 + np.concatenate([0 * v0, np.cumsum(acceleration, 1) * step_s], 1)
    speed = np.where(v0 < 0, np.clip(speed, -3, 0), np.clip(speed, 0, MAX_SPEED_MPS))
    middle = (speed[:, 1:] + speed[:, :-1]) / 2
    limit = np.minimum(MAX_CURVATURE_PER_M, MAX_LATERAL_MPS2 / np.maximum(middle**2, 1e-3))
    # A smooth limit: the curvature's own shape survives.
    turn = np.tanh(curvature / limit) * limit * middle * step_s
    yaw = np.concatenate([0 * v0, np.cumsum(turn, 1)], 1)
    heading = (yaw[:, 1:] + yaw[:, :-1]) / 2
    way = np.stack([middle * np.cos(heading), middle * np.sin(heading)], -1) * step_s
    xy = np.concatenate([np.zeros((len(v0), 1, 2)), np.cumsum(way, 1)], 1)
    xy = xy + lever_m[..., None] * np.stack([np.cos(yaw), np.sin(yaw)], -1)
    return xy[:, ::FINE], yaw[:, ::FINE]


def _from_t0(xy: Array, yaw: Array) -> tuple[Array, Array]:
    """The same in the ego frame at t0."""
    at = HISTORY_STEPS - 1
    cos, sin = np.cos(yaw[:, at, None]), np.sin(yaw[:, at, None])
    x, y = np.moveaxis(xy - xy[:, at : at + 1], -1, 0)
    return np.stack([cos * x + sin * y, cos * y - sin * x], -1), yaw - yaw[:, at : at + 1]


def _pedal_noise(rng: np.random.Generator, v0: Array, steps: int) -> Array:
    """A driver's unsteady foot, m/s^2; none while parked."""
    level = rng.uniform(0, 0.35, v0.shape) * (np.abs(v0) > 0.5)
    return level * _wander(rng, len(v0), steps, time_constant_s=0.8)


def _steering(rng: np.random.Generator, curvature: Array) -> Array:
    """The curvature through a steering gear: a little noise, then low-passed at about 0.2 s."""
    noisy = curvature + rng.uniform(0, 8e-4, (len(curvature), 1)) * _wander(
        rng, len(curvature), curvature.shape[1], time_constant_s=0.7
    )
    return _low_pass(noisy, 0.2)


def _wander(rng: np.random.Generator, count: int, steps: int, time_constant_s: float) -> Array:
    """A smooth random function of unit variance."""
    white = rng.normal(size=(count, steps + 200))
    values = _low_pass(_low_pass(white, time_constant_s), time_constant_s)[:, 200:]
    deviation: Array = values / (values.std() + 1e-12)
    return deviation


def _low_pass(values: Array, time_constant_s: float) -> Array:
    from scipy.signal import lfilter

    keep = float(np.exp(-DT_S / FINE / time_constant_s))
    start = values[:, :1] * keep
    return np.asarray(lfilter([1 - keep], [1, -keep], values, axis=1, zi=start)[0])


def _uniform(rng: np.random.Generator, count: int, low: float, high: float) -> Array:
    return rng.uniform(low, high, (count, 1))


def _sign(rng: np.random.Generator, count: int) -> Array:
    return rng.choice([-1.0, 1.0], (count, 1))


def _pulse(time_s: Array, start_s: Array, length_s: Array) -> Array:
    """sin^2 bump of height 1 over [start, start + length]."""
    phase = np.clip((time_s - start_s) / length_s, 0, 1)
    return np.sin(np.pi * phase) ** 2


def _plateau(time_s: Array, start_s: Array, length_s: Array, ramp_s: Array) -> Array:
    """Rises smoothly over `ramp_s`, stays at 1, and falls likewise."""
    ramps = [np.clip((time_s - at) / ramp_s, 0, 1) for at in (start_s, start_s + length_s)]
    rise, fall = (ramp * ramp * (3 - 2 * ramp) for ramp in ramps)
    return np.asarray(rise - fall)


def _toward(time_s: Array, v0: Array, target_mps: Array, start_s: Array, rate_mps2: Array) -> Array:
    """Acceleration that brings v0 to the target from `start_s` on, its peak at `rate_mps2`."""
    length_s = np.maximum(2 * np.abs(target_mps - v0) / rate_mps2, 0.5)
    return np.asarray((target_mps - v0) / length_s * 2 * _pulse(time_s, start_s, length_s))


def cruise(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """Straight on at any speed, with slow changes of speed."""
    v0 = _uniform(rng, count, 3, MAX_SPEED_MPS)
    change = _toward(time_s, v0, v0 + rng.normal(0, 2, (count, 1)), _uniform(rng, count, -2, 5), 1 + 0 * v0)
    return v0, change, 0 * v0 * time_s


def curve(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """A road's curve: clothoid, arc, clothoid, perhaps slower in it."""
    v0 = _uniform(rng, count, 4, 35)
    lateral = _uniform(rng, count, -3, 3)
    shape = _plateau(time_s, _uniform(rng, count, -7, 4), _uniform(rng, count, 2, 12), _uniform(rng, count, 0.8, 3))
    slower = -_uniform(rng, count, -0.5, 1) * _pulse(time_s, _uniform(rng, count, -3, 4), _uniform(rng, count, 2, 6))
    return v0, slower, lateral / v0**2 * shape


def lane_change(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """2.5 to 4 m sideways in 3 to 7 s, on a slight curve."""
    v0 = _uniform(rng, count, 6, 38)
    length_s = _uniform(rng, count, 3, 7)
    phase = (time_s - _uniform(rng, count, -3, 4.5)) / length_s
    inside = (phase > 0) & (phase < 1)
    offset = _uniform(rng, count, 2.5, 4) * _sign(rng, count)
    # The second derivative of the offset's path o * (phase - sin(2 pi phase) / (2 pi)).
    lateral = np.where(inside, offset * 2 * np.pi * np.sin(2 * np.pi * phase) / length_s**2, 0)
    road = rng.normal(0, 3e-4, (count, 1))
    faster = rng.normal(0, 0.5, (count, 1)) * _pulse(time_s, _uniform(rng, count, -2, 3), _uniform(rng, count, 2, 6))
    return v0, faster, lateral / v0**2 + road


def brake_to_stop(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """To a halt, straight or in a slight bend."""
    v0 = _uniform(rng, count, 3, 22)
    rate = _uniform(rng, count, 1.2, 4.5)
    slowing = _toward(time_s, v0, 0 * v0 - 0.3, _uniform(rng, count, -2.5, 4.5), rate)
    return v0, slowing, rng.normal(0, 0.004, (count, 1)) + 0 * time_s


def start_off(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """From standstill or walking pace, straight or turning."""
    v0 = _uniform(rng, count, 0, 3) * (rng.random((count, 1)) < 0.5)
    target = _uniform(rng, count, 4, 18)
    faster = _toward(time_s, v0, target, _uniform(rng, count, -1.5, 4.5), _uniform(rng, count, 1, 3.5))
    turning = (rng.random((count, 1)) < 0.4) * _sign(rng, count) * _uniform(rng, count, 0.02, 0.16)
    shape = _plateau(time_s, _uniform(rng, count, -1, 4), _uniform(rng, count, 2, 6), _uniform(rng, count, 1, 2))
    return v0, faster, turning * shape


def junction_turn(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """About 90 degrees at a junction: slow down, turn, speed up."""
    v0 = _uniform(rng, count, 3, 14)
    slow = np.minimum(_uniform(rng, count, 3, 8), v0)
    begin_s = _uniform(rng, count, -3, 4)
    down = _toward(time_s, v0, slow, begin_s - _uniform(rng, count, 1, 3), _uniform(rng, count, 1.5, 3))
    angle = _sign(rng, count) * _uniform(rng, count, 0.7, 1.9)
    length_s = _uniform(rng, count, 2.2, 5)
    ramp_s = length_s * _uniform(rng, count, 0.3, 0.5)
    shape = _plateau(time_s, begin_s, length_s - ramp_s, ramp_s)
    area_s = length_s - ramp_s
    up = _toward(
        time_s, slow, _uniform(rng, count, 6, 15), begin_s + length_s * _uniform(rng, count, 0.4, 0.9), 2.0 + 0 * v0
    )
    return v0, down + up, angle / (area_s * np.maximum(slow, 2)) * shape


def turn_round(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """U-turns, hairpins and the loops of ramps: 100 to 270 degrees in one go."""
    v0 = _uniform(rng, count, 2, 15)
    lateral = _uniform(rng, count, 1, 4)
    slow = np.minimum(_uniform(rng, count, 2.5, 9), v0)
    begin_s = _uniform(rng, count, -8, 4)
    # As tight as the lateral acceleration allows, but no tighter than a car can.
    curvature = np.minimum(lateral / slow**2, _uniform(rng, count, 0.05, 0.19))
    length_s = _uniform(rng, count, 1.8, 4.7) / (curvature * slow)
    shape = _plateau(time_s, begin_s, length_s, _uniform(rng, count, 0.8, 2))
    down = _toward(time_s, v0, slow, begin_s - _uniform(rng, count, 0.5, 3), _uniform(rng, count, 1.5, 3.5))
    away_s = begin_s + length_s * _uniform(rng, count, 0.6, 1.1)
    up = _toward(time_s, slow, _uniform(rng, count, 5, 16), away_s, _uniform(rng, count, 1, 3))
    return v0, down + up, _sign(rng, count) * curvature * shape


def wander(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """Any pedals and any steering: smooth random accelerations and curvatures, mild to wild."""
    v0 = _uniform(rng, count, 0, 35)
    pace = rng.integers(0, 3, (count, 1))
    pedals, steering = 0 * time_s, 0 * time_s
    for choice, pace_s in enumerate((0.3, 0.6, 1.2)):
        pedals = np.where(pace == choice, _wander(rng, count, time_s.shape[1], pace_s), pedals)
        steering = np.where(pace == choice, _wander(rng, count, time_s.shape[1], 2 * pace_s), steering)
    acceleration = _uniform(rng, count, 0, 1) ** 2 * 3 * pedals
    lateral = _uniform(rng, count, 0, 1) ** 2 * 3 * steering
    return v0, acceleration, lateral / np.maximum(v0, 4) ** 2


def stop_and_go(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """Dense traffic: braking and starting in turn."""
    v0 = _uniform(rng, count, 0, 10)
    first, second = _uniform(rng, count, -2, 2), _uniform(rng, count, 1.5, 5.5)
    middle, last = np.maximum(v0 + rng.normal(0, 3, (count, 1)), 0), _uniform(rng, count, 0, 9)
    change = _toward(time_s, v0, middle, first, _uniform(rng, count, 0.8, 3))
    change = change + _toward(time_s, middle, last, second, _uniform(rng, count, 0.8, 3))
    return v0, change, rng.normal(0, 0.003, (count, 1)) + 0 * time_s


def roundabout(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """Right, round to the left and right again, or mirrored."""
    v0 = _uniform(rng, count, 4, 12)
    slow = np.minimum(_uniform(rng, count, 4, 8), v0)
    begin_s = _uniform(rng, count, -5, 4)
    round_s = _uniform(rng, count, 1.5, 7)
    side = _sign(rng, count)
    entry = _pulse(time_s, begin_s, 1.6 + 0 * v0) * _uniform(rng, count, 0.05, 0.12)
    around = _plateau(time_s, begin_s + 1.3, round_s, 0.8 + 0 * v0) * _uniform(rng, count, 0.04, 0.09)
    leave = _pulse(time_s, begin_s + 1.6 + round_s, 1.8 + 0 * v0) * _uniform(rng, count, 0.04, 0.1)
    change = _toward(time_s, v0, slow, begin_s - 2, 2 + 0 * v0)
    change = change + _toward(time_s, slow, _uniform(rng, count, 7, 14), begin_s + round_s + 1.5, 2 + 0 * v0)
    return v0, change, side * (around - entry - leave)


def emergency(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """Hard braking and a swerve."""
    v0 = _uniform(rng, count, 6, 36)
    begin_s = _uniform(rng, count, -1, 5)
    brakes = rng.random((count, 1)) < 0.7
    braking = (
        -_uniform(rng, count, 3, 8) * brakes * _plateau(time_s, begin_s, _uniform(rng, count, 0.8, 4), 0.3 + 0 * v0)
    )
    lateral = _sign(rng, count) * _uniform(rng, count, 0, 3.5)
    phase = (time_s - begin_s) / _uniform(rng, count, 1.2, 3)
    swerve = np.where((phase > 0) & (phase < 1), np.sin(2 * np.pi * phase), 0)
    return v0, braking, lateral * swerve / v0**2


def manoeuvring(rng: np.random.Generator, count: int, time_s: Array) -> Controls:
    """Parked, creeping, reversing and turning tightly."""
    kind = rng.integers(0, 4, (count, 1))
    v0 = np.select(
        [kind == 0, kind == 1, kind == 2], [0.0, _uniform(rng, count, 0, 2), -_uniform(rng, count, 0.2, 3)], 0
    )
    v0 = np.where(kind == 3, _uniform(rng, count, 1, 5), v0)
    steady = np.where(kind == 0, 0.0, rng.normal(0, 0.4, (count, 1)))
    change = steady * _pulse(time_s, _uniform(rng, count, -3, 3), _uniform(rng, count, 2, 6))
    turning = np.where(kind == 0, 0.0, _uniform(rng, count, -0.19, 0.19))
    shape = _plateau(time_s, _uniform(rng, count, -8, 3), _uniform(rng, count, 3, 12), _uniform(rng, count, 1, 2))
    return v0, change, turning * shape


MANOEUVRES: dict[str, Manoeuvre] = {
    manoeuvre.__name__: manoeuvre
    for manoeuvre in (
        cruise,
        curve,
        lane_change,
        brake_to_stop,
        start_off,
        junction_turn,
        turn_round,
        stop_and_go,
        roundabout,
        emergency,
        manoeuvring,
        wander,
    )
}
