"""The launch files: their text anywhere, and for real where launch and launch_ros are installed."""

from __future__ import annotations

import ast
import configparser
import itertools
import json
import os
import re
import signal
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((REPO / "launch").glob("*.launch.py"))
# Not pytest.importorskip: in a checkout the folder launch/ makes `import launch` succeed.
try:
    import yaml
    from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler
    from launch.event_handlers import OnProcessIO, OnProcessStart
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
    assert ids == ["demo.launch.py", "planner.launch.py", "replay.launch.py"]


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=ids)
def test_started_executables_exist(path: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(REPO / "setup.cfg")
    executables = {"rviz2", *re.findall(r"^(\w+) =", setup["options.entry_points"]["console_scripts"], re.M)}
    started = strings_of(path, "executable")
    assert started
    assert started <= executables
    assert strings_of(path, "package") <= {"reasoning_vla_ros", "rviz2"}


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


@needs_launch
@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, []),
        ({"model_path": "/my/model"}, [{"model_path": "/my/model"}]),
        (
            {"autostart": "false", "use_sim_time": "true", "max_input_age_s": "5"},
            [{"autostart": False, "max_input_age_s": 5.0, "use_sim_time": True}],
        ),
    ],
)
def test_parameter_file_stands_but_for_the_arguments_given(tmp_path, monkeypatch, arguments, parameters) -> None:
    """As the node's command line has it: a later file wins over an earlier one."""
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    model_path: /from/the/file\n    autostart: false\n")
    files: list[Path] = []
    passed: list[dict] = []

    def on_start(event, context) -> EmitEvent:
        files.extend(Path(path) for option, path in itertools.pairwise(event.cmd) if option == "--params-file")
        passed.extend(yaml.safe_load(path.read_text()) for path in files[1:])
        return EmitEvent(event=Shutdown(reason="seen"))

    source = PythonLaunchDescriptionSource(str(REPO / "launch/planner.launch.py"))
    arguments = {"params_file": str(file), **arguments}
    service = LaunchService()
    watch = RegisterEventHandler(OnProcessStart(on_start=on_start))
    planner = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    service.include_launch_description(LaunchDescription([watch, planner]))
    service.run()
    assert files[0] == file
    # As text: 5 is equal to 5.0, but the node takes no integer for a double.
    assert repr([next(iter(content.values()))["ros__parameters"] for content in passed]) == repr(parameters)


def command_of_planner(monkeypatch, tmp_path, **arguments: str) -> tuple[dict[str, str], list[dict]]:
    """The node's remappings, and the parameters that the launch file adds to the parameter file's."""
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    remappings: dict[str, str] = {}
    passed: list[dict] = []

    def on_start(event, context) -> EmitEvent:
        options = list(itertools.pairwise(event.cmd))
        remappings.update(value.split(":=") for option, value in options if option == "-r" and value.startswith("~"))
        files = [Path(path) for option, path in options if option == "--params-file"][1:]
        passed.extend(next(iter(yaml.safe_load(path.read_text()).values()))["ros__parameters"] for path in files)
        return EmitEvent(event=Shutdown(reason="seen"))

    source = PythonLaunchDescriptionSource(str(REPO / "launch/planner.launch.py"))
    service = LaunchService()
    watch = RegisterEventHandler(OnProcessStart(on_start=on_start))
    planner = IncludeLaunchDescription(source, launch_arguments={"model_path": "", **arguments}.items())
    service.include_launch_description(LaunchDescription([watch, planner]))
    service.run()
    return remappings, passed


@needs_launch
def test_rig_gives_topics_and_cameras(tmp_path, monkeypatch) -> None:
    remappings, passed = command_of_planner(monkeypatch, tmp_path, rig="autoware_sample_vehicle")
    assert passed == [{"camera_rig": "autoware_sample_vehicle"}]
    images = {name: topic for name, topic in remappings.items() if "/image" in name}
    assert set(images) == {
        f"~/input/{name}/image{suffix}"
        for name in ("front_left", "front", "front_right")
        for suffix in ("", "/compressed")
    }
    assert images["~/input/front/image"] == "/sensing/camera/camera4/image_rect_color"
    assert images["~/input/front/image/compressed"] == "/sensing/camera/camera4/image_rect_color/compressed"


