"""Tokenizers as a line of text."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from reasoning_vla_ros.datasets import DataError, TrajectorySet, synthetic_arms, synthetic_driving
from reasoning_vla_ros.datasets.reconstruction import encode, reconstruct
from reasoning_vla_ros.datasets.tokenizer_specs import TokenizerSpec, build_tokenizer, fit_tokenizer, parse_arguments


@pytest.mark.parametrize(
    ("text", "name", "arguments", "fit"),
    [
        ("path+klt", "path+klt", {}, True),
        ("path+klt,num_tokens=8,max_error=0.5", "path+klt", {"num_tokens": 8, "max_error": 0.5}, True),
        ("driving-klt-8", "driving-klt-8", {}, False),
        ("folder/of, mine", "folder/of, mine", {}, False),
        ("unicycle+uniform,fit=false", "unicycle+uniform", {}, False),
        (
            "pose+uniform,binning=quantile,action_range=[[-1, 1], [0, 2]],closed_loop=true",
            "pose+uniform",
            {"binning": "quantile", "action_range": [[-1, 1], [0, 2]], "closed_loop": True},
            True,
        ),
    ],
)
def test_a_line_says_it_all_and_can_be_written_again(
    text: str, name: str, arguments: dict[str, Any], fit: bool
) -> None:
    spec = TokenizerSpec.parse(text)
    assert (spec.name, spec.arguments, spec.fit) == (name, arguments, fit)
    assert TokenizerSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("text", ["", ",a=1", "pose+uniform,fit=maybe", "pose+uniform,a=1,a=2"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="got"):
        TokenizerSpec.parse(text)
    with pytest.raises(ValueError, match="once as key=value, got 'lonely'"):
        parse_arguments(["lonely"])


def test_lengths_steps_and_limits_come_from_the_data() -> None:
    drives = synthetic_driving(4)
    short = TrajectorySet(drives.hist_xyz, drives.hist_rot, drives.fut_xyz[:, :20], drives.fut_rot[:, :20], 0.1)  # type: ignore[index]
    unicycle = build_tokenizer(TokenizerSpec.parse("unicycle+uniform,num_bins=11"), short)
    assert unicycle.num_tokens == 40
    assert unicycle.vocab_size == 11
    arms = synthetic_arms(30)
    still = torch.cat([arms.fut_xyz[..., :2], torch.full_like(arms.fut_xyz[..., :1], 3.0)], -1)
    data = TrajectorySet(arms.hist_xyz[..., :3], None, still, None, 0.02)
    joint = build_tokenizer(TokenizerSpec.parse("joint+uniform,bins_per_dim=1001"), data)
    assert joint.action_space.action_dim == 3
    assert float(reconstruct(joint, data).errors.max()) < 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pose+nothing", "unknown action tokenizer 'nothing'"),
        ("pose+uniform,colour=1", r"unknown arguments \['colour'\]; 'pose' takes"),
        ("pose+uniform,bins_per_dim=many", "pose\\+uniform"),
        ("no.such.module:Tokenizer", "No module named"),
        ("./nowhere", "nowhere"),
    ],
)
def test_errors_name_the_tokenizer(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_tokenizer(TokenizerSpec.parse(text), synthetic_driving(2))


def test_fitting_hears_of_its_progress_and_names_what_fails() -> None:
    drives = synthetic_driving(120)
    spec = TokenizerSpec.parse("pose+rvq,num_codes=2,num_embeddings=8,num_frames=2")
    notes: list[str] = []
    tokenizer = build_tokenizer(spec, drives)
    fit_tokenizer(tokenizer, drives, on_progress=notes.append)
    assert notes
    again = build_tokenizer(spec, drives)
    fit_tokenizer(again, drives)
    assert torch.equal(encode(again, drives), encode(tokenizer, drives))
    with pytest.raises(DataError, match="klt can't be fitted to synthetic driving: klt needs at least 64"):
        fit_tokenizer(build_tokenizer(TokenizerSpec("path+klt"), drives), drives[:3])


def test_rows_of_different_lengths_are_padded_across_batches() -> None:
    drives = synthetic_driving(64)
    tokenizer = build_tokenizer(TokenizerSpec.parse("pose+fast"), drives)
    fit_tokenizer(tokenizer, drives)
    found = reconstruct(tokenizer, drives, batch_size=5)
    assert found.tokens.shape == (64, int(found.counts.max()))
    assert torch.equal(found.tokens, encode(tokenizer, drives, 64))
    assert found.refused == 0
    assert float(found.ade.max()) < 0.1


def test_a_tokenizer_of_another_step_is_refused() -> None:
    drives = synthetic_driving(2)
    tokenizer = build_tokenizer(TokenizerSpec.parse("pose+uniform,dt_s=0.2"), drives)
    with pytest.raises(ValueError, match=r"steps of 0.2 s, synthetic driving has 0.1 s"):
        reconstruct(tokenizer, drives)
