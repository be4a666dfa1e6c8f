"""Tokenizers of another package: test/plugin_package/robot_tokens, the example in docs/tokenizers.md."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from reasoning_vla_ros.tokenizers import InvalidTokensError, available_tokenizers, create_tokenizer

Driving = Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]

PLUGIN_PACKAGE = Path(__file__).resolve().parents[1] / "plugin_package"
REPO = PLUGIN_PACKAGE.parents[1]
COMPANDED = "robot_tokens:CompandedActionTokenizer"


@pytest.fixture(autouse=True)
def plugin_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(PLUGIN_PACKAGE))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "robot_tokens"]:
        del sys.modules[name]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as pip would install it: with entry points."""
    info = tmp_path / "site" / "robot_tokens-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: robot-tokens\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[reasoning_vla_ros.trajectory_tokenizers]\n"
        "coarse = robot_tokens.whole:CoarseTokenizer\n"
        "companded = robot_tokens.companded:CompandedActionTokenizer\n"
    )
    monkeypatch.syspath_prepend(str(info.parent))
    return info.parent


def test_a_part_by_its_path(driving: Driving) -> None:
    data, tokenizer = driving(3), create_tokenizer(f"unicycle+{COMPANDED}", bins=1001, dt=0.1)
    assert tokenizer.vocab_size == 1001
    assert tokenizer.num_tokens == 128
    xyz, _, _ = tokenizer.decode(*data[:2], tokenizer.encode(*data))
    assert (xyz - data[2]).norm(dim=-1).max() < 2.0
    ids = torch.zeros(3, 128, dtype=torch.long)
    ids[1] = 1001
    assert tokenizer.decode(*data[:2], ids, strict=False)[3].tolist() == [True, False, True]
    with pytest.raises(InvalidTokensError):
        tokenizer.decode(*data[:2], ids)


def test_an_action_space_by_its_path(driving: Driving) -> None:
    data, tokenizer = (
        driving(3),
        create_tokenizer("robot_tokens:PlanarActionSpace+uniform", scale_m=300.0, num_bins=3001),
    )
    xyz, _, _ = tokenizer.decode(*data[:2], tokenizer.encode(*data))
    assert (xyz - data[2]).abs().max() <= 300 / 3000 + 1e-3


def test_a_whole_tokenizer_by_its_path() -> None:
    tokenizer = create_tokenizer("robot_tokens:CoarseTokenizer", levels=21)
    assert tokenizer.vocab_size == 21
    again = create_tokenizer(tokenizer.to_config())
    assert type(again) is type(tokenizer)
    assert again.vocab_size == 21


def test_configs_and_folders_name_the_class_and_do_not_import_it_unasked(tmp_path: Path) -> None:
    for spec in (f"unicycle+{COMPANDED}", "robot_tokens:CoarseTokenizer"):
        tokenizer = create_tokenizer(spec)
        config = json.loads(json.dumps(tokenizer.to_config()))
        assert create_tokenizer(config).to_config() == config
        with pytest.raises(ValueError, match="would import code that a file names"):
            create_tokenizer(config, allow_imports=False)
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="would import code that a file names"):
            create_tokenizer(tmp_path)
        assert create_tokenizer(tmp_path, allow_imports=True).to_config() == config


def test_dotted_names_can_be_switched_off() -> None:
    with pytest.raises(ValueError, match="allow imports"):
        create_tokenizer(f"unicycle+{COMPANDED}", allow_imports=False)
    assert "robot_tokens" not in sys.modules


def test_entry_points_need_no_permission(installed: Path, tmp_path: Path) -> None:
    assert {"coarse", "companded"} <= set(available_tokenizers()["plugins"])
    whole = create_tokenizer("coarse", levels=31, allow_imports=False)
    part = create_tokenizer("delta_xyz+companded", bins=101, allow_imports=False)
    assert whole.vocab_size == 31
    assert part.vocab_size == 101
    for index, tokenizer in enumerate((whole, part)):
        folder = tmp_path / str(index)
        tokenizer.save_pretrained(folder)
        assert create_tokenizer(folder).to_config() == tokenizer.to_config()
    with pytest.raises(TypeError, match="'companded' must name a subclass of TrajectoryTokenizer"):
        create_tokenizer("companded")


def test_without_the_entry_points_the_names_are_unknown() -> None:
    assert "coarse" not in available_tokenizers()["plugins"]
    with pytest.raises(ValueError, match="unknown trajectory tokenizer 'coarse'"):
        create_tokenizer("coarse")


def test_the_plugin_works_in_a_fresh_process(installed: Path) -> None:
    script = "from reasoning_vla_ros.tokenizers import create_tokenizer; print(create_tokenizer('coarse').vocab_size)"
    path = f"{installed}:{PLUGIN_PACKAGE}:{REPO}"
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout.strip() == "401", done.stderr