@needs_launch
@pytest.mark.parametrize(("image", "topic"), [("", "/camera/front/image"), ("/my/image", "/my/image")])
def test_image_gives_the_topic_without_a_rig(tmp_path, monkeypatch, image: str, topic: str) -> None:
    remappings, passed = command_of_planner(monkeypatch, tmp_path, image=image)
    assert passed == []
    assert remappings["~/input/front/image"] == topic
    assert remappings["~/input/front/image/compressed"] == f"{topic}/compressed"


@needs_launch
def test_rig_and_image_contradict_each_other(tmp_path, monkeypatch) -> None:
    remappings, _ = command_of_planner(monkeypatch, tmp_path, rig="kitti", image="/my/image")
    assert remappings == {}


def run_replay(tmp_path: Path, on_start=lambda event, context: None, **arguments: str) -> str:
    """replay.launch.py with a bag of one message and a model that cannot be loaded; what it wrote."""
    bags = pytest.importorskip("reasoning_vla_ros.bags")
    with bags.BagWriter(tmp_path / "drive.mcap") as writer:
        writer.write("/text", bags.types.String(data="hello"), 10**18)
    seen: list[str] = []
    output = OnProcessIO(
        on_stdout=lambda event: seen.append(event.text.decode()),
        on_stderr=lambda event: seen.append(event.text.decode()),
    )
    handlers = [RegisterEventHandler(output), RegisterEventHandler(OnProcessStart(on_start=on_start))]
    source = PythonLaunchDescriptionSource(str(REPO / "launch/replay.launch.py"))
    arguments = {"bag": str(tmp_path / "drive.mcap"), "model_path": "/nowhere/at/all", **arguments}
    replay = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    service = LaunchService()
    service.include_launch_description(LaunchDescription([*handlers, replay]))
    service.run()
    return "".join(seen)


@needs_launch
def test_replay_ends_where_the_model_cannot_be_loaded(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "89")
    log = run_replay(tmp_path, wait_s="5")
    assert "planner_node subscribed to none of /text within 5 s" in log


@needs_launch
def test_replay_ends_with_the_node(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "89")
    ended: list[int] = []

    def on_start(event, context) -> None:
        if event.action.node_executable == "planner_node":
            ended.append(event.pid)
            os.kill(event.pid, signal.SIGKILL)

    log = run_replay(tmp_path, on_start, wait_s="0")
    assert len(ended) == 1
    assert "subscribed to none" not in log


def displayed_topics() -> dict[str, set[str]]:
    """Topics that each file with displays names."""
    rviz = (REPO / "config/demo.rviz").read_text()
    foxglove = (REPO / "config/foxglove_layout.json").read_text()
    return {
        "demo.rviz": set(re.findall(r"Value: (/[\w/]+)", rviz)),
        "foxglove_layout.json": set(re.findall(r'"(/[\w/]+)', foxglove)),
    }


def test_displays_show_topics_that_the_demo_has() -> None:
    text = (REPO / "launch/demo.launch.py").read_text()
    demo = set(re.findall(r'"(/\w[\w/]*)"', text)) | {"/tf", "/tf_static", "/diagnostics"}
    demo |= {f"/planner_node/output/{name}" for name in ("path", "markers", "reasoning")}
    for name, topics in displayed_topics().items():
        assert topics, name
        assert topics <= demo, name


def test_panels_of_the_foxglove_layout_are_configured() -> None:
    layout = json.loads((REPO / "config/foxglove_layout.json").read_text())
    panels: list[str] = []
    open_parts = [layout["layout"]]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, str):
            panels.append(part)
        else:
            assert part["direction"] in ("row", "column")
            open_parts += [part["first"], part["second"]]
    assert sorted(panels) == sorted(layout["configById"])


@needs_launch
def test_demo_ends_where_a_node_cannot_start(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "89")
    seen: list[str] = []
    output = OnProcessIO(
        on_stdout=lambda event: seen.append(event.text.decode()),
        on_stderr=lambda event: seen.append(event.text.decode()),
    )
    source = PythonLaunchDescriptionSource(str(REPO / "launch/demo.launch.py"))
    arguments = {"model_path": "/nowhere/at/all", "scenario": "nowhere"}
    service = LaunchService()
    demo = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    service.include_launch_description(LaunchDescription([RegisterEventHandler(output), demo]))
    service.run()
    assert "not started: no scenario 'nowhere'" in "".join(seen)
