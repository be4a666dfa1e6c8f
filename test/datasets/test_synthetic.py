"""Made-up drives and arms: the same by seed, in the frame and within the limits that they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reasoning_vla_ros.datasets import TrajectorySet, synthetic_arms, synthetic_driving
from reasoning_vla_ros.datasets.synthetic_arms import PANDA_LOWER, PANDA_UPPER
from reasoning_vla_ros.datasets.synthetic_driving import (
    DT_S,
    MANOEUVRES,
    MAX_CURVATURE_PER_M,
    MAX_LATERAL_MPS2,
    MAX_SPEED_MPS,
)
from reasoning_vla_ros.geometry.rotations import is_rotation, matrix_to_yaw, unwrap


def whole(data: TrajectorySet) -> tuple[torch.Tensor, torch.Tensor]:
    """xy [B, 80, 2] and yaw [B, 80] of history and future, float64."""
    assert data.hist_rot is not None
    assert data.fut_rot is not None
    xy = torch.cat([data.hist_xyz, data.fut_xyz], 1)[..., :2].double()
    return xy, unwrap(matrix_to_yaw(torch.cat([data.hist_rot, data.fut_rot], 1).double()))


def motion(data: TrajectorySet) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Speeds along [B, 79] and across the heading, m/s, and heading rates, rad/s, between the waypoints."""
    xy, yaw = whole(data)
    step, middle = xy.diff(dim=1) / DT_S, (yaw[:, 1:] + yaw[:, :-1]) / 2
    along = step[..., 0] * middle.cos() + step[..., 1] * middle.sin()
    across = step[..., 1] * middle.cos() - step[..., 0] * middle.sin()
    return along, across, yaw.diff(dim=1) / DT_S


@pytest.mark.parametrize("make", [synthetic_driving, synthetic_arms])
def test_a_seed_tells_everything(make) -> None:
    one, same, other = make(50, seed=7), make(50, seed=7), make(50, seed=8)
    for a, b, c in zip(one.tensors(), same.tensors(), other.tensors(), strict=True):
        if a is not None:
            assert torch.equal(a, b)
            assert not torch.equal(a, c)


@pytest.mark.parametrize("count", [1, 2, 11, 100])
def test_shapes(count: int) -> None:
    drives, arms = synthetic_driving(count), synthetic_arms(count)
    shapes = [(16, 3), (16, 3, 3), (64, 3), (64, 3, 3)]
    assert [tuple(x.shape) for x in drives.tensors()] == [(count, *shape) for shape in shapes]
    assert drives.dt_s == 0.1
    assert arms.hist_xyz.shape == (count, 16, 7)
    assert arms.fut_xyz.shape == (count, 50, 7)
    assert (arms.hist_rot, arms.fut_rot, arms.dt_s) == (None, None, 0.02)
    for data in (drives, arms):
        for tensor in data.tensors():
            assert tensor is None or (tensor.dtype == torch.float32 and bool(torch.isfinite(tensor).all()))


@pytest.mark.parametrize("make", [synthetic_driving, synthetic_arms])
@pytest.mark.parametrize("count", [0, -3])
def test_no_rows_cannot_be_made(make, count: int) -> None:
    with pytest.raises(ValueError, match=f"count must be at least 1, got {count}"):
        make(count)


@pytest.mark.parametrize("noise_m", [0.0, 0.1])
@pytest.mark.parametrize("lever_m", [0.0, 1.5])
def test_the_frame_is_the_vehicle_at_t0(noise_m: float, lever_m: float) -> None:
    data = synthetic_driving(200, seed=1, noise_m=noise_m, lever_m=lever_m)
    assert not data.hist_xyz[:, -1].any()
    assert torch.equal(data.hist_rot[:, -1], torch.eye(3).expand(200, 3, 3))
    assert not data.fut_xyz[..., 2].any()
    assert bool(is_rotation(data.fut_rot).all())
    assert bool(is_rotation(data.hist_rot).all())


@pytest.mark.parametrize("name", list(MANOEUVRES))
def test_each_manoeuvre_stays_within_the_limits(name: str) -> None:
    data = synthetic_driving(300, seed=3, manoeuvres=[name])
    speed, across, rate = motion(data)
    assert speed.min() >= -3.001
    assert speed.max() <= MAX_SPEED_MPS + 1e-3
    # Whoever reverses does so all the time.
    assert not ((speed.min(1).values < -0.01) & (speed.max(1).values > 0.01)).any()
    # The rear axle does not slip.
    assert across.abs().max() < 0.1
    assert (speed * rate).abs().max() <= MAX_LATERAL_MPS2 + 0.02
    assert (rate.abs() <= MAX_CURVATURE_PER_M * speed.abs() + 2e-3).all()
    most = {"emergency": 10.0, "wander": 12.0}.get(name, 5.5)
    assert (speed.diff(dim=1) / DT_S).abs().max() <= most


