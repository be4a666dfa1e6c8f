"""The launch files: their text anywhere, and for real where launch and launch_ros are installed."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((REPO / "launch").glob("*.launch.py"))
# Not pytest.importorskip: in a checkout the folder launch/ makes `import launch` succeed.
try:
    from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler
    from launch.event_handlers import OnProcessIO
    from launch.events import Shutdown
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchContext, LaunchDescription, LaunchService

    LAUNCH_ABSENT = ""
except ImportError as error:
    LAUNCH_ABSENT = f"launch is absent: {error}"

needs_launch = pytest.mark.skipif(bool(LAUNCH_ABSENT), reason=LAUNCH_ABSENT)
ids = [path.name for path in LAUNCH_FILES]


def strings_of(path: Path, keyword: str) -> set[str]:
    """Constant values of a keyword argument anywhere in a file."""
    return {
        node.value.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == keyword and isinstance(node.value, ast.Constant)
    }


def test_there_are_launch_files() -> None:
    assert ids == ["planner.launch.py", "replay.launch.py"]


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=ids)
def test_started_executables_exist(path: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg")
    executables = set(re.findall(r"^(\w+) =", setup["options.entry_points"]["console_scripts"], re.M))
    started = strings_of(path, "executable")
    assert started
    assert started <= executables
    assert strings_of(path, "package") == {"reasoning_vla_ros"}


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=ids)
def test_named_files_exist(path: Path) -> None:
    names = re.findall(r'SHARE((?: / "[^"]+")+)', path.read_text())
    assert names
    for name in names:
        assert REPO.joinpath(*re.findall(r'"([^"]+)"', name)).is_file(), name


@needs_launch
@pytest.mark.parametrize("path", LAUNCH_FILES, ids=ids)
def test_every_argument_is_described(path: Path) -> None:
    description = PythonLaunchDescriptionSource(str(path)).get_launch_description(LaunchContext())
    arguments = [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    assert len(arguments) >= 7
    assert all(argument.description for argument in arguments)


@needs_launch
def test_planner_launch_file_starts_the_node(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    seen: list[str] = []

    def on_output(event) -> EmitEvent | None:
        seen.append(event.text.decode())
        return EmitEvent(event=Shutdown(reason="seen")) if "not configured" in seen[-1] else None

    source = PythonLaunchDescriptionSource(str(REPO / "launch/planner.launch.py"))
    planner = IncludeLaunchDescription(source, launch_arguments=[("model_path", "/nowhere/at/all")])
    service = LaunchService()
    watch = RegisterEventHandler(OnProcessIO(on_stderr=on_output, on_stdout=on_output))
    service.include_launch_description(LaunchDescription([watch, planner]))
    assert service.run() == 0
    assert "model folder '/nowhere/at/all' does not exist" in "".join(seen)
