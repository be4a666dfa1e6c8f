"""A simulated vehicle as a ROS 2 node: images, odometry and time out, velocity commands in.

Until the first command comes the vehicle drives by itself, so that a planner finds it on its way with a history.
Everything starts anew when the parameter seed or scenario is set; time then jumps back, as with a bag that loops, so
that all nodes start anew too.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from reasoning_vla_ros.messages.stamps import seconds_to_ns, stamp_to_ns
from reasoning_vla_ros.ros import message_types
from reasoning_vla_ros.ros.diagnostics import Level, Status
from reasoning_vla_ros.ros.executable import SIGNAL_LATENCY_S, run_node
from reasoning_vla_ros.ros.log_throttle import LogThrottle
from reasoning_vla_ros.ros.outputs import diagnostics_to_msg
from reasoning_vla_ros.ros.parameter_specs import ParameterError
from reasoning_vla_ros.ros.parameter_table import ParameterTable
from reasoning_vla_ros.ros.qos import OUTPUT_QOS
from reasoning_vla_ros.ros.simulated_vehicle import SimulatedVehicle, VehicleFactory, VelocityTarget
from reasoning_vla_ros.ros.simulator_outputs import SimulatorOutputs
from reasoning_vla_ros.ros.simulator_parameters import SimulatorParameters, parse_tour
from reasoning_vla_ros.ros.simulator_run import SimulatorRun

NODE_NAME = "simulator_node"
# Time begins here, and so much earlier at each start anew: far enough to be noticed, and so far that stamps of one
# start are not mistaken for those of another.
START_S = 1_000_000_000
RESTART_S = 1_000
# A planner has its history by then, and may be waited for.
WARM_UP_S = 2.0
# Times real time at most while nothing holds time in lockstep with plans, then and after a wait in vain: a planner that
# has no time to take an image loses it, without which there will be no plan.
WARM_UP_RATE = 1.0
# More than this behind real time is not caught up with.
MAX_BEHIND_S = 0.2
LAST_WORDS_S = 0.5


class SimulatorNode(Node):
    """Node `simulator_node`; see docs of the package for its topics and parameters.

    Args:
        vehicle_factory: makes the vehicle of a scenario and seed.
        node_arguments: of rclpy's node.

    Raises:
        ParameterError: parameters of no use.
    """

    def __init__(self, vehicle_factory: VehicleFactory, **node_arguments: Any) -> None:
        super().__init__(NODE_NAME, **node_arguments)
        self._vehicle_factory = vehicle_factory
        self._is_set_up = False
        self._table = ParameterTable(
            self, SimulatorParameters, lambda: self._is_set_up, "when the node starts; start it with another value"
        )
        parameters = self._table.read()
        self._is_set_up = True
        self._tour = list(parse_tour(parameters.tour))
        if self._tour:
            self._take_next_of_tour()
        self._log = LogThrottle(self.get_logger())
        self._restarts = 0
        self._wants_start = False
        self.vehicle = self._make_vehicle(self.parameters)
        self._run = SimulatorRun(seconds_to_ns(START_S))
        self._due_s = self._stood_s = time.monotonic()
        self._outputs = SimulatorOutputs(self, self.vehicle.cameras, parameters.map_frame, parameters.base_frame)
        self.num_waits_in_vain = 0
        is_stamped = parameters.command_type == "twist_stamped"
        self.create_subscription(TwistStamped if is_stamped else Twist, "~/input/cmd_vel", self._on_command, OUTPUT_QOS)
        if parameters.lockstep == "plan":
            self.create_subscription(message_types.Plan, "~/input/plan", self._on_plan, OUTPUT_QOS)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT_QOS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / parameters.diagnostics_rate_hz, self._publish_diagnostics, clock=steady)
        self.add_on_set_parameters_callback(self._on_set)

    @property
    def parameters(self) -> SimulatorParameters:
        """Values in force."""
        return self._table.values

    @property
    def stamp_ns(self) -> int:
        """The simulation's time."""
        return self._run.start_ns + seconds_to_ns(self._run.steps * self.parameters.step_s)

    @property
    def elapsed_s(self) -> float:
        """Since the scenario began."""
        return self._run.steps * self.parameters.step_s

    def start(self) -> None:
        """Publishes the world as it is at first."""
        self._publish()

    def close(self) -> None:
        """Sees to it that the last words are heard."""
        if self.context.ok():
            self._diagnostics.wait_for_all_acked(Duration(seconds=LAST_WORDS_S))

    # Commands -------------------------------------------------------------------------------------------------------

    def _on_command(self, msg: Any) -> None:
        is_stamped = self.parameters.command_type == "twist_stamped"
        twist, stamp_ns = (msg.twist, stamp_to_ns(msg.header.stamp)) if is_stamped else (msg, self.stamp_ns)
        target = VelocityTarget(float(twist.linear.x), float(twist.angular.z))
        if not (math.isfinite(target.speed_mps) and math.isfinite(target.yaw_rate_rps)):
            self._log.warning("command", f"command refused: it needs finite values, got {target}")
            return
        if stamp_ns > self.stamp_ns + seconds_to_ns(self.parameters.step_s):
            return  # of the time before it started anew
        self._run.target, self._run.target_ns = target, stamp_ns

    def _on_plan(self, msg: Any) -> None:
        stamp_ns = stamp_to_ns(msg.header.stamp)
        if stamp_ns <= self.stamp_ns:
            self._run.plan_ns, self._run.is_loose = stamp_ns, False

    # Time -----------------------------------------------------------------------------------------------------------

    def turn(self, executor: SingleThreadedExecutor) -> bool:
        """Messages, and a step when it is time for one; False when the simulation is over."""
        due_in_s = self._due_s - time.monotonic()
        executor.spin_once(timeout_sec=min(max(due_in_s, 0.0), SIGNAL_LATENCY_S))
        if time.monotonic() < self._due_s:
            return True
        if waits_for := self.waits_for():
            if time.monotonic() - self._stood_s < self.parameters.lockstep_limit_s or not self._has_listeners():
                executor.spin_once(timeout_sec=0.01)
                return True
            self.num_waits_in_vain += 1
            # A planner that lost an image has no history, and makes no plan until time has gone on for a while.
            self._run.is_loose = waits_for == "plan"
            self._log.warning("lockstep", f"no {waits_for} within {self.parameters.lockstep_limit_s:g} s; going on")
        return self.step()

    def waits_for(self) -> str:
        """What the lockstep waits for; empty when it does not."""
        parameters = self.parameters
        if parameters.lockstep == "off" or self.vehicle.end:
            return ""
        if not self._has_listeners():
            return "subscription to the images"
        if self._run.target_ns is not None and self._run.target_ns < self.stamp_ns:
            return "command"
        return "plan" if parameters.lockstep == "plan" and self._is_plan_due() else ""

    def _is_plan_due(self) -> bool:
        run = self._run
        if run.is_loose:
            return False
        if run.plan_ns is None:
            return run.image_ns - run.start_ns >= seconds_to_ns(WARM_UP_S)
        # The planner's own rule for max_rate_hz, so that both mean the same images.
        return run.image_ns - run.plan_ns >= 0.9 * seconds_to_ns(self.parameters.lockstep_plan_period_s)

    def step(self) -> bool:
        """Moves the world on by a step and publishes it; False when the simulation is over."""
        now_s = time.monotonic()
        rate = self.parameters.rate
        if self.parameters.lockstep == "plan" and (self._run.target is None or self._run.is_loose):
            rate = min(rate, WARM_UP_RATE)
        self._due_s = max(self._due_s, now_s - MAX_BEHIND_S) + self.parameters.step_s / rate
        if self._wants_start:
            self._start_anew()
        elif not self.vehicle.end:
            self.vehicle.step(self._current_target(), self.parameters.step_s)
        self._run.steps += 1
        self._stood_s = now_s
        self._publish()
        return self._after_step()

    def _current_target(self) -> VelocityTarget | None:
        if self._run.target is None or self._run.target_ns is None:
            return None
        age_s = (self.stamp_ns - self._run.target_ns) * 1e-9
        if age_s <= self.parameters.command_timeout_s:
            return self._run.target
        limit_s = self.parameters.command_timeout_s
        self._log.warning("timeout", f"braking: the newest command is {age_s:.3f} s old, {limit_s:g} s are allowed")
        return VelocityTarget(0.0, 0.0)

    def _has_listeners(self) -> bool:
        return self.parameters.lockstep != "plan" or self._outputs.num_image_listeners > 0

    def _after_step(self) -> bool:
        limit_s = self.parameters.max_duration_s
        end = self.vehicle.end or (f"{limit_s:g} s are over" if limit_s and self.elapsed_s >= limit_s else "")
        if not end or end == self._run.told_end:
            return True
        self._run.told_end = end
        where = f"scenario {self.parameters.scenario!r}, seed {self.parameters.seed}"
        self.get_logger().info(f"{where} ended after {self.elapsed_s:.1f} s: {end}")
        self._publish_diagnostics()
        if self._tour:
            return self._take_next_of_tour()
        if self.parameters.at_end == "next":
            self.set_parameters([Parameter("seed", value=self.parameters.seed + 1)])
        return self.parameters.at_end != "exit" and not self.parameters.tour

    def _take_next_of_tour(self) -> bool:
        scenario, seed = self._tour.pop(0)
        self.set_parameters([Parameter("scenario", value=scenario), Parameter("seed", value=seed)])
        return True

    # Starting anew --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._run = SimulatorRun(seconds_to_ns(START_S - RESTART_S * self._restarts))
        self._due_s = self._stood_s = time.monotonic()

    def _on_set(self, parameters: list[Any]) -> SetParametersResult:
        # Not at once: the table may still refuse the value, and messages are not sent from in here.
        self._wants_start |= any(parameter.name in ("scenario", "seed") for parameter in parameters)
        return SetParametersResult(successful=True)

    def _start_anew(self) -> None:
        self._wants_start = False
        try:
            self.vehicle = self._make_vehicle(self.parameters)
        except ParameterError as error:
            self.get_logger().error(f"not started anew: {error}")
            return
        self._restarts += 1
        self._begin()

    def _make_vehicle(self, parameters: SimulatorParameters) -> SimulatedVehicle:
        try:
            return self._vehicle_factory(parameters)
        except ValueError as error:
            raise ParameterError(str(error)) from error

    # Outputs --------------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        stamp_ns, parameters, vehicle = self.stamp_ns, self.parameters, self.vehicle
        if self._run.steps <= 1:
            self._outputs.publish_static(vehicle.cameras, stamp_ns)
        self._outputs.publish_clock(stamp_ns)
        self._outputs.publish_instruction(vehicle.instruction)
        self._outputs.publish_motion(vehicle.motion, stamp_ns)
        self._outputs.publish_traffic(vehicle.things, stamp_ns)
        if not self._run.is_map_out:
            self._run.is_map_out = True
            self._outputs.publish_map(vehicle.road, f"{parameters.scenario}:{parameters.seed}", stamp_ns)
        if self._run.steps % round(parameters.image_period_s / parameters.step_s):
            return
        for camera in vehicle.cameras:
            self._outputs.publish_image(camera, vehicle.image(camera.name), stamp_ns)
        self._run.image_ns = stamp_ns

    def _publish_diagnostics(self) -> None:
        waits_for = self.waits_for()
        level, message = Level.OK, "running"
        if self.vehicle.end:
            level, message = Level.WARN, self.vehicle.end
        elif self._run.told_end:
            message = self._run.told_end
        elif waits_for:
            message = f"waiting for a {waits_for}"
        values = {
            "scenario": self.parameters.scenario,
            "seed": str(self.parameters.seed),
            "elapsed_s": f"{self.elapsed_s:.2f}",
            "speed_mps": f"{self.vehicle.motion.speed_mps:.2f}",
            "driven_by": "itself" if self._run.target is None else "commands",
            "waits_in_vain": str(self.num_waits_in_vain),
            "end": self._run.told_end or self.vehicle.end,
        }
        status = Status("simulator", level, message, values)
        self._diagnostics.publish(diagnostics_to_msg([status], self.get_name(), "", self.stamp_ns))


def run(vehicle_factory: VehicleFactory, args: list[str] | None = None) -> int:
    """Runs the node until SIGINT, SIGTERM or, with at_end exit, the end; 0 then, 1 where its parameters are of no use.

    Args:
        vehicle_factory: makes the vehicle of a scenario and seed.
        args: of the command line, with ROS arguments.
    """
    return run_node(partial(SimulatorNode, vehicle_factory), args, lambda node, executor: node.turn(executor))