def test_the_manoeuvres_are_what_they_are_called() -> None:
    def of(name: str) -> TrajectorySet:
        return synthetic_driving(200, seed=5, manoeuvres=[name])

    def turned(name: str) -> torch.Tensor:
        yaw = whole(of(name))[1]
        return (yaw[:, -1] - yaw[:, 0]).abs()

    assert turned("cruise").max() < 0.5
    assert turned("junction_turn").median() > 0.8
    assert turned("turn_round").max() > 0.8 * math.pi
    for name in MANOEUVRES:
        left = (whole(of(name))[1][:, -1] > 0).double().mean()
        assert 0.3 < left < 0.7 or name in ("cruise", "manoeuvring")
    stop, start, brake = motion(of("brake_to_stop"))[0], motion(of("start_off"))[0], motion(of("emergency"))[0]
    assert (stop[:, -1] < 0.5).double().mean() > 0.2
    assert (start[:, -1] > start[:, 0]).double().mean() > 0.8
    assert (brake.diff(dim=1) / DT_S).min() < -6
    parked = motion(of("manoeuvring"))[0]
    assert (parked.abs().max(1).values < 1e-3).double().mean() > 0.1
    assert (parked.min(1).values < -0.2).any()
    shift = of("lane_change").fut_xyz[:, -1, 1].abs()
    assert shift.median() > 1


def test_all_manoeuvres_are_drawn_equally_and_mixed() -> None:
    mixed = synthetic_driving(1200, seed=0)
    speed = motion(mixed)[0]
    assert (speed.max(1).values > 30).any()
    assert (speed.abs().max(1).values < 0.05).any()
    # Neighbouring rows are of different kinds: the halves of the set are alike.
    halves = speed[:600].mean(), speed[600:].mean()
    assert abs(halves[0] - halves[1]) < 2


def test_noise_is_as_large_as_asked_for() -> None:
    """Of parked drives all that moves is noise; its deviation is drawn from 0..noise_m by each drive."""
    data = synthetic_driving(4000, seed=2, noise_m=0.1, manoeuvres=["manoeuvring"])
    clean = synthetic_driving(4000, seed=2, manoeuvres=["manoeuvring"])
    parked_xy, parked_yaw = whole(clean)
    assert (parked_xy.abs().amax((1, 2)) < 1e-3).sum() > 300
    assert parked_yaw.shape == (4000, 80)
    xy, yaw = whole(data)
    still = xy.std(1).amax(1) < 0.15
    deviation_m, deviation_rad = xy[still].std(1).mean(1), yaw[still].std(1)
    assert still.sum() > 300
    assert 0.08 < deviation_m.quantile(0.9) < 0.12
    assert deviation_m.min() < 0.02
    assert float((deviation_rad / deviation_m).median()) == pytest.approx(0.5, rel=0.1)


def test_the_tracked_point_lies_ahead_by_up_to_the_lever() -> None:
    far = synthetic_driving(500, seed=2, lever_m=2.0, manoeuvres=["roundabout"])
    speed, across, rate = motion(far)
    turning = rate.abs() > 0.3
    lever_m = (across / rate)[turning]
    assert -0.05 < lever_m.min() < 0.3
    assert 1.7 < lever_m.max() < 2.05
    assert speed.min() > -0.1


def test_manoeuvres_that_are_none_are_named() -> None:
    with pytest.raises(ValueError, match=r"manoeuvres come from \['cruise'.*got \['fly', 'hop'\]"):
        synthetic_driving(5, manoeuvres=["hop", "cruise", "fly"])
    with pytest.raises(ValueError, match=r"got \[\]"):
        synthetic_driving(5, manoeuvres=[])


def test_arms_stay_within_their_limits_and_move_smoothly() -> None:
    data = synthetic_arms(3000, seed=1)
    position = torch.cat([data.hist_xyz, data.fut_xyz], 1).double()
    assert (position > torch.tensor(PANDA_LOWER)).all()
    assert (position < torch.tensor(PANDA_UPPER)).all()
    speed = position.diff(dim=1) / data.dt_s
    assert speed.abs().max() < 3.0
    assert (speed.diff(dim=1) / data.dt_s).abs().max() < 40
    moving = (position.amax(1) - position.amin(1)).amax(1)
    assert np.quantile(moving.numpy(), 0.5) > 0.05
    assert moving.max() > 1
