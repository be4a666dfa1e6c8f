"""Follower and simulator over real DDS: each by itself, and the loop of both with a planner that goes straight on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.messages.images import image_to_rgb
from reasoning_vla_ros.messages.plan_messages import plan_to_msg, trajectory_to_path
from reasoning_vla_ros.messages.scene_markers import SceneRoad, SceneThing, road_in, scenario_of, things_in
from reasoning_vla_ros.messages.stamps import ns_to_stamp, stamp_to_ns
from reasoning_vla_ros.planning.plan import Plan

try:
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import Twist, TwistStamped
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import CameraInfo
    from visualization_msgs.msg import MarkerArray

    from reasoning_vla_ros.ros import message_types
    from reasoning_vla_ros.ros.follower_node import FollowerNode
    from reasoning_vla_ros.ros.parameter_specs import ParameterError
    from reasoning_vla_ros.ros.qos import LATCHED_QOS, OUTPUT_QOS, SENSOR_QOS
    from reasoning_vla_ros.ros.simulated_vehicle import SimulatedCamera, SimulatedMotion, VelocityTarget
    from reasoning_vla_ros.ros.simulator_node import START_S, SimulatorNode
    from reasoning_vla_ros.ros.simulator_outputs import stamped_transform
    from reasoning_vla_ros.ros.simulator_parameters import SimulatorParameters
except ImportError as error:
    pytest.skip(f"ROS 2 or the built package is absent: {error}", allow_module_level=True)

T0_NS = 1_700_000_000_000_000_000


class StraightRoad:
    """An empty road along x; the vehicle does at once as it is told, and drives by itself at 8 m/s."""

    def __init__(self, parameters: SimulatorParameters) -> None:
        if parameters.scenario == "nowhere":
            raise ValueError("no scenario 'nowhere'")
        self.x, self.y, self.yaw, self.speed, self.yaw_rate = 0.0, 0.3 * parameters.seed, 0.0, 8.0, 0.0
        self.targets: list[VelocityTarget | None] = []
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [1.6, 0.0, 1.4]
        intrinsics = np.array([[10.0, 0, 16], [0, 10, 12], [0, 0, 1]])
        self.cameras = tuple(SimulatedCamera(e.partition(":")[0], 32, 24, intrinsics, pose) for e in parameters.cameras)
        self.end = ""
        self.instruction = "Keep straight"
        self.road = SceneRoad(np.array([[[0.0, 2.0], [90.0, 2.0], [90.0, -2.0], [0.0, -2.0]]]), np.zeros((0, 4, 2)))
        self.things = (SceneThing(4, "car", (30.0, 1.0), 0.5, (4.5, 1.8, 1.5), is_braking=True),)

    @property
    def motion(self) -> SimulatedMotion:
        return SimulatedMotion((self.x, self.y, 0.0), self.yaw, self.speed, self.yaw_rate)

    def step(self, target: VelocityTarget | None, dt_s: float) -> None:
        self.targets.append(target)
        if target is not None:
            self.speed, self.yaw_rate = target.speed_mps, target.yaw_rate_rps
        self.yaw += self.yaw_rate * dt_s
        self.x += self.speed * dt_s * math.cos(self.yaw)
        self.y += self.speed * dt_s * math.sin(self.yaw)
        if self.x > 80.0:
            self.end = "route driven"

    def image(self, camera: str) -> np.ndarray:
        return np.full((24, 32, 3), min(int(abs(self.x)), 255), np.uint8)


class Stage:
    """An executor, a tester that speaks and hears, and nodes under test."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.tester = Node("tester", namespace=namespace)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.tester)
        self.nodes: list[Any] = []
        self.heard: dict[str, list[Any]] = {}

    def add(self, node_class: Any, *arguments: Any, remappings: dict[str, str] | None = None, **values: Any) -> Any:
        rules = [f"{name}:={topic}" for name, topic in (remappings or {}).items()]
        cli = ["--ros-args", *(item for rule in rules for item in ("-r", rule))] if rules else None
        node = node_class(
            *arguments,
            namespace=self.namespace,
            cli_args=cli,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def hear(self, topic: str, message_class: Any, qos: Any = OUTPUT_QOS) -> list[Any]:
        self.heard[topic] = []
        self.tester.create_subscription(message_class, topic, self.heard[topic].append, qos)
        return self.heard[topic]

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > end_s:
                pytest.fail(
                    f"nothing came within {timeout_s} s; heard { ({k: len(v) for k, v in self.heard.items()}) }"
                )
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def status(self, name: str) -> Any:
        found = [s for array in self.heard["/diagnostics"] for s in array.status if s.name.endswith(f": {name}")]
        return found[-1] if found else None

    def close(self) -> None:
        self.executor.shutdown()
        for node in (*self.nodes, self.tester):
            node.destroy_node()


@pytest.fixture
def stage(request: pytest.FixtureRequest, ros_context: None) -> Iterator[Stage]:
    stage = Stage("".join(c if c.isalnum() else "_" for c in request.node.name))
    yield stage
    stage.close()


def odometry(stamp_ns: int, x: float, speed_mps: float, y: float = 0.0) -> Any:
    header = message_types.Header(stamp=ns_to_stamp(stamp_ns, message_types.Time), frame_id="odom")
    msg = message_types.Odometry(header=header, child_frame_id="base_link")
    msg.pose.pose.position.x, msg.pose.pose.position.y, msg.pose.pose.orientation.w = x, y, 1.0
    msg.twist.twist.linear.x = speed_mps
    return msg


# The follower ---------------------------------------------------------------------------------------------------------


class FollowerStage:
    """The follower, its inputs and outputs matched; the clock stands still, so the test's stamps are the time."""

    def __init__(self, stage: Stage, **values: Any) -> None:
        self.stage = stage
        self.command_class = Twist if values.get("command_type") == "twist" else TwistStamped
        values = {"use_sim_time": True, "diagnostics_rate_hz": 50.0, "max_plan_age_s": 5.0, **values}
        self.node = stage.add(FollowerNode, **values)
        prefix = f"/{stage.namespace}/follower_node"
        self.commands = stage.hear(f"{prefix}/output/cmd_vel", self.command_class)
        stage.hear("/diagnostics", DiagnosticArray)
        make = stage.tester.create_publisher
        self.clock = make(Clock, "/clock", OUTPUT_QOS)
        self.odometry = make(message_types.Odometry, f"{prefix}/input/odometry", SENSOR_QOS)
        self.trajectory = make(message_types.PlannedTrajectory, f"{prefix}/input/trajectory", OUTPUT_QOS)
        self.path = make(message_types.PathMsg, f"{prefix}/input/path", OUTPUT_QOS)
        publishers = (self.clock, self.odometry, self.trajectory, self.path)
        stage.spin_until(lambda: all(publisher.get_subscription_count() for publisher in publishers))
        stage.spin_until(lambda: self.node._commands.get_subscription_count() and stage.heard["/diagnostics"])

    def drive(self, stamp_ns: int, x: float, speed_mps: float, y: float = 0.0) -> None:
        """The clock and odometry of an instant, until the follower has both."""
        self.clock.publish(Clock(clock=ns_to_stamp(stamp_ns, message_types.Time)))
        self.stage.spin_until(lambda: self.node.get_clock().now().nanoseconds == stamp_ns)
        self.odometry.publish(odometry(stamp_ns, x, speed_mps, y))
        self.stage.spin_until(lambda: self.node._vehicle is not None and self.node._vehicle.stamp_ns == stamp_ns)

    def send(self, publisher: Any, msg: Any) -> None:
        """A plan, until the follower has counted it."""
        health = self.node._health
        count = health.plans + health.refused
        publisher.publish(msg)
        self.stage.spin_until(lambda: health.plans + health.refused > count)

    def next_command(self, stamp_ns: int, x: float, speed_mps: float, y: float = 0.0) -> Any:
        self.commands.clear()
        self.drive(stamp_ns, x, speed_mps, y)
        if self.command_class is Twist:
            self.stage.spin_until(lambda: self.node._commanded_ns == stamp_ns)
            self.commands.clear()  # what comes now is of that time: it is repeated until the next odometry
            return self.stage.spin_until(lambda: self.commands)[-1]
        stamped = self.stage.spin_until(
            lambda: [msg for msg in self.commands if stamp_to_ns(msg.header.stamp) == stamp_ns]
        )
        return stamped[-1].twist

    def wait_for_status(self, text: str, level: int) -> Any:
        self.stage.heard["/diagnostics"].clear()

        def found() -> Any:
            status = self.stage.status("follower") if len(self.stage.heard["/diagnostics"]) > 2 else None
            return status if status and text in status.message and status.level == bytes([level]) else None

        return self.stage.spin_until(found)


def test_follower_follows_a_trajectory(stage: Stage, straight_plan: Plan) -> None:
    follower = FollowerStage(stage)
    trajectory = plan_to_msg(straight_plan, (np.zeros(3), np.eye(3)), "odom", message_types).candidates[0]
    follower.wait_for_status("waiting for odometry, a plan", 1)
    follower.drive(T0_NS, 0.0, 10.0)
    follower.wait_for_status("waiting for a plan", 1)
    assert follower.commands == []
    follower.send(follower.trajectory, trajectory)
    twist = follower.next_command(T0_NS + 100_000_000, 1.0, 10.0)
    assert (twist.linear.x, twist.angular.z) == (pytest.approx(10.0, abs=0.01), pytest.approx(0.0, abs=1e-3))
    # Half a metre to the left of the path and too slow: to the right and faster.
    twist = follower.next_command(T0_NS + 200_000_000, 2.0, 9.0, y=0.5)
    assert twist.angular.z < -0.05
    assert twist.linear.x > 9.1
    assert follower.commands[-1].header.frame_id == "base_link"
    status = follower.wait_for_status("following", 0)
    values = {value.key: value.value for value in status.values}
    assert (values["plans"], values["plan_age_s"]) == ("1", "0.200")
    assert float(values["lateral_error_m"]) == pytest.approx(0.5, abs=0.01)


def test_follower_takes_the_vehicles_frame_at_t0(stage: Stage, straight_plan: Plan) -> None:
    follower = FollowerStage(stage)
    trajectory = plan_to_msg(straight_plan, (np.zeros(3), np.eye(3)), "base_link", message_types).candidates[0]
    for step in range(-2, 4):
        follower.drive(T0_NS + step * 100_000_000, 100.0 + step, 10.0, y=7.0)
    follower.send(follower.trajectory, trajectory)
    path = follower.node._follower.path
    np.testing.assert_allclose(path.xy[0], [100.0, 7.0], atol=1e-6)
    follower.send(
        follower.trajectory, plan_to_msg(straight_plan, (np.zeros(3), np.eye(3)), "map", message_types).candidates[0]
    )
    follower.wait_for_status("", 0)
    assert follower.node._health.refused == 1


def test_follower_follows_a_path_with_and_without_stamps(stage: Stage, straight_plan: Plan) -> None:
    follower = FollowerStage(stage, cruise_speed_mps=3.0, command_type="twist")
    plan = plan_to_msg(straight_plan, (np.zeros(3), np.eye(3)), "odom", message_types)
    path = trajectory_to_path(plan.candidates[0], message_types)
    follower.drive(T0_NS, 0.0, 9.0)
    follower.send(follower.path, path)
    assert follower.node._follower.path.duration_s == pytest.approx(6.4)
    assert follower.next_command(T0_NS + 100_000_000, 1.0, 9.0).linear.x > 9.05
    for pose in path.poses:
        pose.header.stamp = path.header.stamp
    follower.send(follower.path, path)
    assert follower.node._follower.path.duration_s == math.inf
    # Both have the same stamp, so the newer message is the one that is followed: slower, at cruising speed.
    assert follower.next_command(T0_NS + 200_000_000, 2.0, 9.0).linear.x < 8.95


def test_follower_says_why_it_stops(stage: Stage, straight_plan: Plan) -> None:
    follower = FollowerStage(stage)
    trajectory = plan_to_msg(straight_plan, (np.zeros(3), np.eye(3)), "odom", message_types).candidates[0]
    follower.drive(T0_NS, 0.0, 10.0)
    trajectory.valid, trajectory.invalid_reason = False, "too fast"
    follower.send(follower.trajectory, trajectory)
    trajectory.valid = True
    trajectory.points[3].pose.position.y = math.nan
    follower.send(follower.trajectory, trajectory)
    trajectory.points[3].pose.position.y = 0.0
    assert follower.node._health.refused == 2
    follower.send(follower.trajectory, trajectory)
    speeds = [
        follower.next_command(T0_NS + 5_100_000_000 + step * 50_000_000, 51.0, 10.0).linear.x for step in range(4)
    ]
    assert speeds[-1] == pytest.approx(10.0 - 0.2 * 2.5, abs=0.01)
    follower.wait_for_status("stopping: the newest plan is 5.250 s old, max_plan_age_s allows 5.000 s", 2)
    assert follower.node.set_parameters([Parameter("max_plan_age_s", value=0.0)])[0].successful
    follower.next_command(T0_NS + 5_400_000_000, 54.0, 10.0)
    follower.wait_for_status("following", 0)
    # Odometry that falls silent while the clock goes on.
    later_ns = T0_NS + 6_100_000_000
    follower.clock.publish(Clock(clock=ns_to_stamp(later_ns, message_types.Time)))
    follower.wait_for_status("stopping: the odometry is 0.700 s old", 2)
    # Time that begins again.
    follower.drive(T0_NS - 10**9, 0.0, 10.0)
    follower.wait_for_status("waiting for a plan", 1)


def test_command_before_the_odometry_has_begun_anew_is_of_the_time_before(stage: Stage, straight_plan: Plan) -> None:
    """A simulator that has begun anew would take it for a command to a vehicle that drives by itself."""
    follower = FollowerStage(stage)
    trajectory = plan_to_msg(straight_plan, (np.zeros(3), np.eye(3)), "odom", message_types).candidates[0]
    follower.drive(T0_NS, 0.0, 10.0)
    follower.send(follower.trajectory, trajectory)
    follower.next_command(T0_NS + 100_000_000, 1.0, 10.0)
    begin_ns = T0_NS - 1000 * 10**9
    follower.clock.publish(Clock(clock=ns_to_stamp(begin_ns, message_types.Time)))
    stage.spin_until(lambda: follower.node.get_clock().now().nanoseconds == begin_ns)
    follower.commands.clear()
    stage.spin_until(lambda: len(follower.commands) >= 2)  # the follower's watch
    assert all(stamp_to_ns(msg.header.stamp) >= T0_NS for msg in follower.commands)


def test_follower_refuses_settings_that_do_not_fit_each_other(stage: Stage) -> None:
    node = stage.add(FollowerNode)
    result = node.set_parameters([Parameter("min_lookahead_m", value=50.0)])[0]
    assert (result.successful, "min_lookahead_m must not exceed" in result.reason) == (False, True)
    result = node.set_parameters([Parameter("rate_hz", value=50.0)])[0]
    assert (result.successful, result.reason) == (
        False,
        "rate_hz: takes effect when the node starts; start it with another value",
    )
    assert node.set_parameters([Parameter("delay_s", value=0.2)])[0].successful
    assert node.parameters.delay_s == 0.2
    with pytest.raises(ParameterError, match="rate_hz: needed"):
        FollowerNode(namespace="bad", parameter_overrides=[Parameter("rate_hz", value=0.0)])


# The simulator --------------------------------------------------------------------------------------------------------


class SimulatorStage:
    """The simulator on a straight road; the test turns it."""

    def __init__(self, stage: Stage, **values: Any) -> None:
        self.stage = stage
        values = {"rate": 1000.0, "diagnostics_rate_hz": 50.0, **values}
        self.node = stage.add(SimulatorNode, StraightRoad, **values)
        self.prefix = f"/{stage.namespace}/simulator_node"
        self.clock = stage.hear("/clock", Clock)
        self.odometry = stage.hear(f"{self.prefix}/output/odometry", message_types.Odometry)
        stage.hear("/diagnostics", DiagnosticArray)
        self.command = stage.tester.create_publisher(TwistStamped, f"{self.prefix}/input/cmd_vel", OUTPUT_QOS)
        stage.spin_until(lambda: self.command.get_subscription_count())
        publishers = (self.node._outputs._clock, self.node._outputs._odometry, self.node._diagnostics)
        stage.spin_until(lambda: all(publisher.get_subscription_count() for publisher in publishers))

    def images(self, camera: str) -> tuple[list[Any], list[Any]]:
        images = self.stage.hear(f"{self.prefix}/output/{camera}/image", message_types.Image)
        infos = self.stage.hear(f"{self.prefix}/output/{camera}/camera_info", CameraInfo)
        outputs = self.node._outputs
        publishers = (outputs._images[camera], outputs._infos[camera])
        self.stage.spin_until(lambda: all(publisher.get_subscription_count() for publisher in publishers))
        return images, infos

    def steps(self, count: int) -> None:
        """Steps, each until the odometry of it has come."""
        for _ in range(count):
            self.node.step()
            stamp_ns = self.node.stamp_ns
            self.stage.spin_until(lambda stamp_ns=stamp_ns: self.newest_ns() == stamp_ns)

    def newest_ns(self) -> int:
        return stamp_to_ns(self.odometry[-1].header.stamp) if self.odometry else 0

    def send(self, speed_mps: float, yaw_rate_rps: float = 0.0) -> None:
        msg = TwistStamped()
        msg.header.stamp = ns_to_stamp(self.node.stamp_ns, message_types.Time)
        msg.twist.linear.x, msg.twist.angular.z = speed_mps, yaw_rate_rps
        self.command.publish(msg)
        self.stage.spin_until(lambda: self.node._run.target == VelocityTarget(speed_mps, yaw_rate_rps))


def test_simulator_publishes_what_its_vehicle_does_and_sees(stage: Stage) -> None:
    simulator = SimulatorStage(stage, cameras=["front:0", "left:60"])
    images, infos = simulator.images("left")
    simulator.steps(4)
    stage.spin_until(lambda: len(infos) == 2)
    start_ns = START_S * 10**9
    assert [stamp_to_ns(msg.header.stamp) - start_ns for msg in images] == [100_000_000, 200_000_000]
    assert image_to_rgb(images[1]).shape == (24, 32, 3)
    assert images[0].header == infos[0].header
    assert images[0].header.frame_id == "camera_left_optical_frame"
    assert infos[0].k.tolist() == [10, 0, 16, 0, 10, 12, 0, 0, 1]
    assert infos[0].p.tolist() == [10, 0, 16, 0, 0, 10, 12, 0, 0, 0, 1, 0]
    newest = simulator.odometry[-1]
    assert (newest.header.frame_id, newest.child_frame_id) == ("odom", "base_link")
    assert newest.pose.pose.position.x == pytest.approx(1.6)
    assert newest.twist.twist.linear.x == 8.0
    stage.spin_until(lambda: stamp_to_ns(simulator.clock[-1].clock) == start_ns + 200_000_000)
    assert simulator.node.vehicle.targets == [None] * 4  # it drives by itself


def test_simulator_does_as_it_is_told_and_brakes_when_nobody_tells(stage: Stage) -> None:
    simulator = SimulatorStage(stage, command_timeout_s=0.2)
    simulator.send(5.0, 0.1)
    simulator.steps(6)
    targets = simulator.node.vehicle.targets
    assert targets == [VelocityTarget(5.0, 0.1)] * 5 + [VelocityTarget(0.0, 0.0)]
    simulator.command.publish(TwistStamped(twist=Twist()))
    bad = TwistStamped()
    bad.twist.linear.x = math.nan
    simulator.command.publish(bad)
    stage.spin_until(lambda: simulator.node._run.target == VelocityTarget(0.0, 0.0))


def test_seed_starts_anew_with_time_that_jumps_back(stage: Stage) -> None:
    simulator = SimulatorStage(stage)
    simulator.steps(1)
    simulator.send(5.0)
    before_ns = simulator.newest_ns()
    assert simulator.node.set_parameters([Parameter("seed", value=3)])[0].successful
    simulator.steps(1)
    assert simulator.newest_ns() < before_ns - 500_000_000
    assert simulator.odometry[-1].pose.pose.position.y == pytest.approx(0.9)
    assert simulator.node._current_target() is None
    assert not simulator.node.set_parameters([Parameter("seed", value=-1)])[0].successful
    assert simulator.node.set_parameters([Parameter("scenario", value="nowhere")])[0].successful
    simulator.steps(1)
    assert simulator.odometry[-1].pose.pose.position.y == pytest.approx(0.9)


@pytest.mark.parametrize("at_end", ["stay", "next", "exit"])
def test_end_of_a_scenario(stage: Stage, at_end: str) -> None:
    simulator = SimulatorStage(stage, at_end=at_end)
    simulator.node.vehicle.x = 79.9
    goes_on = simulator.node.step()
    assert goes_on == (at_end != "exit")
    stage.spin_until(lambda: stage.status("simulator") and stage.status("simulator").message == "route driven")
    simulator.steps(1)
    assert simulator.node.parameters.seed == (1 if at_end == "next" else 0)
    assert (simulator.node.vehicle.x < 1.0) == (at_end == "next")


def test_tour_of_scenarios_with_the_road_and_what_is_on_it(stage: Stage) -> None:
    simulator = SimulatorStage(stage, tour="road:2 street:5", max_duration_s=0.2, image_period_s=0.05)
    maps = stage.hear(f"{simulator.prefix}/output/map", MarkerArray, LATCHED_QOS)
    traffic = stage.hear(f"{simulator.prefix}/output/traffic", MarkerArray)
    outputs = simulator.node._outputs
    stage.spin_until(lambda: outputs._map.get_subscription_count() and outputs._traffic.get_subscription_count())
    simulator.steps(5)
    assert (simulator.node.parameters.scenario, simulator.node.parameters.seed) == ("street", 5)
    assert simulator.odometry[-1].pose.pose.position.y == pytest.approx(1.5)
    assert simulator.newest_ns() < START_S * 10**9 - 900 * 10**9
    assert [simulator.node.step() for _ in range(3)] == [True, True, False]
    stage.spin_until(lambda: len(maps) == 2 and len(traffic) >= 5)
    assert [scenario_of(msg) for msg in maps] == [("road", 2), ("street", 5)]
    vehicle = simulator.node.vehicle
    np.testing.assert_allclose(road_in(maps[0]).asphalt, vehicle.road.asphalt)
    assert road_in(maps[0]).paint.shape == (0, 4, 2)
    (seen,), (there,) = things_in(traffic[-1]), vehicle.things
    assert (seen.id, seen.kind, seen.xy, seen.is_braking) == (there.id, there.kind, there.xy, there.is_braking)
    assert seen.yaw_rad == pytest.approx(there.yaw_rad)
    assert seen.size_m == pytest.approx(there.size_m)
    stage.spin_until(lambda: stage.status("simulator").message == "0.2 s are over")


def test_lockstep_waits_for_the_command(stage: Stage) -> None:
    simulator = SimulatorStage(stage, lockstep="command", lockstep_limit_s=0.3)
    node = simulator.node
    simulator.send(8.0)
    assert node.waits_for() == ""
    stage.spin_until(lambda: node.turn(stage.executor) and node.elapsed_s)
    assert (node.elapsed_s, node.waits_for()) == (0.05, "command")
    begin_s = time.monotonic()
    while time.monotonic() - begin_s < 0.2:
        node.turn(stage.executor)
    assert node.elapsed_s == 0.05
    simulator.send(8.1)
    assert node.waits_for() == ""
    stage.spin_until(lambda: node.turn(stage.executor) and node.num_waits_in_vain == 1)
    assert node.elapsed_s > 0.05


def test_lockstep_waits_for_the_plan(stage: Stage) -> None:
    simulator = SimulatorStage(stage, lockstep="plan", lockstep_plan_period_s=0.4)
    node = simulator.node
    assert node.waits_for() == "subscription to the images"
    simulator.images("front")
    assert node.waits_for() == ""
    simulator.steps(39)
    assert node.waits_for() == ""
    simulator.steps(1)
    assert node.waits_for() == "plan"
    plans = stage.tester.create_publisher(message_types.Plan, f"{simulator.prefix}/input/plan", OUTPUT_QOS)
    stage.spin_until(lambda: plans.get_subscription_count())
    plan = message_types.Plan()
    plan.header.stamp = ns_to_stamp(node.stamp_ns - 100_000_000, message_types.Time)
    plans.publish(plan)
    stage.spin_until(lambda: node.waits_for() == "")
    simulator.steps(5)
    assert node.waits_for() == ""
    simulator.steps(1)  # an image 0.4 s after the one that was planned at
    assert node.waits_for() == "plan"


def test_lockstep_goes_on_until_there_is_a_plan_again(stage: Stage) -> None:
    simulator = SimulatorStage(stage, lockstep="plan", lockstep_plan_period_s=0.4, lockstep_limit_s=0.2)
    node = simulator.node
    simulator.images("front")
    stage.spin_until(lambda: node.waits_for() == "")
    simulator.steps(40)
    assert node.waits_for() == "plan"
    stage.spin_until(lambda: node.turn(stage.executor) and node.num_waits_in_vain == 1)
    simulator.steps(20)  # a second without a plan
    assert node.waits_for() == ""
    plans = stage.tester.create_publisher(message_types.Plan, f"{simulator.prefix}/input/plan", OUTPUT_QOS)
    stage.spin_until(lambda: plans.get_subscription_count())
    plan = message_types.Plan()
    plan.header.stamp = ns_to_stamp(node.stamp_ns - 600_000_000, message_types.Time)
    plans.publish(plan)
    stage.spin_until(lambda: node.waits_for() == "plan")
    assert node.num_waits_in_vain == 1


def test_simulator_refuses_parameters_of_no_use(stage: Stage) -> None:
    for values, match in (
        ({"scenario": "nowhere"}, "no scenario 'nowhere'"),
        ({"image_period_s": 0.12}, "multiple of step_s, got 0.12 and 0.05"),
        ({"lockstep": "command", "command_type": "twist"}, "needs command_type 'twist_stamped'"),
        ({"cameras": ["front"]}, "form name:degrees"),
        ({"cameras": ["front:0:8x8"]}, "16 to 4096 pixels each, and a name of its own, got 'front:0:8x8'"),
        ({"tour": "highway"}, "form scenario:seed, got 'highway'"),
    ):
        with pytest.raises(ParameterError, match=match):
            stage.add(SimulatorNode, StraightRoad, **values)


def test_transform_of_a_camera() -> None:
    camera = StraightRoad(SimulatorParameters()).cameras[0]
    pose = camera.camera_in_base
    transform = stamped_transform(T0_NS, "base_link", camera.frame_id, pose[:3, 3], pose[:3, :3])
    q = transform.transform.rotation
    assert (abs(q.x), abs(q.y), abs(q.z), abs(q.w)) == pytest.approx((0.5, 0.5, 0.5, 0.5))
    assert transform.transform.translation.x == 1.6


# The loop -------------------------------------------------------------------------------------------------------------


def test_the_loop_closes_over_dds(stage: Stage) -> None:
    """A planner that wants to be on y = 0 at 6 m/s: the vehicle comes there from y = 0.9 and 8 m/s."""
    names = {"~/input/odometry": "odometry", "~/input/trajectory": "trajectory"}
    follower = stage.add(FollowerNode, remappings=names, use_sim_time=True)
    names = {"~/output/odometry": "odometry", "~/input/cmd_vel": "follower_node/output/cmd_vel"}
    simulator = stage.add(SimulatorNode, StraightRoad, remappings=names, seed=3, rate=1000.0, lockstep="command")
    plans = stage.tester.create_publisher(message_types.PlannedTrajectory, "trajectory", OUTPUT_QOS)
    planned: list[int] = []

    def plan(msg: Any) -> None:
        """Every half second, from where the vehicle is on."""
        stamp_ns = stamp_to_ns(msg.header.stamp)
        if planned and stamp_ns - planned[-1] < 500_000_000:
            return
        planned.append(stamp_ns)
        trajectory = message_types.PlannedTrajectory(header=msg.header, valid=True)
        y = msg.pose.pose.position.y
        for step in range(1, 65):
            point = message_types.PlanPoint()
            point.time_from_start = ns_to_stamp(step * 100_000_000, message_types.Duration)
            point.pose.position.x = msg.pose.pose.position.x + 0.6 * step
            point.pose.position.y = y * max(0.0, 1 - step / 30)
            point.pose.orientation.z = math.sin(-0.5 * y / 18 * (step < 30))
            point.pose.orientation.w = math.cos(-0.5 * y / 18 * (step < 30))
            point.longitudinal_velocity_mps = 6.0
            trajectory.points.append(point)
        plans.publish(trajectory)

    stage.tester.create_subscription(message_types.Odometry, "odometry", plan, OUTPUT_QOS)
    outputs = (simulator._outputs._clock, plans, follower._commands)
    stage.spin_until(lambda: all(publisher.get_subscription_count() for publisher in outputs))
    stage.spin_until(lambda: simulator._outputs._odometry.get_subscription_count() == 2)
    simulator.start()
    end_s = time.monotonic() + 60
    while simulator.turn(stage.executor) and simulator.elapsed_s < 8.0 and time.monotonic() < end_s:
        pass
    assert simulator.elapsed_s >= 8.0
    assert simulator.num_waits_in_vain == 0
    told = [target for target in simulator.vehicle.targets if target is not None]
    assert len(told) > 100
    assert simulator.vehicle.speed == pytest.approx(6.0, abs=0.2)
    assert simulator.vehicle.y == pytest.approx(0.0, abs=0.15)
    assert simulator.vehicle.yaw == pytest.approx(0.0, abs=0.03)
