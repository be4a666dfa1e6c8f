"""planner.launch.py as launch_pytest runs it: the node comes up, and tells why it is not configured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
try:
    import launch_pytest
    import launch_pytest.plugin
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from rclpy.executors import SingleThreadedExecutor

    from launch import LaunchDescription
except ImportError as error:
    # launch_pytest is part of a ROS installation; it needs pytest before 8.4.
    pytest.skip(f"launch_pytest cannot be used here: {error}", allow_module_level=True)

DOMAIN_ID = 88


@launch_pytest.fixture
def planner_launch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LaunchDescription:
    """The launch file, in a namespace, with a model that does not exist."""
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    source = PythonLaunchDescriptionSource(str(REPO / "launch/planner.launch.py"))
    arguments = [("model_path", "/nowhere/at/all"), ("namespace", "car")]
    planner = IncludeLaunchDescription(source, launch_arguments=arguments)
    return LaunchDescription([planner, launch_pytest.actions.ReadyToTest()])


@pytest.fixture
def plugin(request: pytest.FixtureRequest) -> None:
    """Without it nothing launches what the mark names."""
    if not request.config.pluginmanager.is_registered(launch_pytest.plugin):
        pytest.skip("launch_pytest is there, but its plugin is not: needed -p launch_pytest.plugin or its entry point")


@pytest.fixture
def diagnostics_say(plugin: None) -> Iterator[Callable[[str, float], bool]]:
    """Waits so many seconds for a text in the diagnostics, and tells whether it came."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    node = rclpy.create_node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[str] = []
    node.create_subscription(
        DiagnosticArray,
        "/diagnostics",
        lambda array: heard.extend(f"{status.name}: {status.message}" for status in array.status),
        10,
    )

    def say(text: str, timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not any(text in message for message in heard):
            executor.spin_once(timeout_sec=0.1)
        return any(text in message for message in heard)

    yield say
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.launch(fixture=planner_launch)
def test_the_node_tells_why_it_is_not_configured(diagnostics_say: Callable[[str, float], bool]) -> None:
    assert diagnostics_say("planner: not configured: FileNotFoundError: model folder '/nowhere/at/all'", 60)
