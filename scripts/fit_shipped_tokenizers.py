#!/usr/bin/env python3
"""Fits the tokenizers that the package ships, to trajectories made here, and prints what they reach on others.

Half of the drives are as a vehicle drives; the other half are as a recording tells them: poses jitter by up to 1 cm,
and the tracked point lies up to 2 m ahead of the rear axle. Steady driving on a road, most of what vehicles do, counts
threefold. Nothing is fitted to any recording. The same versions of numpy, scipy and PyTorch give the same files.

    python scripts/fit_shipped_tokenizers.py [--drives 300000] [--chunks 200000] [--only driving|arm7]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from reasoning_vla_ros.datasets import TrajectorySet, join, synthetic_arms, synthetic_driving
from reasoning_vla_ros.datasets.synthetic_arms import PANDA_LOWER, PANDA_UPPER
from reasoning_vla_ros.datasets.synthetic_driving import MANOEUVRES
from reasoning_vla_ros.tokenizers import ActionSpace, JointActionSpace, KLTActionTokenizer, PathActionSpace
from reasoning_vla_ros.tokenizers.shipped import FITS, NUM_TOKENS
from reasoning_vla_ros.tokenizers.trajectory_tokenizer import TrajectoryTokenizer

ROAD = ("cruise", "curve", "lane_change")
FIT_SEED, RECORDED_SEED, TEST_SEED = 1, 2, 3


def drives(count: int) -> TrajectorySet:
    mix = [name for name in MANOEUVRES for _ in range(3 if name in ROAD else 1)]
    driven = synthetic_driving(count // 2, FIT_SEED, manoeuvres=mix)
    recorded = synthetic_driving(count // 2, RECORDED_SEED, noise_m=0.01, lever_m=2.0, manoeuvres=mix)
    return join([driven, recorded])


def fit(space: ActionSpace, data: TrajectorySet, test: TrajectorySet, max_error: float, folder: Path) -> None:
    begin = time.monotonic()
    assert space.horizon is not None
    tokenizer = KLTActionTokenizer(space.action_dim, space.horizon, max_tokens=max(NUM_TOKENS), max_error=max_error)
    tokenizer.fit(
        space.encode(*data.tensors()),  # type: ignore[arg-type]
        on_round=lambda done, of: print(f"\rround {done} of {of}", end="", flush=True),
    )
    TrajectoryTokenizer(space, tokenizer).save_pretrained(folder)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"\r{folder.name}: {len(data)} trajectories, {time.monotonic() - begin:.0f} s, {size:.1f} MB")
    for count in NUM_TOKENS:
        whole = TrajectoryTokenizer(space, tokenizer.with_num_tokens(count))
        ids = whole.encode(*test.tensors())  # type: ignore[arg-type]
        found, _, _ = whole.decode(test.hist_xyz, test.hist_rot, ids)  # type: ignore[arg-type]
        dims = slice(0, 2) if test.is_driving else slice(None)
        error = (found - test.fut_xyz)[..., dims].norm(dim=-1)
        escapes = (whole.action_tokenizer.token_counts(ids) > count).float().mean()
        print(f"  {count:2d} tokens: mean {error.mean():.5f}, worst {error.max():.3f}, escapes {escapes:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drives", type=int, default=300_000)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--only", choices=["driving", "arm7"])
    parser.add_argument("--output", type=Path, default=FITS)
    chosen = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    if chosen.only != "arm7":
        test = synthetic_driving(4000, TEST_SEED)
        fit(PathActionSpace(), drives(chosen.drives), test, 0.5, chosen.output / "driving-klt")
    if chosen.only != "driving":
        space = JointActionSpace(PANDA_LOWER, PANDA_UPPER, horizon=50, dt_s=0.02, relative=True)
        fit(
            space,
            synthetic_arms(chosen.chunks, FIT_SEED),
            synthetic_arms(4000, TEST_SEED),
            0.1,
            chosen.output / "arm7-klt",
        )


if __name__ == "__main__":
    main()
