"""A bag through the real node: played over DDS into a planner_node of its own, its plans recorded."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from reasoning_vla_ros.bags import BagReader, BagWriter
from reasoning_vla_ros.bags.storage import RawMessage
from reasoning_vla_ros.messages.stamps import NS_PER_S, stamp_to_ns
from reasoning_vla_ros.ros.bag_publisher import BagPublisher
from reasoning_vla_ros.ros.domains import own_domain_id
from reasoning_vla_ros.ros.expectation import Expectation, header_stamp_ns
from reasoning_vla_ros.ros.model_loading import trained_frames_at
from reasoning_vla_ros.ros.node_process import NodeProcess, fastdds_profile, module_command
from reasoning_vla_ros.ros.parameters import parameters_from
from reasoning_vla_ros.ros.qos import OUTPUT_QOS
from reasoning_vla_ros.ros.recorder import Recorder

PLANS_FILE = "plans.mcap"
NODE = "/planner_node"
OUTPUTS = {
    f"{NODE}/output/plan": "reasoning_vla_ros/msg/Plan",
    f"{NODE}/output/trajectory": "reasoning_vla_ros/msg/PlannedTrajectory",
    f"{NODE}/output/path": "nav_msgs/msg/Path",
    f"{NODE}/output/reasoning": "reasoning_vla_ros/msg/ReasoningTrace",
}
PLAN_TOPIC = f"{NODE}/output/plan"
TRACE_TOPIC = f"{NODE}/output/reasoning"
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
# A node that has begun no plan by then will not.
NO_PLAN_S = 0.3
# A plan's trajectory and path come after the plan itself.
LAST_OUTPUTS_S = 0.3


class DemoError(RuntimeError):
    """The node could not be brought to plan; the message has what it said."""


@dataclass(frozen=True)
class DemoResult:
    """What came of a demo: the recorded plans and how many there were; `num_frames` frames of the first camera."""

    plans_path: Path
    num_frames: int
    num_plans: int
    num_valid: int
    seconds: float


def run_demo(
    bag: Path | str,
    model_path: str,
    output_dir: Path | str,
    cameras: Mapping[str, str],
    odometry_topic: str = "/odometry",
    *,
    parameters: Mapping[str, Any] | None = None,
    max_plans: int | None = None,
    realtime: bool = False,
    start_timeout_s: float = 120.0,
    plan_timeout_s: float = 120.0,
    console: Console | None = None,
) -> DemoResult:
    """Starts planner_node as a process, plays the bag into it over DDS, and records what it publishes.

    The bag is played at the speed of the recording. Unless `realtime`, it waits at each frame of the first camera
    until the plan for the frame before it is there, so that a slow machine gets as many plans as a fast one. The bag's
    clock stands meanwhile: latencies are then found in the plan's durations, not in its publish_stamp.

    Args:
        bag: what :class:`reasoning_vla_ros.bags.BagReader` takes.
        model_path: folder or hub id of the model.
        output_dir: gets plans.mcap, planner.param.yaml and planner_node.log; made if missing, plans.mcap replaced.
        cameras: image topic by the parameter's entry, as in {"front:1": "/camera/front/image"}, ids ascending.
        odometry_topic: nav_msgs/Odometry.
        parameters: more parameters of the node.
        max_plans: stop after so many.
        realtime: never wait, whatever the planner manages.
        start_timeout_s: how long loading the model may take.
        plan_timeout_s: how long one plan may take.
        console: where progress is shown; None for the standard output.

    Raises:
        BagError: the bag cannot be read or lacks a topic.
        ParameterError: a parameter that the node would refuse.
        DemoError: the node ended, could not load the model, or was not active in time.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    begin_s = time.monotonic()
    with ExitStack() as stack:
        reader = stack.enter_context(BagReader(bag, on_truncated="warn"))
        reader.require_topics(
            {topic: IMAGE_TYPES for topic in cameras.values()} | {odometry_topic: "nav_msgs/msg/Odometry"}
        )
        first_topic = next(iter(cameras.values()))
        compressed = reader.topics[first_topic].msg_type == IMAGE_TYPES[1]
        values: dict[str, Any] = {
            "model_path": str(model_path),
            "cameras": list(cameras),
            "image_transport": "compressed" if compressed else "raw",
            "diagnostics_rate_hz": 20.0,
            **(parameters or {}),
        }
        settings = parameters_from(values)
        suffix = "/compressed" if compressed else ""
        remappings = {f"~/input/{entry.partition(':')[0]}/image{suffix}": topic for entry, topic in cameras.items()}
        remappings["~/input/odometry"] = odometry_topic
        if (profile := fastdds_profile()) is not None:
            os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
        domain_id = stack.enter_context(own_domain_id())
        environment = {"ROS_DOMAIN_ID": str(domain_id), "ROS_LOG_DIR": str(folder / "ros_log")}
        command = module_command("reasoning_vla_ros.ros.planner_node")
        values["use_sim_time"] = True
        process = NodeProcess("planner_node", command, folder, values, remappings, environment)
        context = rclpy.Context()
        rclpy.init(args=[], context=context, domain_id=domain_id)
        stack.callback(context.try_shutdown)
        writer = stack.enter_context(BagWriter(folder / PLANS_FILE, overwrite=True))
        stage = _Stage(context, reader, writer, [*cameras.values(), odometry_topic], first_topic, odometry_topic)
        stack.callback(stage.close)
        stack.enter_context(process)
        with _progress(console, reader.topics[first_topic].count) as progress:
            task = progress.add_task("loading the model", total=reader.topics[first_topic].count)
            stage.show = lambda text: progress.update(task, description=text[:60])
            stage.await_active(process, start_timeout_s)
            config = settings.observation_config(trained_frames_at(str(model_path)))
            expectation = Expectation(config, settings.max_rate_hz)
            for _ in stage.play(expectation, process, realtime, plan_timeout_s, max_plans or math.inf):
                progress.advance(task)
        return DemoResult(
            folder / PLANS_FILE, stage.num_frames, stage.num_plans, stage.num_valid, time.monotonic() - begin_s
        )


