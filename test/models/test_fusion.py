"""fuse_traj_tokens, against the public original and on bad input."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models import TrajectoryFusionMixin
from reasoning_vla_ros.tokenizers import create_tokenizer

HISTORY, FUTURE = 900, 901


class Fusing(TrajectoryFusionMixin):
    """The smallest thing that can fuse: two tokenizers and the ids."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(traj_token_ids={"history": HISTORY, "future": FUTURE})
        self.traj_tokenizer = create_tokenizer("delta_xyz+uniform", num_bins=96)
        self.hist_traj_tokenizer = create_tokenizer("delta_xyz+uniform", num_bins=32)
        self.future_token_start_idx, self.hist_token_start_idx = 100, 196


@pytest.fixture
def fusing() -> Fusing:
    return Fusing()


def trajectories(rows: int, count: int, steps: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows * 100 + count * 10 + steps)
    xyz = torch.rand(rows, count, steps, 3, generator=generator).cumsum(dim=2)
    return {"xyz": xyz, "rot": torch.eye(3).expand(rows, count, steps, 3, 3)}


def ids_with(rows: int, history: int, future: int = 0) -> torch.Tensor:
    return torch.tensor([[1, *[HISTORY] * history, 2, *[FUTURE] * future, 3]] * rows)


def test_history_is_fused_with_its_first_pose_as_history(fusing: Fusing) -> None:
    history = trajectories(2, 1, 4)
    ids = ids_with(2, 12)
    fused = fusing.fuse_traj_tokens(ids, {"ego_history_xyz": history["xyz"], "ego_history_rot": history["rot"]})
    xyz, rot = history["xyz"][:, 0], history["rot"][:, 0]
    expected = fusing.hist_traj_tokenizer.encode(xyz[:, :1], rot[:, :1], xyz, rot) + 196
    assert torch.equal(fused[:, 1:13], expected)
    assert torch.equal(fused[:, [0, 13, 14]], ids[:, [0, 13, 14]])
    assert torch.equal(ids, ids_with(2, 12)), "the input was modified"


def test_future_is_fused_when_given_and_wanted(fusing: Fusing) -> None:
    history, future = trajectories(2, 1, 4), trajectories(2, 1, 5)
    data = {
        "ego_history_xyz": history["xyz"],
        "ego_history_rot": history["rot"],
        "ego_future_xyz": future["xyz"],
        "ego_future_rot": future["rot"],
    }
    fused = fusing.fuse_traj_tokens(ids_with(2, 12, 15), data)
    expected = (
        fusing.traj_tokenizer.encode(
            history["xyz"][:, 0], history["rot"][:, 0], future["xyz"][:, 0], future["rot"][:, 0]
        )
        + 100
    )
    assert torch.equal(fused[:, 14:29], expected)
    assert torch.equal(fusing.fuse_traj_tokens(ids_with(2, 12), data)[:, -1], torch.tensor([3, 3]))


def test_quaternions_give_the_same_as_matrices(fusing: Fusing) -> None:
    history = trajectories(2, 2, 4)
    quaternions = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(2, 2, 4, 4)
    ids = ids_with(2, 24)
    by_matrix = fusing.fuse_traj_tokens(ids, {"ego_history_xyz": history["xyz"], "ego_history_rot": history["rot"]})
    by_quaternion = fusing.fuse_traj_tokens(ids, {"ego_history_xyz": history["xyz"], "ego_history_rot": quaternions})
    assert torch.equal(by_matrix, by_quaternion)


def test_several_trajectories_follow_each_other(fusing: Fusing) -> None:
    history = trajectories(2, 3, 4)
    fused = fusing.fuse_traj_tokens(
        ids_with(2, 36), {"ego_history_xyz": history["xyz"], "ego_history_rot": history["rot"]}
    )
    for index in range(3):
        one = {"ego_history_xyz": history["xyz"][:, index : index + 1], "ego_history_rot": history["rot"][:, :1]}
        alone = fusing.fuse_traj_tokens(ids_with(2, 12), one)
        assert torch.equal(fused[:, 1 + 12 * index : 13 + 12 * index], alone[:, 1:13])


@pytest.mark.parametrize("data", [None, {}, {"ego_history_xyz": torch.zeros(1, 1, 4, 3)}])
def test_without_a_history_the_ids_come_back_as_they_are(fusing: Fusing, data: dict[str, torch.Tensor] | None) -> None:
    ids = ids_with(1, 12)
    assert fusing.fuse_traj_tokens(ids, data) is ids


@pytest.mark.parametrize("found", [0, 11, 13])
def test_a_wrong_number_of_placeholders_names_row_and_counts(fusing: Fusing, found: int) -> None:
    history = trajectories(2, 1, 4)
    ids = ids_with(2, 13)
    ids[0, 1:14] = torch.tensor([HISTORY] * 12 + [5])
    ids[1, 1:14] = torch.tensor([HISTORY] * found + [5] * (13 - found))
    with pytest.raises(ValueError, match=f"row 1 has {found} history placeholders for 12 trajectory tokens"):
        fusing.fuse_traj_tokens(ids, {"ego_history_xyz": history["xyz"], "ego_history_rot": history["rot"]})


