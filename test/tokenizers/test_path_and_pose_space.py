"""What constant velocity leaves over, and headings relative to the path: any motion of a planar vehicle comes back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_vla_ros.datasets.synthetic_driving import synthetic_driving
from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, yaw_to_matrix
from reasoning_vla_ros.tokenizers import create_action_space, create_tokenizer
from reasoning_vla_ros.tokenizers.path_space import PathActionSpace
from reasoning_vla_ros.tokenizers.pose_space import PoseActionSpace

SPACES = [PoseActionSpace, PathActionSpace]
Space = type[PoseActionSpace]
Trajectory = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def straight_history(count: int = 16, speed_mps: float = 0.0, dt_s: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    xyz = torch.zeros(count, 3, dtype=torch.float64)
    xyz[:, 0] = speed_mps * dt_s * torch.arange(1 - count, 1, dtype=torch.float64)
    return xyz, torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)


def poses(xy: torch.Tensor, yaw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([xy, torch.zeros_like(xy[..., :1])], -1), yaw_to_matrix(yaw)


def along(yaw: torch.Tensor, step_m: torch.Tensor) -> torch.Tensor:
    """The path from the origin of steps in the middle heading of each, for yaw [..., T + 1] from 0 on."""
    middle = (yaw[..., 1:] + yaw[..., :-1]) / 2
    return torch.cumsum(torch.stack([step_m * middle.cos(), step_m * middle.sin()], -1), -2)


def assert_round_trip(space: PoseActionSpace, data: Trajectory, atol: float = 1e-4) -> torch.Tensor:
    actions = space.encode(*data)
    assert actions.shape == (*data[2].shape[:-1], 3)
    xyz, rot = space.decode(data[0], data[1], actions)
    torch.testing.assert_close(xyz, data[2].to(xyz.dtype), atol=atol, rtol=0)
    torch.testing.assert_close(rot, data[3].to(rot.dtype), atol=atol, rtol=0)
    return actions


MOTIONS = {
    "full circles": lambda t: (0.5 * t, 0.8 + 0 * t),
    "circles to the right": lambda t: (-0.4 * t, 0.5 + 0 * t),
    "spinning on the spot": lambda t: (0.9 * t, 0 * t),
    "reversing": lambda t: (0.02 * t, -0.4 + 0 * t),
    "cusp": lambda t: (0.01 * t, torch.where(t < 32, 0.5, -0.5)),
    "standstill": lambda t: (0 * t, 0 * t),
    "stopping": lambda t: (0 * t, (1 - 0.05 * t).clamp_min(0)),
    "weaving": lambda t: (0.5 * torch.sin(0.4 * t), 1 + 0 * t),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("motion", MOTIONS)
def test_motions_come_back(motion: str, space: Space, dtype: torch.dtype) -> None:
    time = torch.arange(65, dtype=torch.float64)
    yaw, step_m = MOTIONS[motion](time)
    for lever_m in (0.0, 1.5):
        xy = along(yaw, step_m[1:]) + lever_m * torch.stack([yaw[1:].cos() - 1, yaw[1:].sin()], -1)
        data = tuple(x.to(dtype) for x in (*straight_history(speed_mps=3), *poses(xy, yaw[1:])))
        actions = assert_round_trip(space(), data)
        # Without jumps: the heading is unwrapped along the path, of which the first pose is nearest to zero.
        assert (actions[:, 2].diff().abs() < math.pi / 2 * space().yaw_weight_m).all()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("noise_m", [0.0, 0.02, 0.1])
def test_drives_come_back(space: Space, noise_m: float) -> None:
    data = synthetic_driving(400, seed=5, noise_m=noise_m, lever_m=1.5).tensors()
    assert_round_trip(space(), data)
    assert_round_trip(space(), tuple(x.double() for x in data), atol=1e-6)
    assert_round_trip(space(), tuple(x.half() for x in data), atol=5e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 64), st.floats(-6, 3), st.sampled_from(SPACES))
def test_poses_that_no_vehicle_drives_come_back_too(
    seed: int, past: int, horizon: int, exponent: float, space: Space
) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = 10**exponent
    xy = size * torch.randn(3, past + horizon, 2, generator=generator)
    yaw = 10 * torch.randn(3, past + horizon, generator=generator)
    xyz, rot = poses(xy, yaw)
    data = (xyz[:, :past], rot[:, :past], xyz[:, past:], rot[:, past:])
    assert_round_trip(space(horizon=None), data, atol=1e-4 + 1e-4 * size)


@pytest.mark.parametrize("space", SPACES)
def test_going_sideways_keeps_the_heading(space: Space) -> None:
    """Here the heading of the path is a toss-up between left and right, and rounding must not be what tosses."""
    generator = torch.Generator().manual_seed(0)
    xy = torch.zeros(200, 64, 2)
    xy[..., 1] = 0.3 * torch.arange(1, 65)
    xy[..., 0] += 1e-6 * torch.randn(200, 64, generator=generator)
    history = torch.randn(200, 16, 3, generator=generator), torch.eye(3).expand(200, 16, 3, 3)
    assert_round_trip(space(), (*history, *poses(xy, torch.zeros(200, 64))), atol=2e-4)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("past", [1, 2, 3, 11, 16])
@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_short_ones(space: Space, past: int, horizon: int) -> None:
    xy = 0.7 * torch.arange(1 - past, horizon + 1, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.1])
    xyz, rot = poses(xy, torch.full((past + horizon,), 0.1, dtype=torch.float64))
    assert_round_trip(space(horizon=None), (xyz[:past], rot[:past], xyz[past:], rot[past:]), atol=1e-9)


def test_constant_velocity_leaves_nothing_over() -> None:
    for speed in (-2.0, 0.0, 13.0):
        data = (*straight_history(speed_mps=speed), *poses(*straight_future(speed)))
        for space in SPACES:
            assert space().encode(*data).abs().max() < 1e-9


def straight_future(speed_mps: float, dt_s: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    x = speed_mps * dt_s * torch.arange(1, 65, dtype=torch.float64)
    return torch.stack([x, 0 * x], -1), 0 * x


def test_a_point_on_the_rear_axle_has_nearly_no_third_action() -> None:
    data = synthetic_driving(500, seed=2, manoeuvres=["curve", "junction_turn", "roundabout", "turn_round"])
    third = PathActionSpace(yaw_weight_m=1.0).encode(*data.tensors())[..., 2]
    turned = PoseActionSpace(yaw_weight_m=1.0).encode(*data.tensors())[..., 2]
    assert third.abs().mean() < 0.02
    assert turned.abs().mean() > 20 * third.abs().mean()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("lead", [(), (5,), (2, 1, 3), (0,)])
def test_leading_axes_and_rows_of_their_own(space: Space, lead: tuple[int, ...]) -> None:
    count = math.prod(lead)
    flat = synthetic_driving(max(count, 1), seed=1, noise_m=0.05).tensors()
    data = tuple(x[:count].reshape(*lead, *x.shape[1:]) for x in flat)
    actions = assert_round_trip(space(), data)
    for row, action in enumerate(actions.reshape(-1, 64, 3)):
        torch.testing.assert_close(space().encode(*(x[row] for x in flat)), action, atol=2e-5, rtol=0)


@pytest.mark.parametrize("space", SPACES)
def test_nan_actions_stay_in_their_row(space: Space) -> None:
    data = synthetic_driving(4).tensors()
    actions = space().encode(*data)
    actions[2] = math.nan
    xyz, rot = space().decode(data[0], data[1], actions)
    assert xyz[2, :, :2].isnan().all()
    assert rot[2, :, :2, :2].isnan().all()
    others = [0, 1, 3]
    torch.testing.assert_close(xyz[others], data[2][others], atol=1e-4, rtol=0)
    torch.testing.assert_close(rot[others], data[3][others], atol=1e-4, rtol=0)


@pytest.mark.parametrize("space", SPACES)
def test_refusals(space: Space) -> None:
    data = synthetic_driving(2).tensors()
    for position, name in enumerate(["history xyz", "history rot", "future xyz", "future rot"]):
        for value in (math.nan, math.inf):
            bad = [x.clone() for x in data]
            bad[position].view(-1)[-1] = value
            with pytest.raises(ValueError, match=f"{name} must be finite"):
                space().encode(*bad)
    hist_xyz, hist_rot, fut_xyz, fut_rot = data
    with pytest.raises(ValueError, match="must have length 64 but got 63"):
        space().encode(hist_xyz, hist_rot, fut_xyz[:, 1:], fut_rot[:, 1:])
    with pytest.raises(ValueError, match="need the same batch"):
        space().encode(hist_xyz[0], hist_rot[0], fut_xyz, fut_rot)
    with pytest.raises(ValueError, match="needs at least 1 pose"):
        space().encode(hist_xyz[:, :0], hist_rot[:, :0], fut_xyz, fut_rot)
    with pytest.raises(ValueError, match=r"actions needs the shape \[..., 64, 3\]"):
        space().decode(hist_xyz, hist_rot, torch.zeros(2, 64, 2))
    with pytest.raises(ValueError, match="need the same batch"):
        space().decode(hist_xyz, hist_rot, torch.zeros(64, 3))
    for arguments in ({"horizon": 0}, {"dt_s": 0.0}, {"dt_s": math.nan}, {"yaw_weight_m": -1.0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            space(**arguments)


@pytest.mark.parametrize("name", ["pose", "path"])
def test_by_name_and_what_it_suggests_to_a_tokenizer(name: str) -> None:
    space = create_action_space(name, horizon=20, dt_s=0.2, yaw_weight_m=1.25)
    own = {"headings": True} if name == "path" else {}
    assert space.get_config() == {"horizon": 20, "dt_s": 0.2, "yaw_weight_m": 1.25, **own}
    defaults = space.tokenizer_defaults
    assert (defaults["action_dims"], defaults["horizon"], defaults["dt_s"]) == (3, 20, 0.2)
    assert defaults["action_range"][2] == pytest.approx([-1.25 * math.pi, 1.25 * math.pi])


@pytest.mark.parametrize("space", SPACES)
def test_the_step_in_seconds_scales_the_constant_velocity(space: Space, driving: Callable) -> None:
    data = driving(3, dt_s=0.1)
    quick, slow = space(dt_s=0.1).encode(*data), space(dt_s=0.4).encode(*data)
    torch.testing.assert_close(quick, slow, atol=1e-4, rtol=0)


@pytest.mark.parametrize("space", SPACES)
def test_turned_by_any_number_of_turns_it_is_the_same_pose(space: Space) -> None:
    data = synthetic_driving(20, seed=4).tensors()
    yaw = matrix_to_yaw(data[3].double())
    turns = 2 * math.pi * torch.from_numpy(np.random.default_rng(0).integers(-3, 4, yaw.shape))
    again = space().encode(*data[:3], yaw_to_matrix(yaw + turns).float())
    torch.testing.assert_close(again, space().encode(*data), atol=1e-4, rtol=0)


def test_a_path_without_headings_has_two_numbers_a_step_and_points_along_itself() -> None:
    times_s = torch.arange(-15, 65, dtype=torch.float64) * 0.1
    yaw = 0.1 * times_s
    xyz = torch.stack([80 * torch.sin(yaw), 80 * (1 - torch.cos(yaw)), torch.zeros_like(yaw)], -1)[None]
    rot = yaw_to_matrix(yaw)[None]
    space = PathActionSpace(headings=False)
    actions = space.encode(xyz[:, :16], rot[:, :16], xyz[:, 16:], rot[:, 16:])
    assert actions.shape == (1, 64, 2)
    decoded_xyz, decoded_rot = space.decode(xyz[:, :16], rot[:, :16], actions)
    assert (decoded_xyz - xyz[:, 16:]).abs().max() < 1e-6
    assert (matrix_to_yaw(decoded_rot) - yaw[16:]).abs().max() < 0.01
    assert space.tokenizer_defaults["action_dims"] == 2
    assert len(space.tokenizer_defaults["action_range"]) == 2
    assert create_tokenizer("path+bspline", headings=False, num_control_points=5).num_tokens == 10
    with pytest.raises(ValueError, match=r"\[..., 64, 2\]"):
        space.decode(xyz[:, :16], rot[:, :16], torch.zeros(1, 64, 3))