class _Stage:
    """This process's side of the demo: it plays, listens and waits."""

    def __init__(
        self,
        context: Any,
        reader: BagReader,
        writer: BagWriter,
        topics: list[str],
        frame_topic: str,
        odometry_topic: str,
    ) -> None:
        self.node = Node("demo", context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.publisher = BagPublisher(self.node, reader, topics, with_clock=True)
        self.bag_ns = reader.start_ns
        Recorder(self.node, writer, OUTPUTS, lambda: self.bag_ns, self._on_output)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, OUTPUT_QOS)
        self.show: Callable[[str], None] = lambda text: None
        self.num_frames = self.num_plans = self.num_valid = 0
        self._frame_topic = frame_topic
        self._all_frames = reader.topics[frame_topic].count
        self._odometry_topic = odometry_topic
        self._plan_ns = -1
        self._planner: Any = None
        self._idle_reports = 0
        self._inputs_received = 0

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()

    def await_active(self, process: NodeProcess, timeout_s: float) -> None:
        """Waits until the node is active and all topics are matched."""
        end_s = time.monotonic() + timeout_s
        while not self._is_ready():
            self._require_running(process)
            problem = self._planner.message if self._planner is not None else ""
            if problem.startswith("not configured"):
                raise DemoError(f"planner_node could not start: {problem}")
            if time.monotonic() > end_s:
                raise DemoError(f"planner_node was not active within {timeout_s:.0f} s; its log: {process.log_tail()}")
            self.executor.spin_once(timeout_sec=0.1)
        self._send_first_messages(process, end_s)

    def _send_first_messages(self, process: NodeProcess, end_s: float) -> None:
        """Publishes the first message of each topic until the node has them all.

        A best-effort message that is sent while the reader's side of DDS is still matching is lost. The node drops a
        message that it has already, so these do no harm.
        """
        first: dict[str, RawMessage] = {}
        for raw in self.publisher.messages():
            first.setdefault(raw.topic, raw)
            if len(first) == len(self.publisher.topics):
                break
        while self._inputs_received < len(first):
            self._require_running(process)
            if time.monotonic() > end_s:
                raise DemoError(f"planner_node received nothing from one of {', '.join(first)}")
            for raw in first.values():
                self.publisher.publish(raw)
            self._spin_until(time.monotonic() + 0.2)

    def play(
        self,
        expectation: Expectation,
        process: NodeProcess,
        realtime: bool,
        plan_timeout_s: float,
        max_plans: float,
    ) -> Iterator[int]:
        """Plays the bag; yields at each frame of the first camera."""
        start_s, start_ns = time.monotonic(), self.bag_ns
        for raw in self.publisher.messages():
            if self.num_plans >= max_plans or (self.num_frames == self._all_frames and expectation.is_covered()):
                break
            if raw.topic == self._frame_topic and not realtime:
                wait_s = self._await_plan(expectation, process, plan_timeout_s)
                start_s += wait_s
            self._spin_until(start_s + (raw.time_ns - start_ns) * 1e-9, with_clock_from=(start_s, start_ns))
            self.bag_ns = max(self.bag_ns, raw.time_ns)
            self.publisher.publish(raw)
            self._idle_reports = 0
            if raw.topic == self._frame_topic:
                self.num_frames += 1
                expectation.frame(header_stamp_ns(raw))
                yield self.num_frames
            elif raw.topic == self._odometry_topic:
                expectation.pose(header_stamp_ns(raw))
        if self.num_plans < max_plans:
            self._await_plan(expectation, process, plan_timeout_s)
        self._spin_until(time.monotonic() + LAST_OUTPUTS_S)

    def _await_plan(self, expectation: Expectation, process: NodeProcess, timeout_s: float) -> float:
        """Waits for the plan of the last frame, unless none is due or the node reports that none comes; seconds."""
        due_ns = expectation.due_ns()
        begin_s = time.monotonic()
        while due_ns is not None and self._plan_ns < due_ns and (waited_s := time.monotonic() - begin_s) < timeout_s:
            self._require_running(process)
            # Two reports in a row without a plan in flight: the node refused the input or lost it.
            if self._idle_reports >= 2 and waited_s > NO_PLAN_S:
                break
            self.executor.spin_once(timeout_sec=0.05)
        if due_ns is not None and self._plan_ns >= due_ns:
            expectation.planned(self._plan_ns)
        return time.monotonic() - begin_s

    def _spin_until(self, due_s: float, with_clock_from: tuple[float, int] | None = None) -> None:
        while (left_s := due_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left_s, 0.01))
            if with_clock_from is not None:
                start_s, first_ns = with_clock_from
                self.bag_ns = max(self.bag_ns, first_ns + round((time.monotonic() - start_s) * NS_PER_S))
                self.publisher.publish_clock(self.bag_ns)

    def _is_ready(self) -> bool:
        values = {value.key: value.value for value in self._planner.values} if self._planner is not None else {}
        matched = all(self.publisher.subscriptions(topic) for topic in self.publisher.topics)
        return values.get("state") == "active" and matched

    def _require_running(self, process: NodeProcess) -> None:
        if (code := process.return_code) is not None:
            raise DemoError(f"planner_node ended with exit code {code}; its log: {process.log_tail()}")

    def _on_output(self, topic: str, message: Any) -> None:
        if topic == PLAN_TOPIC:
            self.num_plans += 1
            self.num_valid += message.selected >= 0
            self._plan_ns = max(self._plan_ns, stamp_to_ns(message.header.stamp))
        elif topic == TRACE_TOPIC:
            self.show(" ".join(message.text.split()) or "planning")

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        counts = [value.value for status in array.status for value in status.values if value.key == "received"]
        self._inputs_received = sum(count != "0" for count in counts)
        for status in array.status:
            if status.name == "planner_node: planner":
                self._planner = status
                in_flight = any(value.key == "in_flight" and value.value == "true" for value in status.values)
                self._idle_reports = 0 if in_flight else self._idle_reports + 1


def _progress(console: Console | None, total: int) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
