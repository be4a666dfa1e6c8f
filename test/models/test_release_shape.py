"""The 10B release's shape: its keys, shapes, parameter count and token ids, without a byte of its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reasoning_vla_ros.models import Alpamayo15, AlpamayoR1
from reasoning_vla_ros.models.alpamayo_parts import PARTS, build_part
from reasoning_vla_ros.models.release_shape import build_release_shape
from reasoning_vla_ros.tokenizers.alpamayo import TARGETS, build_target


@pytest.fixture(scope="module")
def release() -> AlpamayoR1:
    return build_release_shape()


def test_keys_and_shapes_are_the_releases(release: AlpamayoR1, parity_data: Path) -> None:
    parts = json.loads((parity_data / "alpamayo_r1/release_expected_keys.json").read_text())
    needed = {f"{part}.{name}": shape for part, shapes in parts.items() for name, shape in shapes.items()}
    assert len(needed) == 1166
    assert {name: list(tensor.shape) for name, tensor in release.state_dict().items()} == needed


def test_parameter_count_is_the_releases(release: AlpamayoR1) -> None:
    assert sum(parameter.numel() for parameter in release.parameters()) == 11_078_526_194
    assert {parameter.device.type for parameter in release.parameters()} == {"meta"}
    assert {parameter.dtype for parameter in release.parameters()} == {torch.bfloat16}


def test_token_ids_are_the_releases(release: AlpamayoR1, parity_data: Path) -> None:
    layouts = json.loads((parity_data / "alpamayo_r1/release_token_layout.json").read_text())
    layout = layouts["release (4000, add_special_tokens=True)"]
    assert len(release.tokenizer) == release.config.vocab_size == layout["vocab_size"]
    assert release.config.traj_token_start_idx == layout["traj_token_start_idx"]
    assert release.config.traj_token_ids == layout["traj_token_ids"]
    assert release.special_token_ids == layout["special_token_ids"]
    assert release.hist_token_start_idx == 154_669
    release.check_tokenizers_fit()


def test_alpamayo_15_has_the_same_network_and_ids(release: AlpamayoR1) -> None:
    newer = build_release_shape(version="1.5")
    assert isinstance(newer, Alpamayo15)
    shapes = {name: tensor.shape for name, tensor in release.state_dict().items()}
    assert {name: tensor.shape for name, tensor in newer.state_dict().items()} == shapes
    assert list(newer.special_token_ids.values()) == list(release.special_token_ids.values())
    assert newer.tokenizer.convert_tokens_to_ids("<|_padding_0|>") == release.special_token_ids["image_pre_tkn"]


def test_known_text_takes_a_token_a_word() -> None:
    text = "You are a driving assistant"
    tokenizer = build_release_shape(shape="small", known_text=text).tokenizer
    assert len(tokenizer(text).input_ids) == 5
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert len(tokenizer("xyzzy").input_ids) == 5  # byte by byte


def test_small_shape_computes(release: AlpamayoR1) -> None:
    model = build_release_shape("cpu", torch.float32, "small")
    assert model.state_dict().keys() < release.state_dict().keys()
    assert bool(model(torch.arange(8)[None]).logits.isfinite().all())


def test_unknown_shapes_and_versions() -> None:
    with pytest.raises(ValueError, match=r"shape must be one of \['10b', 'small'\], got '8b'"):
        build_release_shape(shape="8b")
    with pytest.raises(ValueError, match=r"version must be one of \['1.5', 'r1'\], got '2'"):
        build_release_shape(version="2")


@pytest.mark.parametrize("target", ["os.system", "alpamayo_r1.diffusion.Other", 3])
def test_unknown_targets_are_refused_with_the_list(target: object) -> None:
    with pytest.raises(ValueError, match=r"unknown _target_ .*; known: ") as caught:
        build_part({"_target_": target}, "torch.nn.Linear", "diffusion_cfg")
    assert all(name in str(caught.value) for name in PARTS)
    with pytest.raises(ValueError, match=r"unknown _target_ .*; known: ") as caught:
        build_target({"_target_": target})
    assert all(name in str(caught.value) for name in TARGETS)


def test_every_target_of_the_table_builds() -> None:
    """The names that the public configs have, in both packages."""
    arguments = {
        "Linear": {"in_features": 2, "out_features": 2},
        "FlowMatching": {"x_dims": (4, 2)},
        "PerWaypointActionInProjV2": {"in_dims": (4, 2), "out_dim": 8},
    }
    for name in PARTS:
        assert build_part({"_target_": name, "_convert_": "all"}, "", "field", **arguments[name.rpartition(".")[2]])
    space = {"_target_": "alpamayo1_5.action_space.UnicycleAccelCurvatureActionSpace"}
    discrete = {"action_space_cfg": space, "dims_min": [-10, -10], "dims_max": [10, 10], "num_bins": 8}
    for name in TARGETS:
        assert build_target({"_target_": name, **(discrete if "Discrete" in name else {})})
