"""Weights in 8 and 4 bits: the packages' own kernels where they are installed, and what is said where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models.release_shape import build_release_shape
from reasoning_vla_ros.planning import CameraFrames, Observation, Planner, PlannerSettings, quantization
from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.planning.quantization import UNQUANTIZED, quantization_config

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def only(monkeypatch: pytest.MonkeyPatch, *installed: str) -> None:
    monkeypatch.setattr(quantization, "find_spec", lambda name: name if name in installed else None)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release's parts in a small shape, with weights so large that each layer adds as much as it gets."""
    folder = tmp_path_factory.mktemp("release_like")
    torch.manual_seed(0)
    model = build_release_shape("cpu", torch.float32, "small")
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=module.in_features**-0.5)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("package", "name", "share"),
    # Measured here with three seeds: 0.9 to 1.8, 1.4 to 2.8 and 12 to 23 % of the velocity's standard deviation.
    [("torchao", "int8", 0.04), ("bitsandbytes", "int8", 0.05), ("bitsandbytes", "int4", 0.4)],
)
def test_quantised_models_compute_nearly_the_same(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, package: str, name: str, share: float
) -> None:
    pytest.importorskip(package)
    only(monkeypatch, package)
    exact = load_model(str(checkpoint), device="cpu")
    model = load_model(str(checkpoint), device="cpu", quantization=name)
    changed = {
        module_name
        for module_name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (type(module.weight) is not torch.nn.Parameter or not module.weight.is_floating_point())
    }
    linear = {name for name, module in exact.named_modules() if isinstance(module, torch.nn.Linear)}
    assert changed == {name for name in linear if not name.startswith(UNQUANTIZED)}
    assert len(changed) == 2 * 3 * 7  # two transformers of three layers
    assert np.isfinite(plan_xyz(model)).all()
    needed, found = velocity(exact), velocity(model)
    assert 0 < float((found - needed).square().mean().sqrt()) <= share * float(needed.std())


def plan_xyz(model: torch.nn.Module) -> np.ndarray:
    """[1, T, 3] of one grey image and straight driving."""
    image = np.full((1, 64, 96, 3), 128, np.uint8)
    xyz = np.zeros((16, 3), np.float32)
    xyz[:, 0] = np.arange(-15, 1)
    rot = np.tile(np.eye(3, dtype=np.float32), (16, 1, 1))
    observation = Observation(10**18, (CameraFrames(0, "front", image, (0,)),), xyz, rot)
    return Planner(model, PlannerSettings(max_reasoning_tokens=2)).plan(observation, seed=0).xyz


@torch.no_grad()
def velocity(model: torch.nn.Module) -> torch.Tensor:
    """What the expert makes of fixed noise behind a fixed text, [1, 64, 2]."""
    ids = torch.arange(100, 140)[None]
    cache = model(ids, use_cache=True).past_key_values
    context = model.context_behind(cache, torch.ones_like(ids), torch.tensor([ids.shape[1]]))
    noise = torch.randn(1, 64, 2, generator=torch.Generator().manual_seed(0))
    return model.velocity(noise, torch.full((1, 1, 1), 0.5), context)


def test_torchao_comes_first_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "_torchao", lambda name: ("torchao", name))
    monkeypatch.setattr(quantization, "_bitsandbytes", lambda name, dtype: ("bitsandbytes", name))
    only(monkeypatch, "torchao", "bitsandbytes")
    assert quantization_config("none", CPU, torch.float32) is None
    assert quantization_config("int8", CPU, torch.float32) == ("torchao", "int8")
    assert quantization_config("int4", CUDA, torch.bfloat16) == ("torchao", "int4")
    assert quantization_config("int4", CUDA, torch.float16) == ("bitsandbytes", "int4")
    assert quantization_config("int4", CPU, torch.bfloat16) == ("bitsandbytes", "int4")


def test_absent_packages_are_told_with_the_command(monkeypatch: pytest.MonkeyPatch, small_model_dir: Path) -> None:
    only(monkeypatch)
    with pytest.raises(
        ValueError, match=r"quantization int8 in float32 on cpu needs torchao or .*`pip install torchao"
    ):
        load_model(str(small_model_dir), device="cpu", quantization="int8")
    only(monkeypatch, "torchao")
    with pytest.raises(ValueError, match=r"int4 in bfloat16 on cpu needs bitsandbytes: `pip install bitsandbytes`"):
        load_model(str(small_model_dir), device="cpu", dtype="bfloat16", quantization="int4")


def test_four_bits_by_torchao_use_a_packing_of_pytorchs_own_kernels() -> None:
    pytest.importorskip("torchao")
    config = quantization_config("int4", CUDA, torch.bfloat16)
    assert config.quant_type.int4_packing_format == "tile_packed_to_4d"
    assert config.quant_type.group_size == 128
    assert config.modules_to_not_convert == list(UNQUANTIZED)
