"""Five numbers for a history."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.tokenizers import EgoMotionActionSpace, create_tokenizer

TIMES_S = torch.arange(-15, 1, dtype=torch.float64) * 0.1


def driven(
    speed: float, acceleration: float, yaw_rate: float, yaw_acceleration: float = 0.0, jerk: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """xyz [1, 16, 3] and rot of a history with this motion at its end, by fine integration."""
    fine = torch.linspace(-1.5, 0.0, 15001, dtype=torch.float64)
    along = speed + acceleration * fine + jerk * fine**2 / 2
    yaw = yaw_rate * fine + yaw_acceleration * fine**2 / 2
    xy = torch.cumulative_trapezoid(torch.stack([along * yaw.cos(), along * yaw.sin()], -1), fine, dim=0)
    xy = torch.cat([torch.zeros_like(xy[:1]), xy])
    xyz = torch.cat([xy - xy[-1], torch.zeros_like(xy[:, :1])], -1)[::1000]
    return xyz[None], yaw_to_matrix(yaw[::1000])[None]


@given(st.floats(0, 30), st.floats(-4, 3), st.floats(-0.5, 0.5), st.floats(-0.3, 0.3), st.floats(-2, 2))
def test_motion_is_read_and_the_history_comes_back(
    speed: float, acceleration: float, yaw_rate: float, yaw_acceleration: float, jerk: float
) -> None:
    xyz, rot = driven(speed, acceleration, yaw_rate, yaw_acceleration, jerk)
    space = EgoMotionActionSpace()
    actions = space.encode(xyz[:, :1], rot[:, :1], xyz, rot)
    assert actions.shape == (1, 1, 5)
    found = actions[0, 0].tolist()
    assert found[0] == pytest.approx(speed, abs=0.05)
    scaled = torch.asinh(torch.tensor([acceleration, jerk, yaw_rate / 0.1, yaw_acceleration / 0.2]))
    assert found[1:] == pytest.approx(scaled.tolist(), abs=0.05)
    decoded_xyz, decoded_rot = space.decode(xyz[:, :1], rot[:, :1], actions)
    assert (decoded_xyz - xyz).abs().max() < 0.02
    assert (decoded_rot - rot).abs().max() < 1e-6


def test_a_history_is_five_tokens() -> None:
    tokenizer = create_tokenizer("ego_motion+uniform")
    assert (tokenizer.num_tokens, tokenizer.vocab_size) == (5, 255)
    xyz, rot = driven(12.0, -1.0, 0.1)
    ids = tokenizer.encode(xyz[:, :1], rot[:, :1], xyz, rot)
    assert ids.shape == (1, 5)
    decoded, _, _ = tokenizer.decode(xyz[:, :1], rot[:, :1], ids)
    assert (decoded - xyz).abs().max() < 0.2
    harder, _ = tokenizer.encode(xyz[:, :1], rot[:, :1], *driven(12.0, -2.0, 0.1))[0, 1], None
    assert int(harder) < int(ids[0, 1])
    # At rest every number but the speed's is the middle one.
    rest = tokenizer.encode(xyz[:, :1], rot[:, :1], *driven(0.0, 0.0, 0.0))
    assert rest[0, 1:].tolist() == [127] * 4
    assert create_tokenizer(tokenizer.to_config()).to_config() == tokenizer.to_config()


@given(st.floats(0, 30), st.floats(-4, 3), st.floats(-0.5, 0.5))
def test_three_numbers_tell_of_the_last_moment(speed: float, acceleration: float, yaw_rate: float) -> None:
    xyz, rot = driven(speed, acceleration, yaw_rate)
    tokenizer = create_tokenizer(
        {"action_space": {"name": "ego_motion", "changes": False}, "action_tokenizer": "uniform"}
    )
    space = tokenizer.action_space
    actions = space.encode(xyz[:, :1], rot[:, :1], xyz, rot)
    # The speed is that of the middle of the last step.
    expected = [speed - 0.05 * acceleration, *torch.asinh(torch.tensor([acceleration, yaw_rate / 0.1])).tolist()]
    assert actions[0, 0].tolist() == pytest.approx(expected, abs=0.06)
    assert tokenizer.encode(xyz[:, :1], rot[:, :1], xyz, rot).shape == (1, 3)
    decoded_xyz, decoded_rot = space.decode(xyz[:, :1], rot[:, :1], actions)
    assert (decoded_xyz - xyz).abs().max() < 0.4
    assert (decoded_rot - rot).abs().max() < 1e-6


def test_a_jerk_long_ago_shows_in_five_numbers_only() -> None:
    xyz, rot = driven(10.0, 0.0, 0.0)
    late = xyz.clone()
    late[:, 0, 0] -= 0.1  # faster in the first step, more than a second ago
    for changes, same in ((False, True), (True, False)):
        space = EgoMotionActionSpace(changes=changes)
        before, after = (space.encode(each[:, :1], rot[:, :1], each, rot) for each in (xyz, late))
        assert torch.allclose(before, after, atol=1e-9) == same


def test_what_does_not_fit() -> None:
    xyz, rot = driven(1.0, 0.0, 0.0)
    space = EgoMotionActionSpace()
    with pytest.raises(ValueError, match="16"):
        space.encode(xyz[:, :1], rot[:, :1], xyz[:, :10], rot[:, :10])
    with pytest.raises(ValueError, match=r"\[..., 1, 5\]"):
        space.decode(xyz, rot, torch.zeros(1, 16, 5))
    with pytest.raises(ValueError, match="num_poses must be at least 5"):
        EgoMotionActionSpace(num_poses=4)
    with pytest.raises(ValueError, match="dt_s must be positive"):
        EgoMotionActionSpace(dt_s=0.0)
