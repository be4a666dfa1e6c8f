"""The messages of this package without ROS: found, complete, and hashed as ROS does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reasoning_vla_ros.bags import types

OWN_TYPES = ("Plan", "PlanPoint", "PlannedTrajectory", "ReasoningTrace")


def test_every_message_file_has_a_class() -> None:
    files = {file.stem for file in types.find_message_folder().glob("*.msg")}
    assert files == set(OWN_TYPES)
    for name in files:
        assert getattr(types, name).__msgtype__ == f"reasoning_vla_ros/msg/{name}"


def test_constants_are_on_the_class() -> None:
    assert (types.Plan.STATUS_OK, types.Plan.STATUS_INVALID, types.Plan.STATUS_REDUCED) == (0, 1, 2)


@pytest.mark.parametrize("where", ["beside the package", "under its prefix", "on AMENT_PREFIX_PATH"])
def test_message_files_are_found_wherever_the_package_lies(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "prefix" / "lib" / "python3" / "site-packages" / "reasoning_vla_ros"
    (package / "bags").mkdir(parents=True)
    target = {
        "beside the package": package.parent / "msg",
        "under its prefix": tmp_path / "prefix" / "share" / "reasoning_vla_ros" / "msg",
        "on AMENT_PREFIX_PATH": tmp_path / "overlay" / "share" / "reasoning_vla_ros" / "msg",
    }[where]
    shutil.copytree(types.find_message_folder(), target)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'other'}:{tmp_path / 'overlay'}")
    monkeypatch.setattr(types, "__file__", str(package / "bags" / "types.py"))
    assert types.find_message_folder() == target


def test_missing_message_files_are_an_error_with_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    monkeypatch.setattr(types, "__file__", str(tmp_path / "reasoning_vla_ros" / "bags" / "types.py"))
    with pytest.raises(FileNotFoundError, match=f"Plan.msg is in none of {tmp_path}/msg, "):
        types.find_message_folder()


@pytest.mark.parametrize("name", OWN_TYPES)
def test_fields_equal_those_of_the_generated_messages(name: str) -> None:
    generated = pytest.importorskip("reasoning_vla_ros.msg", reason="the messages are not built")
    own = [field_name for field_name, _ in types.TYPESTORE.fielddefs[f"reasoning_vla_ros/msg/{name}"][1]]
    assert own == list(getattr(generated, name).get_fields_and_field_types())


@pytest.mark.parametrize("name", OWN_TYPES)
def test_type_hash_equals_that_of_ros(name: str) -> None:
    pytest.importorskip("reasoning_vla_ros.msg", reason="the messages are not built")
    ament = pytest.importorskip("ament_index_python", reason="ament_index_python is not installed")
    try:
        share = Path(ament.get_package_share_directory("reasoning_vla_ros"))
    except LookupError:
        pytest.skip("reasoning_vla_ros is not in the ament index")
    description = share / "msg" / f"{name}.json"
    if not description.is_file():
        pytest.skip(f"{description} is absent; ROS generates type hashes from Iron on")
    type_name = f"reasoning_vla_ros/msg/{name}"
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(description.read_text())["type_hashes"]}
    assert types.TYPESTORE.hash_rihs01(type_name) == hashes[type_name]
