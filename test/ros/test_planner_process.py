"""The executable as a process of its own: it outlives bad parameters and leaves cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy", reason="ROS 2 is absent")
pytest.importorskip("reasoning_vla_ros.msg", reason="the built package is absent")

REPO = Path(__file__).resolve().parents[2]
START_S = 60


@pytest.fixture
def start(ros_domain_id: int, tmp_path: Path) -> Iterator:
    """Starts the node with ROS arguments and waits for a text in its log."""
    children = []

    def run(text: str, *arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {"ROS_LOG_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        child = subprocess.Popen(
            [sys.executable, "-m", "reasoning_vla_ros.ros.planner_node", "--ros-args", *arguments],
            cwd=REPO,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        child.log = []
        for line in child.stderr:
            child.log.append(line)
            if text in line:
                return child
        pytest.fail(f"ended with {child.wait()} before {text!r}: {''.join(child.log)}")

    yield run
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()
        child.stderr.close()


COMMITTED = ("--params-file", str(REPO / "config/planner.param.yaml"))


@pytest.mark.parametrize(
    ("number", "arguments"),
    [(signal.SIGINT, ()), (signal.SIGTERM, COMMITTED)],
    ids=["SIGINT", "SIGTERM"],
)
def test_bad_model_path_stays_and_a_signal_ends_it_cleanly(
    start, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    child = start("model folder '/nowhere/at/all' does not exist", *arguments, "-p", "model_path:=/nowhere/at/all")
    assert child.poll() is None
    child.send_signal(number)
    code, errors = child.wait(START_S), child.stderr.read()
    assert (code, "Traceback" in errors) == (0, False), errors


def test_bad_parameter_file_is_explained(start, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    num_samples: 0\n    deadline_s: 3\n    dtype: int3\n    cameras: []\n"
    )
    child = start("not configured", "--params-file", str(file))
    for name in ("num_samples", "deadline_s", "dtype", "cameras"):
        assert f"{name}: needed" in child.log[-1]
    assert 'cameras: needed a string_array of at least one entry like "front:1", got none' in child.log[-1]
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    assert child.wait(START_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_construction_ends_it_cleanly(number: signal.Signals, ros_domain_id: int, tmp_path: Path) -> None:
    program = f"""
import os, sys, time, rclpy
from reasoning_vla_ros.ros import planner_node

class Late(planner_node.PlannerNode):
    def __init__(self):
        os.kill(os.getpid(), {int(number)})
        while rclpy.ok():
            try:
                time.sleep(0.01)
            except KeyboardInterrupt:
                pass  # constructing with what the signal has shut down already
        super().__init__()

planner_node.PlannerNode = Late
sys.exit(planner_node.main())
"""
    environment = os.environ | {"ROS_LOG_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    child = subprocess.run(command, cwd=REPO, env=environment, stderr=subprocess.PIPE, text=True, timeout=START_S)
    assert child.returncode == 0, child.stderr
    assert "Traceback" not in child.stderr


def test_argument_that_ros_refuses_is_an_error(ros_domain_id: int) -> None:
    command = [sys.executable, "-m", "reasoning_vla_ros.ros.planner_node", "--ros-args", "--params-file", "/nowhere"]
    child = subprocess.run(command, cwd=REPO, env=os.environ, stderr=subprocess.PIPE, text=True, timeout=START_S)
    assert child.returncode != 0
    assert "/nowhere" in child.stderr


@pytest.mark.parametrize(
    ("module", "parameter", "problem"),
    [
        ("ros.follower_node", "min_lookahead_m:=50.0", "min_lookahead_m must not exceed max_lookahead_m"),
        ("simulation.simulator_process", "scenario:=nowhere", "no scenario 'nowhere'"),
    ],
)
def test_the_loops_other_nodes_start_and_end(
    module: str, parameter: str, problem: str, ros_context: None, tmp_path: Path
) -> None:
    """They end with 1 and the reason where a parameter is of no use, and with 0 at a signal."""
    environment = os.environ | {"ROS_LOG_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", f"reasoning_vla_ros.{module}", "--ros-args"]
    child = subprocess.run(
        [*command, "-p", parameter], cwd=REPO, env=environment, stderr=subprocess.PIPE, text=True, timeout=START_S
    )
    assert (child.returncode, problem in child.stderr) == (1, True), child.stderr
    assert "Traceback" not in child.stderr
    running = subprocess.Popen(command, cwd=REPO, env=environment, stderr=subprocess.PIPE, text=True)
    name = {"ros.follower_node": "follower_node", "simulation.simulator_process": "simulator_node"}[module]
    assert running.stderr is not None
    listener = rclpy.create_node("listener")
    try:
        end_s = time.monotonic() + START_S
        while name not in listener.get_node_names() and time.monotonic() < end_s:
            time.sleep(0.1)
        assert name in listener.get_node_names()
        running.send_signal(signal.SIGTERM)
        assert (running.wait(START_S), "Traceback" in running.stderr.read()) == (0, False)
    finally:
        running.kill()
        running.stderr.close()
        listener.destroy_node()
