from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reasoning_vla_ros.tokenizers import (
    DeltaXyzActionSpace,
    JointActionSpace,
    UnicycleActionSpace,
    create_tokenizer,
)

Driving = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]


def test_unicycle_statistics_are_buffers_that_keep_their_precision() -> None:
    space = UnicycleActionSpace(accel_mean=0.029, accel_std=0.681, curvature_mean=0.00027, curvature_std=0.0261)
    names = {"accel_mean", "accel_std", "curvature_mean", "curvature_std"}
    assert set(space.state_dict()) == names
    model = torch.nn.ModuleDict({"action_space": space}).to(torch.bfloat16)
    assert set(model.state_dict()) == {f"action_space.{name}" for name in names}
    assert float(space.accel_std) == pytest.approx(0.681, abs=1e-7)
    assert space.accel_std.dtype == torch.float32


def test_unicycle_statistics_survive_the_meta_device() -> None:
    with torch.device("meta"):
        space = UnicycleActionSpace(accel_std=0.681)
    assert space.accel_std.is_meta
    assert space.get_config()["accel_std"] == 0.681
    space.to_empty(device="cpu").reset_statistics()
    assert float(space.accel_std) == pytest.approx(0.681)


def test_a_checkpoint_overwrites_the_statistics_and_the_config_follows(driving: Driving) -> None:
    space = UnicycleActionSpace()
    space.load_state_dict({**space.state_dict(), "accel_std": torch.tensor(2.0)})
    assert space.get_config()["accel_std"] == 2.0
    data = driving(2)
    torch.testing.assert_close(space.encode(*data)[..., 0] * 2, UnicycleActionSpace().encode(*data)[..., 0])


def test_unicycle_bounds_are_physical_and_include_their_ends() -> None:
    space = UnicycleActionSpace(accel_std=2.0, curvature_std=0.1)
    actions = torch.zeros(4, 64, 2)
    actions[1, 3, 0], actions[2, 5, 1], actions[3, 0, 0] = 5.0, -2.1, math.nan
    assert space.is_within_bounds(actions).tolist() == [True, False, False, False]
    actions[1, 3, 0], actions[2, 5, 1] = 4.9, -1.9
    assert space.is_within_bounds(actions)[:3].all()


def test_nan_actions_stay_in_their_row(driving: Driving) -> None:
    data = driving(3)
    for space in (UnicycleActionSpace(), DeltaXyzActionSpace()):
        actions = space.encode(*data)
        clean, _ = space.decode(*data[:2], actions)
        actions[1, 10, 0] = math.nan
        xyz, _ = space.decode(*data[:2], actions)
        assert xyz[1].isnan().any()
        assert torch.equal(xyz[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dt": 0.0}, "dt must be a positive number of seconds, got 0.0"),
        ({"n_waypoints": 0}, "n_waypoints must be at least 1, got 0"),
        ({"accel_std": 0.0}, "accel_std must be positive, got 0.0"),
        ({"accel_bounds": (1.0, -1.0)}, r"accel_bounds must be \(low, high\)"),
        ({"v_lambda": -1.0}, "v_lambda must not be negative, got -1.0"),
    ],
)
def test_bad_unicycle_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UnicycleActionSpace(**arguments)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_joints_are_scaled_from_their_limits(values: list[float]) -> None:
    space = JointActionSpace(lower=[-1, 0, -math.pi], upper=[1, 10, math.pi])
    actions = torch.tensor(values, dtype=torch.float64).reshape(1, 2, 3)
    positions, rot = space.decode(torch.zeros(1, 1, 3), None, actions)
    assert rot.shape == (1, 2, 3, 3)
    assert torch.equal(rot[0, 0], torch.eye(3, dtype=torch.float64))
    assert (positions[..., 1] >= 0).all()
    assert (positions[..., 1] <= 10).all()
    torch.testing.assert_close(space.encode(positions[:, :1], None, positions, None), actions)


def test_an_arm_is_tokenised() -> None:
    tokenizer = create_tokenizer("joint+uniform", lower=[-2.0] * 7, upper=[2.0] * 7, horizon=10)
    assert tokenizer.vocab_size == 256
    assert tokenizer.num_tokens == 70
    chunk = torch.rand(3, 10, 7) * 4 - 2
    now = chunk[:, :1]
    ids = tokenizer.encode(now, None, chunk, None)
    positions, _, _ = tokenizer.decode(now, None, ids)
    assert (positions - chunk).abs().max() <= 2 / 255 + 1e-6
    assert tokenizer.action_space.is_within_bounds(tokenizer.action_tokenizer.decode(ids)).all()


def test_bad_joint_limits_and_positions_are_named() -> None:
    with pytest.raises(ValueError, match=r"lower < upper for each joint, got \[0\] and \[0\]"):
        JointActionSpace([0], [0])
    with pytest.raises(ValueError, match="lower < upper"):
        JointActionSpace([0, 0], [1])
    with pytest.raises(ValueError, match="future joint positions must be finite, got nan"):
        JointActionSpace([0.0], [1.0]).encode(torch.zeros(1, 1, 1), None, torch.full((1, 2, 1), math.nan), None)
    with pytest.raises(ValueError, match=r"needs the shape \[\.\.\., T, 1\]"):
        JointActionSpace([0.0], [1.0]).encode(torch.zeros(1, 1, 1), None, torch.zeros(1, 2, 3), None)