def test_wrong_shapes_are_refused(fusing: Fusing) -> None:
    history = trajectories(2, 1, 4)
    with pytest.raises(ValueError, match=r"must be \[2, n_traj, T, 3\], got \[2, 4, 3\]"):
        fusing.fuse_traj_tokens(
            ids_with(2, 12), {"ego_history_xyz": history["xyz"][:, 0], "ego_history_rot": history["rot"]}
        )
    with pytest.raises(ValueError, match="ego_history_rot must be"):
        fusing.fuse_traj_tokens(
            ids_with(2, 12), {"ego_history_xyz": history["xyz"], "ego_history_rot": history["rot"][..., :2]}
        )


def test_a_model_without_tokenizers_says_so(fusing: Fusing) -> None:
    fusing.hist_traj_tokenizer = None
    history = trajectories(1, 1, 4)
    with pytest.raises(AttributeError, match="hist_traj_tokenizer"):
        fusing.fuse_traj_tokens(ids_with(1, 12), {"ego_history_xyz": history["xyz"], "ego_history_rot": history["rot"]})


def test_parity_with_the_public_original(parity_reasoning_vla, parity_data) -> None:
    arrays = np.load(parity_data / "alpamayo_r1" / "fuse_tiny.npz")

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(arrays[name])

    data = {"ego_history_xyz": tensor("hist_xyz")[:, None], "ego_history_rot": tensor("hist_rot")[:, None]}
    model = parity_reasoning_vla
    assert model.hist_token_start_idx == arrays["hist_token_start_idx"]
    assert model.future_token_start_idx == arrays["future_token_start_idx"]
    assert torch.equal(model.fuse_traj_tokens(tensor("input_ids"), data), tensor("out_history_only"))
    two = {"ego_history_xyz": tensor("two_group_xyz"), "ego_history_rot": tensor("two_group_rot")}
    assert torch.equal(model.fuse_traj_tokens(tensor("two_group_in"), two), tensor("two_group_out"))
    with pytest.raises(ValueError, match="history placeholders for 48 trajectory tokens"):
        model.fuse_traj_tokens(tensor("ragged_in"), data)
    # The original leaves the future's placeholders; here they are fused, and nothing else differs.
    data |= {"ego_future_xyz": tensor("fut_xyz")[:, None], "ego_future_rot": tensor("fut_rot")[:, None]}
    fused, original = model.fuse_traj_tokens(tensor("input_ids"), data), tensor("out_with_future_given")
    placeholders = tensor("input_ids") == model.config.traj_token_ids["future"]
    assert torch.equal(fused[~placeholders], original[~placeholders])
    if placeholders.any():
        tokens = model.traj_tokenizer.encode(
            tensor("hist_xyz"), tensor("hist_rot"), tensor("fut_xyz"), tensor("fut_rot")
        )
        assert torch.equal(fused[placeholders], (tokens + model.future_token_start_idx).flatten())


def test_an_escape_has_no_place_in_a_prompt() -> None:
    fusing = Fusing()
    fusing.traj_tokenizer = create_tokenizer("driving-klt-4")
    fusing.hist_token_start_idx = fusing.future_token_start_idx + fusing.traj_tokenizer.vocab_size
    history, future = trajectories(2, 1, 4), trajectories(2, 1, 64)
    future["xyz"] = 300 * torch.sin(future["xyz"])  # no drive, so that both rows need one
    xyz, rot = history["xyz"][:, 0], history["rot"][:, 0]
    tokens = fusing.traj_tokenizer.encode(xyz, rot, future["xyz"][:, 0], future["rot"][:, 0])
    assert tokens.shape[1] > 4
    fused = fusing.fuse_traj_tokens(ids_with(2, 12, 4), both(history, future))
    assert torch.equal(fused[:, 14:18] - fusing.future_token_start_idx, tokens[:, :4])


def test_tokens_of_varying_number_are_padded_to_their_slots() -> None:
    fusing = Fusing()
    fusing.traj_tokenizer = create_tokenizer("delta_xyz+fast")
    fusing.hist_token_start_idx = fusing.future_token_start_idx + fusing.traj_tokenizer.vocab_size
    history, future = trajectories(2, 1, 4), trajectories(2, 1, 8)
    future["xyz"][1] = 0.0  # fewer tokens than the other row
    fusing.traj_tokenizer.action_tokenizer.fit(future["xyz"][:, 0].diff(dim=1, prepend=torch.zeros(2, 1, 3)))
    xyz, rot = history["xyz"][:, 0], history["rot"][:, 0]
    tokens = fusing.traj_tokenizer.encode(xyz, rot, future["xyz"][:, 0], future["rot"][:, 0])
    count = tokens.shape[1]
    fused = fusing.fuse_traj_tokens(ids_with(2, 12, count + 3), both(history, future))
    ids = fused[:, 14 : 14 + count + 3] - fusing.future_token_start_idx
    assert torch.equal(ids[:, :count], tokens)
    assert (ids[:, count:] == fusing.traj_tokenizer.pad_id).all()


def both(history: dict[str, torch.Tensor], future: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    named = (("history", history), ("future", future))
    return {f"ego_{which}_{key}": value for which, pair in named for key, value in pair.items()}
