"""Loading: shards, missing and foreign weights, optional buffers, the VLM's files, dtypes and devices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reasoning_vla_ros.models import AlpamayoR1
from reasoning_vla_ros.models.backends.qwen3vl_files import VLM_FILES
from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.planning import CameraFrames, Observation, Planner, PlannerSettings
from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.planning.placement import ROOM_FOR_CACHE_BYTES, placement_arguments

SETTINGS = PlannerSettings(max_reasoning_tokens=3, temperature=0.0)
Tensors = dict[str, torch.Tensor]


def plan_xyz(model: AlpamayoR1) -> np.ndarray:
    """[2, T, 3] of one made-up observation."""
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 96, 3), np.uint8)
    xyz = np.zeros((16, 3), np.float32)
    xyz[:, 0] = np.arange(-15, 1)
    rot = np.tile(np.eye(3, dtype=np.float32), (16, 1, 1))
    observation = Observation(10**18, (CameraFrames(0, "front", image, (0,)),), xyz, rot)
    return Planner(model, SETTINGS).plan(observation, num_samples=2, seed=3).xyz


@pytest.fixture(scope="module")
def expected_xyz(small_alpamayo_dir: Path) -> np.ndarray:
    return plan_xyz(load_model(str(small_alpamayo_dir)))


@pytest.fixture(scope="module")
def untied_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the release: two embeddings. Accelerate cannot place one half of a tied pair by itself."""
    folder = tmp_path_factory.mktemp("untied")
    build_small_model(folder, hidden_size=64, num_layers=2, tied=False, kind="alpamayo_r1")
    return folder


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[..., Path]:
    """A copy of a model's folder, its weights changed."""

    def copy(source: Path, change: Callable[[Tensors], None] | None = None, *ignore: str) -> Path:
        target = tmp_path / "copy"
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*ignore))
        if change is not None:
            weights = load_file(target / "model.safetensors")
            change(weights)
            save_file(weights, target / "model.safetensors", {"format": "pt"})
        return target

    return copy


# Shards -------------------------------------------------------------------------------------------------------------


def test_shards_give_the_same_plan(tmp_path: Path, small_alpamayo_dir: Path, expected_xyz: np.ndarray) -> None:
    AlpamayoR1.from_pretrained(small_alpamayo_dir).save_pretrained(tmp_path, max_shard_size="300KB")
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    shards = sorted(set(index["weight_map"].values()))
    assert len(shards) > 2
    assert not (tmp_path / "model.safetensors").exists()
    assert np.array_equal(plan_xyz(load_model(str(tmp_path))), expected_xyz)
    (tmp_path / shards[1]).unlink()
    message = rf"lacks 1 of the {len(shards)} files of its weights: {shards[1]}; its download is incomplete"
    with pytest.raises(FileNotFoundError, match=message):
        load_model(str(tmp_path))


@pytest.mark.parametrize("tied", [True, False])
def test_shards_of_tied_and_untied_embeddings(tmp_path: Path, tied: bool) -> None:
    model = build_small_model(tmp_path / "one", hidden_size=64, num_layers=2, tied=tied, kind="alpamayo1_5")
    model.save_pretrained(tmp_path / "many", max_shard_size="300KB")
    loaded = load_model(str(tmp_path / "many"))
    assert (loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight) == tied
    saved, found = model.state_dict(), loaded.state_dict()
    assert saved.keys() == found.keys()
    assert all(torch.equal(saved[name], found[name]) for name in saved)


