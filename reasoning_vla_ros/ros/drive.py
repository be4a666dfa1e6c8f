"""The closed loop over DDS: simulator, planner and follower as processes of their own, all that they say recorded."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from reasoning_vla_ros.bags.writer import BagWriter
from reasoning_vla_ros.ros.domains import own_domain_id
from reasoning_vla_ros.ros.drive_recorder import CAMERA_INFO, IMAGE, DriveRecorder, OnMessage
from reasoning_vla_ros.ros.node_process import NodeProcess, fastdds_profile, module_command
from reasoning_vla_ros.ros.parameters import parameters_from
from reasoning_vla_ros.ros.simulator_node import WARM_UP_S

BAG_FILE = "drive.mcap"
ODOMETRY, INSTRUCTION, COMMAND = "/odometry", "/instruction", "/cmd_vel"
MAP, TRAFFIC, DIAGNOSTICS = "/map_markers", "/traffic", "/diagnostics"
PLAN, TRACE = "/planner_node/output/plan", "/planner_node/output/reasoning"
TOPICS = {
    ODOMETRY: "nav_msgs/msg/Odometry",
    INSTRUCTION: "std_msgs/msg/String",
    COMMAND: "geometry_msgs/msg/TwistStamped",
    MAP: "visualization_msgs/msg/MarkerArray",
    TRAFFIC: "visualization_msgs/msg/MarkerArray",
    DIAGNOSTICS: "diagnostic_msgs/msg/DiagnosticArray",
    PLAN: "reasoning_vla_ros/msg/Plan",
    TRACE: "reasoning_vla_ros/msg/ReasoningTrace",
    "/planner_node/output/trajectory": "reasoning_vla_ros/msg/PlannedTrajectory",
    "/planner_node/output/path": "nav_msgs/msg/Path",
    "/planner_node/output/markers": "visualization_msgs/msg/MarkerArray",
}
# So often the simulator may stand still for as long as it does, and nobody answers.
MAX_WAITS_IN_VAIN = 2
# What the last of the nodes said may still be on its way.
LAST_MESSAGES_S = 0.3


class DriveError(RuntimeError):
    """The loop could not be closed, or broke; the message has what the node at fault said."""


@dataclass(frozen=True)
class DriveNodes:
    """How the nodes of a drive are started, without ROS arguments, and their parameters.

    Attributes:
        simulator, planner, follower: commands, such as `node_process.module_command` gives.
        simulator_parameters, planner_parameters, follower_parameters: on top of those that the loop needs.
        planned_camera: what the planner sees, as the planner's parameter has it, such as "front:1".
        other_cameras: names of those that are recorded besides.
        cameras_in_base: poses of the optical frames in base_link by frame, float64 [4, 4].
    """

    simulator: Sequence[str]
    planner: Sequence[str] = field(default_factory=lambda: module_command("reasoning_vla_ros.ros.planner_node"))
    follower: Sequence[str] = field(default_factory=lambda: module_command("reasoning_vla_ros.ros.follower_node"))
    simulator_parameters: Mapping[str, Any] = field(default_factory=dict)
    planner_parameters: Mapping[str, Any] = field(default_factory=dict)
    follower_parameters: Mapping[str, Any] = field(default_factory=dict)
    planned_camera: str = "front:1"
    other_cameras: tuple[str, ...] = ()
    cameras_in_base: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def camera_name(self) -> str:
        return self.planned_camera.partition(":")[0]


def run_drive(
    nodes: DriveNodes,
    tour: Sequence[str],
    leg_s: float,
    output_dir: Path | str,
    *,
    realtime: bool = False,
    start_timeout_s: float = 180.0,
    standstill_limit_s: float = 120.0,
    on_message: OnMessage = lambda topic, message, time_ns: None,
    on_turn: Callable[[str], None] = lambda text: None,
) -> Path:
    """Lets the planner drive through the scenarios of a tour; the path of the recording.

    The simulator's own driver begins each scenario, until the planner has its history, `simulator_node.WARM_UP_S`.
    Unless `realtime`, time stands still until there is a plan, so that a slow machine drives as well as a fast one.

    Args:
        nodes: what is run.
        tour: scenarios with their seeds, such as "highway:3".
        leg_s: of scene time that the planner drives in each of them at most.
        output_dir: gets drive.mcap, and parameters and log of each node; made if missing, files in it replaced.
        realtime: time goes on as on a road, whatever the planner manages.
        start_timeout_s: how long loading the model may take.
        standstill_limit_s: how long the simulator's time may stand still.
        on_message: called with topic, message (of `bags.types`) and time in the recording, nanoseconds, as they come.
        on_turn: called all the time, with what is being waited for.

    Raises:
        ParameterError: a parameter that the planner would refuse.
        DriveError: a node ended, could not load its model, or nothing moves any more.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    planner_parameters = {
        "cameras": [nodes.planned_camera],
        "diagnostics_rate_hz": 5.0,
        **({} if realtime else {"max_input_age_s": 0.0}),
        **nodes.planner_parameters,
    }
    parameters_from(planner_parameters)
    simulator_parameters = {
        "tour": " ".join(tour),
        "max_duration_s": leg_s + WARM_UP_S,
        "lockstep": "off" if realtime else "plan",
        "rate": 1.0 if realtime else 1000.0,
        "diagnostics_rate_hz": 5.0,
        **nodes.simulator_parameters,
    }
    if (profile := fastdds_profile()) is not None:
        os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        domain_id = stack.enter_context(own_domain_id())
        environment = {"ROS_DOMAIN_ID": str(domain_id), "ROS_LOG_DIR": str(folder / "ros_log")}
        writer = stack.enter_context(BagWriter(folder / BAG_FILE, overwrite=True, latched_topics=("/tf_static", MAP)))
        context = rclpy.Context()
        rclpy.init(args=[], context=context, domain_id=domain_id)
        stack.callback(context.try_shutdown)
        listener = _Listener(context, writer, nodes, on_message, on_turn)
        stack.callback(listener.close)

        def start(name: str, command: Sequence[str], parameters: Mapping[str, Any], names: Mapping[str, str]) -> None:
            values = {"use_sim_time": True, **parameters} if name != "simulator_node" else parameters
            process = NodeProcess(name, command, folder, values, names, environment)
            listener.processes.append(stack.enter_context(process))

        start("planner_node", nodes.planner, planner_parameters, _planner_names(nodes))
        start("follower_node", nodes.follower, nodes.follower_parameters, FOLLOWER_NAMES)
        listener.await_planner(start_timeout_s)
        start("simulator_node", nodes.simulator, simulator_parameters, _simulator_names(nodes))
        listener.await_end(standstill_limit_s)
    return folder / BAG_FILE


