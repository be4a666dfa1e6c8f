"""The tokenizers that are compared when none are named."""

from __future__ import annotations

from reasoning_vla_ros.datasets import TrajectorySet
from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec
from reasoning_vla_ros.tokenizers import available_tokenizers

KLT_TOKENS = (4, 8, 16, 32)
# Of the public Alpamayo-R1: means and deviations of its training data.
ALPAMAYO = "accel_mean=0.029,accel_std=0.681,curvature_mean=0.00027,curvature_std=0.0261"
DRIVING = (
    *(f"path+klt,num_tokens={count}" for count in KLT_TOKENS),
    "pose+rvq",
    "planar_pose+kdisks",
    "pose+fast",
    "pose+truncated_dct",
    "pose+bspline,from_zero=true",
    "pose+vqvae,num_codes=16",
    "pose+vqvae",
    "pose+fsq",
    f"unicycle+uniform,{ALPAMAYO},num_bins=3000,fit=false",
    "delta_xyz+uniform,num_bins=1000,fit=false",
    "delta_xyz+uniform,num_bins=1000,closed_loop=true,fit=false",
    "pose+uniform",
    "pose+text",
)
ARMS = tuple(
    f"joint+{name},relative=true"
    for name in (
        *(f"klt,num_tokens={count}" for count in KLT_TOKENS),
        "rvq",
        "fast",
        "fast,scale=50",
        "truncated_dct",
        "bspline,from_zero=true",
        "vqvae,num_codes=16",
        "fsq",
        "uniform",
        "text",
    )
)


def candidates(data: TrajectorySet) -> list[TokenizerSpec]:
    """All tokenizers that make sense for the data: shipped fits, those above, and what else is registered."""
    names = available_tokenizers()
    shipped = [TokenizerSpec(name, fit=False) for name in names["shipped"] if is_for(name, data)]
    specs = [TokenizerSpec.parse(text) for text in (DRIVING if data.is_driving else ARMS)]
    # kdisks takes vehicles only. One that was registered by somebody else is compared without further ado.
    known = {"kdisks", *(spec.name.split("+")[1] for spec in specs)}
    space = "pose" if data.is_driving else "joint"
    others = [TokenizerSpec(f"{space}+{name}") for name in names["action_tokenizers"] if name not in known]
    return [*shipped, *specs, *others]


def is_for(shipped_name: str, data: TrajectorySet) -> bool:
    """Whether a shipped tokenizer is for this kind of data; lengths and steps may still differ."""
    return shipped_name.startswith("driving") == data.is_driving
