from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reasoning_vla_ros.tokenizers import (
    TrajectoryTokenizer,
    UniformActionTokenizer,
    create_action_tokenizer,
    create_tokenizer,
    register_action_tokenizer,
)

Driving = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]


class OffsetTokenizer(UniformActionTokenizer):
    """Learns a tensor: the mean of what it was fitted to."""

    def __init__(self, action_dims: int = 2) -> None:
        super().__init__(action_dims, 512, (-20, 20))
        self.mean = torch.zeros(action_dims)

    def fit(self, actions):  # type: ignore[no-untyped-def, override]
        self.mean = actions.mean((0, 1))
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        return super().encode(actions - self.mean)

    def decode(self, tokens, strict=True, dtype=torch.float32):  # type: ignore[no-untyped-def, override]
        return super().decode(tokens, dtype=dtype) + self.mean

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"mean": self.mean} if bool(self.mean.any()) else {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.mean = state["mean"]


register_action_tokenizer("offset_for_test", OffsetTokenizer)


@pytest.mark.parametrize("spec", ["unicycle+uniform", "delta_xyz+uniform"])
def test_a_saved_tokenizer_gives_the_same_ids(spec: str, tmp_path: Path, driving: Driving) -> None:
    tokenizer, data = create_tokenizer(spec, num_bins=77), driving(3)
    tokenizer.save_pretrained(tmp_path / "mine")
    for loaded in (
        create_tokenizer(str(tmp_path / "mine")),
        create_tokenizer(tmp_path / "mine"),
        TrajectoryTokenizer.from_pretrained(tmp_path / "mine"),
    ):
        assert torch.equal(loaded.encode(*data), tokenizer.encode(*data))
        assert loaded.to_config() == tokenizer.to_config()
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "action_tokenizer.json",
        "trajectory_tokenizer.json",
    ]
    with pytest.raises(TypeError, match=r"takes no arguments, got \['num_bins'\]"):
        create_tokenizer(tmp_path / "mine", num_bins=3)


def test_learned_tensors_are_kept(tmp_path: Path, driving: Driving) -> None:
    tokenizer, data = create_tokenizer("unicycle+offset_for_test"), driving(3)
    tokenizer.action_tokenizer.fit(tokenizer.action_space.encode(*data))
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "action_tokenizer.safetensors").is_file()
    assert torch.equal(create_tokenizer(tmp_path).encode(*data), tokenizer.encode(*data))
    with pytest.raises(ValueError, match="has learned tensors; save_pretrained keeps them"):
        tokenizer.to_config()


def test_an_action_tokenizer_alone(tmp_path: Path) -> None:
    fitted = UniformActionTokenizer(2, 50).fit(torch.rand(4, 5, 2))
    fitted.save_pretrained(tmp_path)
    assert UniformActionTokenizer.from_pretrained(tmp_path).action_range == fitted.action_range
    assert create_action_tokenizer(tmp_path).get_config() == fitted.get_config()
    with pytest.raises(ValueError, match="holds the action tokenizer 'uniform', wanted 'offset_for_test'"):
        OffsetTokenizer.from_pretrained(tmp_path)


def test_tensors_nobody_asked_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'uniform' has no tensors, got \['x'\]"):
        UniformActionTokenizer().load_state_dict({"x": torch.zeros(1)})


def test_broken_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no trajectory_tokenizer"):
        create_tokenizer(tmp_path)
    (tmp_path / "trajectory_tokenizer.json").write_text("[]")
    with pytest.raises(ValueError, match="must hold a JSON object, got list"):
        create_tokenizer(tmp_path)
    config = {"action_space": {"name": "bicycle"}, "action_tokenizer": {"name": "uniform"}}
    (tmp_path / "trajectory_tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="unknown action space 'bicycle'"):
        create_tokenizer(tmp_path)
