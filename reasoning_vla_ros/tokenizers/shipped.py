"""Fitted tokenizers in the package, by name.

Each folder under fits/ is what `save_pretrained` wrote, fitted by scripts/fit_shipped_tokenizers.py to trajectories
that it makes; one fit serves all numbers of tokens.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from reasoning_vla_ros.tokenizers.action_tokenizer import read_json
from reasoning_vla_ros.tokenizers.klt import KLTActionTokenizer
from reasoning_vla_ros.tokenizers.registry import action_spaces
from reasoning_vla_ros.tokenizers.trajectory_tokenizer import CONFIG_FILE, TrajectoryTokenizer

FITS = Path(__file__).parent / "fits"
NUM_TOKENS = (4, 8, 16, 32)
# Name without the number of tokens: folder under fits/ and what it is for.
FAMILIES = {
    "driving-klt": "driving, 64 waypoints at 10 Hz",
    "arm7-klt": "arms of 7 joints, chunks of 50 steps at 50 Hz",
}


class ShippedTokenizer(TrajectoryTokenizer):
    """A fitted tokenizer of this package; its config is its name alone."""

    def __init__(self, shipped_name: str, whole: TrajectoryTokenizer) -> None:
        super().__init__(whole.action_space, whole.action_tokenizer)
        self.shipped_name = shipped_name
        self._as_shipped = whole.action_tokenizer.state_dict()

    def to_config(self) -> dict[str, Any]:
        """`{"name": shipped name}`.

        Raises:
            ValueError: the action tokenizer was fitted anew, so that the name no longer tells what it does.
        """
        state = self.action_tokenizer.state_dict()
        if any(not torch.equal(tensor, state[key]) for key, tensor in self._as_shipped.items()):
            raise ValueError(
                f"{self.shipped_name!r} was fitted anew and is no longer what this name loads; make it a "
                "TrajectoryTokenizer of its action space and action tokenizer, and save_pretrained that"
            )
        return {"name": self.shipped_name}


def shipped_names() -> dict[str, str]:
    """What each shipped tokenizer is for, by name."""
    return {
        f"{family}-{count}": f"{count} tokens for {purpose}"
        for family, purpose in FAMILIES.items()
        for count in NUM_TOKENS
    }


def load_shipped(name: str) -> ShippedTokenizer:
    """The shipped tokenizer of a name, such as "driving-klt-8".

    Raises:
        ValueError: a name that is not shipped.
    """
    if name not in shipped_names():
        raise ValueError(f"unknown shipped tokenizer {name!r}; known: {list(shipped_names())}")
    family, _, count = name.rpartition("-")
    config = read_json(FITS / family / CONFIG_FILE)["action_space"]
    space = action_spaces.resolve(config.pop("name"), allow_imports=False)(**config)
    return ShippedTokenizer(name, TrajectoryTokenizer(space, _fitted(family).with_num_tokens(int(count))))


@lru_cache(maxsize=len(FAMILIES))
def _fitted(family: str) -> KLTActionTokenizer:
    return KLTActionTokenizer.from_pretrained(FITS / family)
