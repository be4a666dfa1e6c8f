"""What the bench encodes and decodes, and the tokenizers that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from reasoning_vla_ros.datasets import TrajectorySet, synthetic_driving
from reasoning_vla_ros.tokenizers import ActionSpace, ActionTokenizer, TrajectoryTokenizer, create_tokenizer

Trajectories = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

# Drives that tokenizers are fitted to; enough for speed, not for accuracy. `klt` is the one that the package brings.
FIT_ROWS = 2048
TOKENIZERS: dict[str, dict[str, Any]] = {
    "unicycle+uniform": {"num_bins": 3000},
    "delta_xyz+uniform": {},
    "pose+text": {},
    "delta_xyz+fast": {"scale": 20, "bpe_vocab_size": 2048},
    "planar_pose+kdisks": {},
    "pose+vqvae": {},
    "pose+rvq": {},
    "pose+bspline": {},
    "pose+truncated_dct": {},
    "driving-klt-8": {},
}
_FIT_ARGUMENTS: dict[str, dict[str, Any]] = {"delta_xyz+fast": {"as_published": True}, "pose+vqvae": {"epochs": 1}}
# For tests: as quick to fit as may be.
_SMALL_ARGUMENTS: dict[str, dict[str, Any]] = {
    "planar_pose+kdisks": {"num_disks": 64},
    "pose+vqvae": {"num_embeddings": 16, "hidden_dim": 16},
    "pose+rvq": {"num_embeddings": 16, "num_frames": 2},
}


@dataclass(frozen=True)
class Workload:
    """One tokenizer, fitted, and trajectories with their actions and ids.

    Attributes:
        name: as in TOKENIZERS.
        tokenizer: the whole of it.
        many, few, one: trajectories: the batch, those that the baseline gets too, and a single one.
    """

    name: str
    tokenizer: TrajectoryTokenizer
    many: Trajectories
    few: Trajectories
    one: Trajectories

    @property
    def space(self) -> ActionSpace:
        return self.tokenizer.action_space

    @property
    def codec(self) -> ActionTokenizer:
        return self.tokenizer.action_tokenizer

    @classmethod
    def create(cls, name: str, data: Trajectories, few: int, *, small: bool = False) -> Workload:
        """The tokenizer of this name, fitted to other drives than `data`.

        Raises:
            ValueError: a name that is not in TOKENIZERS.
        """
        if name not in TOKENIZERS:
            raise ValueError(f"the bench knows {list(TOKENIZERS)}, got {name!r}")
        tokenizer = create_tokenizer(name, **{**TOKENIZERS[name], **(_SMALL_ARGUMENTS.get(name, {}) if small else {})})
        if "+" in name and "uniform" not in name:
            actions = tokenizer.action_space.encode(*trajectories(FIT_ROWS // 8 if small else FIT_ROWS, seed=1))
            tokenizer.action_tokenizer.fit(actions, **_FIT_ARGUMENTS.get(name, {}))
        first: Any = tuple(tensor[:few] for tensor in data)
        single: Any = tuple(tensor[:1] for tensor in data)
        return cls(name, tokenizer, data, first, single)


def trajectories(count: int, seed: int = 0) -> Trajectories:
    """Histories and futures of made-up drives, float32, in the ego frame at t0."""
    drives: TrajectorySet = synthetic_driving(count, seed=seed)
    assert drives.hist_rot is not None
    assert drives.fut_rot is not None
    return drives.hist_xyz, drives.hist_rot, drives.fut_xyz, drives.fut_rot