def test_other_formats_are_not_read(copy_of: Callable[..., Path], small_alpamayo_dir: Path) -> None:
    folder = copy_of(small_alpamayo_dir, None, "*.safetensors")
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"holds neither model.safetensors nor .*, and other formats are not"):
        load_model(str(folder))


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": []}'])
def test_a_damaged_index_is_named(copy_of: Callable[..., Path], small_alpamayo_dir: Path, index: str) -> None:
    folder = copy_of(small_alpamayo_dir, None, "*.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=r"model\.safetensors\.index\.json is no index of weights"):
        load_model(str(folder))


def test_a_dtype_that_is_none(copy_of: Callable[..., Path], small_alpamayo_dir: Path) -> None:
    folder = copy_of(small_alpamayo_dir)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_dtype": "int8"}))
    with pytest.raises(ValueError, match=r"has model_dtype 'int8', needed one of \['bfloat16', 'float16', 'float32'\]"):
        load_model(str(folder))


# Weights that do not fit --------------------------------------------------------------------------------------------


def drop_the_expert(weights: Tensors) -> None:
    for name in [name for name in weights if name.startswith("expert.layers.1.")]:
        del weights[name]


def add_a_stranger(weights: Tensors) -> None:
    weights["value_head.weight"] = torch.zeros(2, 2)


def widen(weights: Tensors) -> None:
    weights["action_out_proj.weight"] = torch.zeros(3, weights["action_out_proj.weight"].shape[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_the_expert, r"11 missing: expert\.layers\.1\.input_layernorm\.weight, .* and 1 more$"),
        (add_a_stranger, r"1 that the model does not have: value_head\.weight$"),
        (widen, r"1 of another shape: action_out_proj\.weight( is \[3, \d+\], needed \[2, \d+\])?$"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    copy_of: Callable[..., Path], small_alpamayo_dir: Path, change: Callable[[Tensors], None], message: str
) -> None:
    folder = copy_of(small_alpamayo_dir, change)
    with pytest.raises(ValueError, match=rf"the weights of {folder} are not those of its AlpamayoR1; {message}"):
        load_model(str(folder))


def test_a_reasoning_vla_is_as_strict(copy_of: Callable[..., Path], small_model_dir: Path) -> None:
    folder = copy_of(small_model_dir, lambda weights: weights.pop("vlm.model.visual.pos_embed.weight"))
    with pytest.raises(ValueError, match=r"of its ReasoningVLA; 1 missing: vlm\.model\.visual\.pos_embed\.weight$"):
        load_model(str(folder))


def test_who_asks_for_the_report_gets_it_in_place_of_an_error(
    copy_of: Callable[..., Path], small_alpamayo_dir: Path
) -> None:
    folder = copy_of(small_alpamayo_dir, add_a_stranger)
    model, report = AlpamayoR1.from_pretrained(folder, output_loading_info=True)
    assert isinstance(model, AlpamayoR1)
    assert set(report["unexpected_keys"]) == {"value_head.weight"}


def test_buffers_are_optional(tmp_path: Path, copy_of: Callable[..., Path]) -> None:
    """Alpamayo 1.5 holds neither the Fourier frequencies nor the statistics of the actions; its config does."""
    whole = build_small_model(tmp_path / "whole", hidden_size=64, num_layers=2, kind="alpamayo1_5")
    names = [name for name in whole.state_dict() if name.startswith("action_space.") or name.endswith(".freqs")]
    assert len(names) == 7

    def drop(weights: Tensors) -> None:
        for name in names:
            del weights[name]

    loaded = load_model(str(copy_of(tmp_path / "whole", drop)))
    for name in names:
        assert torch.equal(loaded.get_buffer(name), whole.get_buffer(name)), name
    assert float(loaded.action_space.accel_std) == pytest.approx(whole.config.action_space_cfg["accel_std"])


# The VLM's files ----------------------------------------------------------------------------------------------------


def test_four_files_of_the_vlm_are_enough(
    tmp_path: Path, copy_of: Callable[..., Path], small_alpamayo_dir: Path, expected_xyz: np.ndarray
) -> None:
    release_like = copy_of(small_alpamayo_dir, None, "vlm")
    vlm = tmp_path / "qwen"
    vlm.mkdir()
    for name in VLM_FILES:
        shutil.copy(small_alpamayo_dir / "vlm" / name, vlm / name)
    assert np.array_equal(plan_xyz(load_model(str(release_like), vlm=str(vlm))), expected_xyz)
    for name in VLM_FILES:
        (vlm / name).rename(tmp_path / name)
        with pytest.raises(FileNotFoundError, match=rf"holds no {name}\. .*`hf download .* --local-dir {vlm}` fetches"):
            load_model(str(release_like), vlm=str(vlm))
        (tmp_path / name).rename(vlm / name)


def test_hub_ids_work_offline_from_the_cache(
    tmp_path: Path, copy_of: Callable[..., Path], small_alpamayo_dir: Path
) -> None:
    """The checkpoint names a VLM by its id, as the public ones do; no option names one."""
    release_like = copy_of(small_alpamayo_dir, None, "vlm")
    config = json.loads((release_like / "config.json").read_text())
    (release_like / "config.json").write_text(json.dumps({**config, "vlm_name_or_path": "owner/cached"}))
    repository = tmp_path / "cache/models--owner--cached"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0" * 40)
    for name in VLM_FILES:
        shutil.copy(small_alpamayo_dir / "vlm" / name, snapshot / name)
    checkpoint = tmp_path / "cache/models--owner--checkpoint"
    shutil.copytree(release_like, checkpoint / "snapshots" / ("1" * 40))
    (checkpoint / "refs").mkdir()
    (checkpoint / "refs/main").write_text("1" * 40)
    code = (
        "from reasoning_vla_ros.planning.model_loading import load_model\n"
        f"print(len(load_model({str(release_like)!r}).tokenizer))\n"
        "print(len(load_model('owner/checkpoint').tokenizer))\n"
        f"for names in (dict(path_or_id={str(release_like)!r}, vlm='owner/absent'), dict(path_or_id='owner/model')):\n"
        "    try: load_model(**names)\n"
        "    except FileNotFoundError as error: print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    size, size_by_id, vlm_error, model_error = run.stdout.strip().split("\n")[:4]
    assert int(size) == int(size_by_id) == config["vocab_size"]
    assert f"for 'owner/absent', holds no {', '.join(VLM_FILES)}. " in vlm_error
    assert f"`hf download owner/absent {' '.join(VLM_FILES)}` fetches them" in vlm_error
    assert model_error.startswith("owner/model is not in the hub's cache on this machine")
    assert "`hf download owner/model` fetches it" in model_error


# Dtypes and devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtypes(small_alpamayo_dir: Path, expected_xyz: np.ndarray, dtype: str) -> None:
    model = load_model(str(small_alpamayo_dir), dtype=dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    # At 10 m/s over 6.4 s: halves move no waypoint by more than a tenth of a metre here.
    assert np.abs(plan_xyz(model) - expected_xyz).max() <= (0 if dtype == "float32" else 0.1)


@pytest.mark.parametrize(
    "device_map",
    [
        {"": "cpu"},
        {"vlm": "cpu", "expert": "disk", "action_in_proj": "disk", "action_out_proj": "cpu", "action_space": "cpu"},
        # Not the vision encoder: in transformers 4.57 it reads the device of weights that are elsewhere.
        {"vlm.model.visual": "cpu", "vlm.model.language_model": "disk", "vlm.lm_head": "cpu", "expert": "cpu",
         "action_in_proj": "cpu", "action_out_proj": "cpu", "action_space": "cpu"},
        "auto",
    ],
)  # fmt: skip
def test_device_maps_give_the_same_plan(tmp_path: Path, untied_dir: Path, device_map: str | dict[str, str]) -> None:
    model = load_model(
        str(untied_dir),
        device_map=device_map,
        max_memory={"cpu": 2_000_000} if device_map == "auto" else None,
        offload_folder=str(tmp_path),
    )
    offloaded = any(parameter.is_meta for parameter in model.parameters())
    assert offloaded == (device_map != {"": "cpu"})
    assert model.device == torch.device("cpu")
    assert np.array_equal(plan_xyz(model), plan_xyz(load_model(str(untied_dir))))


def test_weights_go_straight_to_a_gpu() -> None:
    assert placement_arguments(torch.device("cuda:1")) == {"device_map": {"": "cuda:1"}}


def test_offload_leaves_room_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: ((14 + index) * 2**30, 24 * 2**30))
    arguments = placement_arguments(torch.device("cuda:1"), "cpu")
    assert arguments["device_map"] == "auto"
    assert arguments["max_memory"][1] == 15 * 2**30 - ROOM_FOR_CACHE_BYTES
    assert set(arguments["max_memory"]) == {1, "cpu"}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (4 * 2**30, 24 * 2**30))
    with pytest.raises(ValueError, match=r"cuda:1 has 4.0 GiB free; offloading needs more than 5 GiB"):
        placement_arguments(torch.device("cuda:1"), "cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"offload": "cpu"}, r"offload cpu moves weights from a GPU .*; the device is cpu"),
        ({"offload": "disk"}, r"offload must be one of \['none', 'cpu'\], got 'disk'"),
        ({"device_map": "balanced"}, r"device_map must be \"auto\" or a map of modules to devices, got 'balanced'"),
        ({"device_map": {"vlm": 0, "expert": 1}}, r"spreads the model over \['0', '1'\]; a model runs on one GPU"),
        ({"quantization": "int2"}, r"quantization must be one of \['none', 'int8', 'int4'\], got 'int2'"),
        ({"quantization": "int8", "offload": "cpu"}, r"quantization int8 and offloading do not go together"),
    ],
)
def test_what_cannot_be_is_refused(small_alpamayo_dir: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_model(str(small_alpamayo_dir), device="cpu", **arguments)
