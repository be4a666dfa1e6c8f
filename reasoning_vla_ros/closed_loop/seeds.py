"""Which worlds are whose, so that nothing is scored on what it was trained on, whatever the seed.

A world's seed is family * 1,000,000 + index, as in `simulation.drives.make_drives`:

- families 0 to 4,999: drives to train on. The shipped model's are 1 to 99, `simulate --record --seed S` records S;
- family 5,000: what the ego-history baseline is trained on;
- families from 10,000 on: evaluation, 16 for each of its seeds.
"""

from __future__ import annotations

from typing import Literal

WORLDS_IN_FAMILY = 1_000_000
NUM_TRAINING_FAMILIES = 5_000
EGO_MLP_FAMILY = 5_000
FIRST_EVALUATION_FAMILY = 10_000
FAMILIES_A_SEED = 16

Part = Literal["driving", "open loop", "disturbed", "navigation", "counterfactual"]
PARTS: tuple[Part, ...] = ("driving", "open loop", "disturbed", "navigation", "counterfactual")


def training_seed(seed: int, index: int) -> int:
    """Seed of a world to train on.

    Raises:
        ValueError: a seed that is not one of 0 to 4,999, or an index out of its family.
    """
    if not 0 <= seed < NUM_TRAINING_FAMILIES:
        raise ValueError(f"the seed of drives to train on must lie in [0, {NUM_TRAINING_FAMILIES}), got {seed}")
    return _world_seed(seed, index)


def ego_mlp_seed(index: int) -> int:
    """Seed of a world that the ego-history baseline is trained on."""
    return _world_seed(EGO_MLP_FAMILY, index)


def evaluation_seed(seed: int, part: Part, index: int) -> int:
    """Seed of a world to evaluate in; different for each seed, part and index.

    Raises:
        ValueError: a negative seed, or an index out of its family.
    """
    if seed < 0:
        raise ValueError(f"the seed of an evaluation must be at least 0, got {seed}")
    return _world_seed(FIRST_EVALUATION_FAMILY + FAMILIES_A_SEED * seed + PARTS.index(part), index)


def _world_seed(family: int, index: int) -> int:
    if not 0 <= index < WORLDS_IN_FAMILY:
        raise ValueError(f"a world's index must lie in [0, {WORLDS_IN_FAMILY}), got {index}")
    return family * WORLDS_IN_FAMILY + index
