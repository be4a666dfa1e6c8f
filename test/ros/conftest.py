"""A planner node with a stub planner, and a node that feeds and hears it over real DDS."""

from __future__ import annotations

import array
import dataclasses
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan, StageSeconds
from reasoning_vla_ros.ros.parameters import parameter_specs

ROS_ABSENT = "ROS 2 or the built package is absent; run `make setup` and `. scripts/ros_env.sh`"
T0_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
WIDTH, HEIGHT = 32, 24
SPEED_MPS = 10.0


@pytest.fixture(scope="session")
def ros_domain_id() -> Iterator[int]:
    """A DDS domain of this process's own, so that tests in parallel do not hear each other."""
    for domain_id in range(1, 100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as lock:
            try:
                lock.bind(("127.0.0.1", 32768 - domain_id))
            except OSError:
                continue
            os.environ["ROS_DOMAIN_ID"] = str(domain_id)
            yield domain_id
            return
    pytest.fail("no free ROS domain among 1..99")


@pytest.fixture(scope="session")
def ros_context(ros_domain_id: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """rclpy, initialised in that domain."""
    rclpy = pytest.importorskip("rclpy", reason=ROS_ABSENT)
    os.environ["ROS_LOG_DIR"] = str(tmp_path_factory.mktemp("ros_log"))
    rclpy.init(domain_id=ros_domain_id)
    yield
    rclpy.try_shutdown()


class StubPlanner:
    """Goes straight on at the speed it sees. Tests set how it misbehaves."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.observations: list[Observation] = []
        self.seeds: list[int | None] = []
        self.delay_s = 0.0
        self.pause_s = 0.0  # between texts
        self.error: Exception | None = None
        self.is_valid = True
        self.texts: tuple[str, ...] = ("keep", "keep going")

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: Callable[[str, bool], None] | None = None,
        seed: int | None = None,
    ) -> Plan:
        self.observations.append(observation)
        self.seeds.append(seed)
        time.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        for text in self.texts:
            if on_text is not None:
                on_text(text, text == self.texts[-1])
                time.sleep(self.pause_s)
        speed = float(-observation.history_xyz[-2, 0]) / observation.dt_s
        times = np.arange(1, 65) * 0.1
        xyz = np.zeros((num_samples, 64, 3), np.float32)
        xyz[:, :, 0] = speed * times
        return Plan(
            t0_ns=observation.t0_ns,
            xyz=xyz,
            rot=np.tile(np.eye(3, dtype=np.float32), (num_samples, 64, 1, 1)),
            speed_mps=np.full((num_samples, 64), speed, np.float32),
            dt_s=0.1,
            score=np.full(num_samples, -1.0, np.float32),
            valid=np.full(num_samples, self.is_valid),
            invalid_reasons=("" if self.is_valid else "speed 99.00 m/s, it may be at most 70 m/s",) * num_samples,
            selected=0 if self.is_valid else -1,
            reasoning=(self.texts[-1],) * num_samples,
            meta_actions=("go straight",) * num_samples,
            reasoning_complete=(True,) * num_samples,
            num_prompt_tokens=100,
            num_reasoning_tokens=(2,) * num_samples,
            num_trajectory_tokens=128,
            seconds=StageSeconds(0.01, 0.02, 0.03, 0.04, 0.1),
            seed=seed or 0,
        )


class Rig:
    """The node under test and a tester, both spun by the test itself, so that nothing depends on timing."""

    def __init__(self, namespace: str, parameters: dict[str, Any]) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.parameter import Parameter
        from visualization_msgs.msg import MarkerArray

        from reasoning_vla_ros.ros import message_types
        from reasoning_vla_ros.ros.model_loading import load_planner
        from reasoning_vla_ros.ros.planner_node import PlannerNode
        from reasoning_vla_ros.ros.qos import LATCHED_QOS, OUTPUT_QOS, SENSOR_QOS

        self.types = message_types
        self.planner = StubPlanner()
        values = {"model_path": "stub", "max_input_age_s": 0.0, "diagnostics_rate_hz": 20.0, **parameters}
        self.defaults = values
        self.node = PlannerNode(
            lambda params: self.planner if params.model_path == "stub" else load_planner(params),
            namespace=namespace,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        self.tester = Node("tester", namespace=namespace)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.tester)
        self.heard: dict[str, list[Any]] = {}
        prefix = f"/{namespace}/planner_node"
        outputs = {
            "plan": message_types.Plan,
            "trajectory": message_types.PlannedTrajectory,
            "path": message_types.PathMsg,
            "reasoning": message_types.ReasoningTrace,
            "markers": MarkerArray,
        }
        for name, message_class in outputs.items():
            self._hear(name, message_class, f"{prefix}/output/{name}", OUTPUT_QOS)
        self._hear("diagnostics", DiagnosticArray, "/diagnostics", OUTPUT_QOS)
        self.cameras = [entry.partition(":")[0] for entry in values.get("cameras", ["front:1"])]
        compressed = values.get("image_transport") == "compressed"
        self.image_class = message_types.CompressedImage if compressed else message_types.Image
        suffix = "/compressed" if compressed else ""
        self.publishers = {
            name: self.tester.create_publisher(self.image_class, f"{prefix}/input/{name}/image{suffix}", SENSOR_QOS)
            for name in self.cameras
        }
        odometry = message_types.Odometry
        self.publishers["odometry"] = self.tester.create_publisher(odometry, f"{prefix}/input/odometry", SENSOR_QOS)
        instruction = f"{prefix}/input/instruction"
        self.publishers["instruction"] = self.tester.create_publisher(message_types.String, instruction, LATCHED_QOS)
        self.next_ns = T0_NS

    def _hear(self, name: str, message_class: Any, topic: str, qos: Any) -> None:
        self.heard[name] = []
        self.tester.create_subscription(message_class, topic, self.heard[name].append, qos)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.close()
        self.node.destroy_node()
        self.tester.destroy_node()

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Spins until the condition is true and gives its value; fails the test when it never is."""
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > end_s:
                statuses = {name: (status.level, status.message) for name, status in self.statuses().items()}
                pytest.fail(f"nothing came within {timeout_s} s; diagnostics: {statuses}")
            self.executor.spin_once(timeout_sec=0.05)
        return value

    def spin_for(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left_s)

    def set(self, **values: Any) -> list[Any]:
        """Sets parameters of the node; the results."""
        from rclpy.parameter import Parameter

        return self.node.set_parameters([Parameter(name, value=value) for name, value in values.items()])

    def start(self) -> None:
        """The node active with its parameters, empty buffers and a well-behaved planner, all ends matched."""
        self.stop()
        self.planner.reset()
        table = {spec.name: spec.default for spec in parameter_specs()}
        results = self.set(
            **{name: list(value) if isinstance(value, tuple) else value for name, value in table.items()}
        )
        results += self.set(**self.defaults)
        assert all(result.successful for result in results), results
        assert self.node.start()
        for name in ("plan", "trajectory", "path", "reasoning", "markers"):
            topic = f"{self.tester.get_namespace()}/planner_node/output/{name}"
            self.spin_until(lambda topic=topic: self.tester.count_publishers(topic))
        outputs = self.node._outputs
        matched = (outputs._plan, outputs._trajectory, outputs._path, outputs._reasoning, outputs._markers)
        self.spin_until(lambda: all(publisher.get_subscription_count() for publisher in matched))
        self.spin_until(lambda: all(publisher.get_subscription_count() for publisher in self.publishers.values()))
        self.clear()

    def stop(self) -> None:
        """The node unconfigured."""
        if self.node._health.state == "active":
            self.node.trigger_deactivate()
        if self.node._health.state == "inactive":
            self.node.trigger_cleanup()

    def clear(self) -> None:
        for messages in self.heard.values():
            messages.clear()

    # Messages -------------------------------------------------------------------------------------------------------

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        stamp = self.types.Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        return self.types.Header(stamp=stamp, frame_id=frame_id)

    def image(self, stamp_ns: int, **changes: Any) -> Any:
        msg = self.types.Image(header=self.header(stamp_ns, "camera"), height=HEIGHT, width=WIDTH, step=WIDTH * 3)
        msg.encoding = "rgb8"
        msg.data = array.array("B", bytes(range(256)) * (WIDTH * HEIGHT * 3 // 256))
        for name, value in changes.items():
            setattr(msg, name, value)
        return msg

    def odometry(self, stamp_ns: int, x: float | None = None, **orientation: float) -> Any:
        msg = self.types.Odometry(header=self.header(stamp_ns, "odom"), child_frame_id="base_link")
        pose = msg.pose.pose
        pose.position.x = SPEED_MPS * (stamp_ns - T0_NS) * 1e-9 if x is None else x
        pose.position.y = 5.0
        pose.orientation.w = 1.0
        for name, value in orientation.items():
            setattr(pose.orientation, name, value)
        return msg

    def feed(self, steps: int = 1, cameras: dict[str, int] | None = None, with_odometry: bool = True) -> int:
        """Publishes odometry and images of so many steps; cameras may be given a lag in ns. The last stamp."""
        lags = {name: 0 for name in self.cameras} if cameras is None else cameras
        for _ in range(steps):
            stamp_ns = self.next_ns
            self.next_ns += STEP_NS
            if with_odometry:
                self._send("odometry", self.odometry(stamp_ns))
            for name, lag_ns in lags.items():
                self._send(name, self.image(stamp_ns - lag_ns))
        return stamp_ns

    def _send(self, name: str, msg: Any) -> None:
        """Publishes until the node has it: the first best-effort messages get lost while DDS is still matching."""
        inputs = self.node._inputs
        if inputs is None:
            self.publishers[name].publish(msg)
            self.spin_for(0.01)
            return
        health = inputs.odometry if name == "odometry" else inputs.cameras[name]
        received = health.received
        for _ in range(20):
            self.publishers[name].publish(msg)
            end_s = time.monotonic() + 0.5
            while time.monotonic() < end_s:
                self.executor.spin_once(timeout_sec=0.02)
                if health.received > received:
                    return
        pytest.fail(f"the node received nothing from {name}")

    def wait_for_output(self, name: str, stamp_ns: int) -> Any:
        """The message of an output topic with that stamp; of the reasoning, the one that is complete."""

        def found() -> Any:
            for msg in self.heard[name]:
                if self.stamp_ns(msg.markers[0] if name == "markers" else msg) == stamp_ns and getattr(
                    msg, "complete", True
                ):
                    return msg
            return None

        return self.spin_until(found)

    def plan_again(self) -> Any:
        """Good input of one period; the plan that comes of it."""
        stamp_ns = self.feed()
        return self.wait_for_output("plan", stamp_ns)

    def feed_until_planning(self) -> Any:
        """Good input until plans come, at the most what an observation needs."""
        stamp_ns = self.feed(steps=17)
        return self.wait_for_output("plan", stamp_ns)

    @staticmethod
    def stamp_ns(msg: Any) -> int:
        return msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec

    # Diagnostics ----------------------------------------------------------------------------------------------------

    def statuses(self) -> dict[str, Any]:
        """The newest status of each name."""
        found = {}
        for msg in self.heard["diagnostics"]:
            found |= {status.name.partition(": ")[2]: status for status in msg.status}
        return found

    def wait_for_status(self, name: str, *texts: str, level: int = 2) -> Any:
        """Spins until a status of that name and level has all the texts in its message."""

        def found() -> Any:
            for msg in self.heard["diagnostics"]:
                for status in msg.status:
                    is_it = status.name.endswith(f": {name}") and status.level == bytes([level])
                    if is_it and all(text in status.message for text in texts):
                        return status
            return None

        return self.spin_until(found)


@pytest.fixture(scope="module")
def rig(request: pytest.FixtureRequest, ros_context: None) -> Iterator[Rig]:
    """One rig a module; a module's RIG_PARAMETERS are the node's."""
    pytest.importorskip("reasoning_vla_ros.msg", reason=ROS_ABSENT)
    namespace = Path(request.module.__file__).stem
    rig = Rig(namespace, getattr(request.module, "RIG_PARAMETERS", {}))
    yield rig
    rig.close()


@pytest.fixture
def active(rig: Rig) -> Rig:
    """The rig with the node active and planning."""
    rig.start()
    t0_ns = rig.stamp_ns(rig.feed_until_planning())
    for name in ("trajectory", "path", "reasoning", "markers"):
        rig.wait_for_output(name, t0_ns)
    rig.clear()
    return rig


@pytest.fixture
def straight_plan() -> Plan:
    """A valid plan at 10 m/s straight on from T0_NS, 64 steps of 0.1 s."""
    history = np.zeros((16, 3), np.float32)
    history[:, 0] = np.arange(-15, 1)
    observation = Observation(T0_NS, (), history, np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)))
    return dataclasses.replace(StubPlanner().plan(observation, seed=1))