FOLLOWER_NAMES = {
    "~/input/odometry": ODOMETRY,
    "~/input/trajectory": "/planner_node/output/trajectory",
    "~/output/cmd_vel": COMMAND,
}


def _planner_names(nodes: DriveNodes) -> dict[str, str]:
    return {
        f"~/input/{nodes.camera_name}/image": f"/camera/{nodes.camera_name}/image",
        "~/input/odometry": ODOMETRY,
        "~/input/instruction": INSTRUCTION,
    }


def _simulator_names(nodes: DriveNodes) -> dict[str, str]:
    names = {
        "~/output/odometry": ODOMETRY,
        "~/output/instruction": INSTRUCTION,
        "~/output/map": MAP,
        "~/output/traffic": TRAFFIC,
        "~/input/cmd_vel": COMMAND,
        "~/input/plan": PLAN,
    }
    for camera in (nodes.camera_name, *nodes.other_cameras):
        for kind in ("image", "camera_info"):
            names[f"~/output/{camera}/{kind}"] = f"/camera/{camera}/{kind}"
    return names


class _Listener:
    """This process's side: it records, and watches over the nodes."""

    def __init__(
        self,
        context: Any,
        writer: BagWriter,
        nodes: DriveNodes,
        on_message: OnMessage,
        on_turn: Callable[[str], None],
    ) -> None:
        self.processes: list[NodeProcess] = []
        self._on_message, self._on_turn = on_message, on_turn
        self._statuses: dict[str, Any] = {}
        self._num_odometry, self._moved_s = 0, time.monotonic()
        self._node = Node("drive", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._planned_image = f"/camera/{nodes.camera_name}/image"
        infos = [f"/camera/{camera}/camera_info" for camera in (nodes.camera_name, *nodes.other_cameras)]
        others = [f"/camera/{camera}/image" for camera in nodes.other_cameras]
        self._recorder = DriveRecorder(
            self._node,
            writer,
            {**TOPICS, **dict.fromkeys(infos, CAMERA_INFO), **dict.fromkeys(others, IMAGE)},
            latched=(INSTRUCTION, MAP),
            late=tuple(topic for topic in TOPICS if topic.startswith("/planner_node/")),
            lossless=(self._planned_image,),
            cameras_in_base=nodes.cameras_in_base,
            odometry_topic=ODOMETRY,
            start_ns=time.time_ns(),
            on_message=self._take,
        )

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()

    def await_planner(self, timeout_s: float) -> None:
        """Waits until the planner has its model and is active."""
        end_s = time.monotonic() + timeout_s
        while self._value("planner_node: planner", "state") != "active":
            self._turn("loading the model")
            message = self._message("planner_node: planner")
            if message.startswith("not configured"):
                raise DriveError(f"planner_node could not start: {message}")
            if time.monotonic() > end_s:
                raise DriveError(
                    f"planner_node was not active within {timeout_s:g} s; its log:\n{self.processes[0].log_tail()}"
                )

    def await_end(self, standstill_limit_s: float) -> None:
        """Listens until the simulator has driven all of its tour."""
        simulator = self.processes[-1]
        self._moved_s = time.monotonic()
        while simulator.return_code is None:
            self._turn(self._message("simulator_node: simulator") or "starting the simulator")
            if time.monotonic() - self._moved_s > standstill_limit_s:
                raise DriveError(f"nothing has moved for {standstill_limit_s:g} s; {self._last_words()}")
            waits = int(self._value("simulator_node: simulator", "waits_in_vain") or 0)
            if waits > MAX_WAITS_IN_VAIN:
                raise DriveError(f"the simulator has waited {waits} times in vain; {self._last_words()}")
        end_s = time.monotonic() + LAST_MESSAGES_S
        while time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.05)
        if not self._num_odometry:
            raise DriveError(f"simulator_node ended and sent no odometry; its log:\n{simulator.log_tail()}")

    def _last_words(self) -> str:
        """Status of planner and follower, and the last lines of all logs."""
        said = [f"{name}: {self._message(name)}" for name in ("planner_node: planner", "follower_node: follower")]
        return "\n".join([*said, *(f"{process.name}'s log:\n{process.log_tail()}" for process in self.processes)])

    def _turn(self, waits_for: str) -> None:
        self._executor.spin_once(timeout_sec=0.05)
        self._on_turn(waits_for)
        for process in self.processes:
            code = process.return_code
            if code is not None and not (process.name == "simulator_node" and code == 0):
                raise DriveError(f"{process.name} ended with exit code {code}; its log:\n{process.log_tail(12)}")

    def _take(self, topic: str, message: Any, time_ns: int) -> None:
        if topic == DIAGNOSTICS:
            self._statuses |= {status.name: status for status in message.status}
        elif topic == ODOMETRY:
            self._moved_s = time.monotonic()
            self._num_odometry += 1
            if self._num_odometry == 3:
                # In lockstep the simulator waits for somebody to take the images, which must be the planner: only now
                # that it goes on does this one take them too.
                self._recorder.listen(self._planned_image, IMAGE)
        self._on_message(topic, message, time_ns)

    def _message(self, name: str) -> str:
        status = self._statuses.get(name)
        return "" if status is None else str(status.message)

    def _value(self, name: str, key: str) -> str:
        status = self._statuses.get(name)
        values = [] if status is None else [value.value for value in status.values if value.key == key]
        return values[0] if values else ""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process in order, as Ctrl-C does, so that it takes its nodes with it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
