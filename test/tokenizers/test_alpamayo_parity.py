"""Against arrays that the public original gave; see docs/tokenizers.md for where this code differs on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.tokenizers import TrajectoryTokenizer, UnicycleActionSpace, create_action_space, create_tokenizer
from reasoning_vla_ros.tokenizers.unicycle_space import DENSE_ROWS

Arrays = dict[str, torch.Tensor]


def arrays(parity_data: Path, name: str) -> Arrays:
    with np.load(parity_data / "alpamayo_r1" / f"{name}.npz") as file:
        return {key: torch.tensor(file[key]) for key in file.files}


@pytest.fixture(scope="module")
def release(parity_data: Path) -> Arrays:
    return arrays(parity_data, "unicycle_release")


@pytest.fixture(scope="module")
def space(parity_data: Path) -> UnicycleActionSpace:
    config = json.loads((parity_data / "alpamayo_r1/unicycle_release_cfg.json").read_text())
    built = create_action_space({"_target_": "alpamayo_r1.action_space.UnicycleAccelCurvatureActionSpace", **config})
    assert isinstance(built, UnicycleActionSpace)
    return built


@pytest.fixture(scope="module")
def discrete(space: UnicycleActionSpace) -> TrajectoryTokenizer:
    return create_tokenizer("unicycle+uniform", num_bins=3000, **space.get_config())


def trajectory(data: Arrays, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [data[key].to(dtype) for key in ("hist_xyz", "hist_rot", "fut_xyz", "fut_rot")]


def test_delta_ids_and_values(parity_data: Path) -> None:
    data, tokenizer = arrays(parity_data, "delta_default"), create_tokenizer("delta_xyz+uniform")
    hist_xyz, hist_rot, fut_xyz, fut_rot = trajectory(data)
    history_ids = tokenizer.encode(hist_xyz[:, :1], hist_rot[:, :1], hist_xyz, hist_rot)
    assert torch.equal(history_ids, data["tokens_hist"])
    assert torch.equal(tokenizer.encode(hist_xyz, hist_rot, fut_xyz, fut_rot), data["tokens_fut"])
    xyz, rot, stamps = tokenizer.decode(hist_xyz, hist_rot, data["tokens_fut"])
    assert stamps is None
    assert tokenizer.vocab_size == int(data["vocab_size"])
    torch.testing.assert_close(xyz, data["dec_xyz"], rtol=0, atol=1e-5)
    torch.testing.assert_close(rot, data["dec_rot"], rtol=0, atol=1e-5)


def test_delta_clamps_and_ties(parity_data: Path) -> None:
    data = arrays(parity_data, "delta_edges")
    ends = {"ego_xyz_min": (-4, -4, -4), "ego_xyz_max": (4, 4, 4)}
    tokenizer = create_tokenizer("delta_xyz+uniform", num_bins=9, **ends)
    rot = torch.eye(3).expand(1, 2, 3, 3)
    assert torch.equal(tokenizer.encode(data["fut_xyz"], rot, data["fut_xyz"], rot), data["tokens"])


def test_unicycle_speed_states_and_bounds(release: Arrays, space: UnicycleActionSpace) -> None:
    v0 = space.estimate_v0(release["hist_xyz"], release["hist_rot"])
    torch.testing.assert_close(v0, release["v0"], rtol=0, atol=1e-5)
    _, states = space.encode_with_states(*trajectory(release))
    torch.testing.assert_close(states, release["states_v_a_theta"], rtol=0, atol=1e-5)
    # The array does not belong to rand_action itself, which the original finds within bounds; ten times it fits.
    assert torch.equal(space.is_within_bounds(release["rand_action"] * 10), release["in_bounds"])
    assert space.is_within_bounds(release["rand_action"]).all()
    assert space.is_within_bounds(release["action"]).all()


def test_unicycle_actions(release: Arrays, space: UnicycleActionSpace) -> None:
    actions = space.encode(*trajectory(release, torch.float64))
    torch.testing.assert_close(actions, release["action64"], rtol=0, atol=1e-9)
    torch.testing.assert_close(space.encode(*trajectory(release)), release["action"], rtol=0, atol=1e-5)


def test_many_trajectories_are_solved_more_exactly(release: Arrays, space: UnicycleActionSpace) -> None:
    """Beyond DENSE_ROWS the solver works in float64; what differs is the float32 rounding of the few-row solver."""
    many = [given.repeat(DENSE_ROWS, *[1] * (given.ndim - 1)) for given in trajectory(release)]
    actions = space.encode(*many)
    scale = torch.stack([space.accel_std, space.curvature_std])
    few = release["action"].repeat(DENSE_ROWS, 1, 1)
    torch.testing.assert_close(actions * scale, few * scale, rtol=0, atol=2e-5)
    exact = release["action64"].repeat(DENSE_ROWS, 1, 1)
    assert (actions - exact).abs().max() < (few - exact).abs().max()


@pytest.mark.parametrize(
    ("given", "xyz", "rot"), [("action", "roundtrip_xyz", "roundtrip_rot"), ("rand_action", "rand_xyz", "rand_rot")]
)
def test_unicycle_trajectories(release: Arrays, space: UnicycleActionSpace, given: str, xyz: str, rot: str) -> None:
    found_xyz, found_rot = space.decode(release["hist_xyz"], release["hist_rot"], release[given])
    torch.testing.assert_close(found_xyz, release[xyz], rtol=0, atol=1e-5)
    torch.testing.assert_close(found_rot, release[rot], rtol=0, atol=1e-5)


def test_unicycle_trajectories_in_float64(release: Arrays, space: UnicycleActionSpace) -> None:
    history = trajectory(release, torch.float64)[:2]
    xyz, rot = space.decode(*history, release["action64"])
    torch.testing.assert_close(xyz, release["roundtrip_xyz64"], rtol=0, atol=1e-9)
    assert rot.dtype == torch.float64


def test_discrete_ids(parity_data: Path, discrete: TrajectoryTokenizer) -> None:
    data = arrays(parity_data, "discrete_release")
    ids = discrete.encode(*trajectory(data))
    assert torch.equal(ids, data["tokens"])
    assert discrete.vocab_size == int(data["vocab_size"])
    assert discrete.num_tokens == ids.shape[1]


@pytest.mark.parametrize(
    ("tokens", "xyz", "rot"), [("tokens", "dec_xyz", "dec_rot"), ("rand_tokens", "rand_xyz", "rand_rot")]
)
def test_discrete_decoding(parity_data: Path, discrete: TrajectoryTokenizer, tokens: str, xyz: str, rot: str) -> None:
    data = arrays(parity_data, "discrete_release")
    rows = len(data[tokens])
    found = discrete.decode(data["hist_xyz"][:rows], data["hist_rot"][:rows], data[tokens])
    torch.testing.assert_close(found[0], data[xyz], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[1], data[rot], rtol=0, atol=1e-5)


def test_edge_behaviour(parity_data: Path, release: Arrays, space: UnicycleActionSpace) -> None:
    behaviour = json.loads((parity_data / "alpamayo_r1/tokenizer_edge_behaviour.json").read_text())
    hist_xyz, hist_rot, fut_xyz, fut_rot = trajectory(release)
    with pytest.raises(ValueError, match="length 64 but got 10") as error:
        space.encode(hist_xyz, hist_rot, fut_xyz[:, :10], fut_rot[:, :10])
    assert f"ValueError: {error.value}" == behaviour["traj_to_action_wrong_future_length"]
    with pytest.raises(ValueError, match="length 64 but got 16") as error:
        space.encode(hist_xyz[:, :1], hist_rot[:, :1], hist_xyz, hist_rot)
    assert f"ValueError: {error.value}" == behaviour["discrete_encode_history_as_model_does_16"]
    for poses in (1, 2, 4):
        assert space.estimate_v0(hist_xyz[:2, -poses:], hist_rot[:2, -poses:]).shape == (2,)
    xyz, _ = space.decode(hist_xyz[:2], hist_rot[:2], release["rand_action"][:2].bfloat16())
    assert xyz.shape == (2, 64, 3)
    assert xyz.dtype == torch.float32
    four_axes = [tensor[:2, None] for tensor in trajectory(release)]
    assert space.encode(*four_axes).shape == (2, 1, 64, 2)
    short = create_tokenizer("unicycle+uniform", n_waypoints=16)
    assert short.encode(hist_xyz[:, :1], hist_rot[:, :1], hist_xyz, hist_rot).shape == (6, 32)
    delta = create_tokenizer(
        {"_target_": "alpamayo_r1.models.delta_tokenizer.DeltaTrajectoryTokenizer", "load_weights": True}
    )
    assert delta.vocab_size == 1000
    for points in (2, 3):
        ids = torch.randint(0, 1000, (1, 3 * points))
        assert delta.decode(hist_xyz[:1], hist_rot[:1], ids)[1].shape == (1, points, 3, 3)
