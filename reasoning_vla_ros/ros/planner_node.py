"""The planner as a ROS 2 lifecycle node: camera images and odometry in, plans out.

The node is a thin shell. Its state is touched in the executor's thread only, in one mutually exclusive callback
group: the worker thread gets a frozen observation and hands its outcome back through a guard condition. So nothing
needs a lock, and nothing can be published after the node was deactivated.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from reasoning_vla_ros.planning.errors import ObservationError
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.ros import message_types
from reasoning_vla_ros.ros.diagnostics import Level, PlannerHealth
from reasoning_vla_ros.ros.executable import run_node
from reasoning_vla_ros.ros.fallback import HeldPlan, fallback_plan
from reasoning_vla_ros.ros.inputs import Inputs, PlanRequest
from reasoning_vla_ros.ros.late_plans import without_past_plans
from reasoning_vla_ros.ros.log_throttle import LogThrottle
from reasoning_vla_ros.ros.model_loading import (
    PlannerFactory,
    PlannerLike,
    load_planner,
    trained_frames_of,
    trained_rig_of,
)
from reasoning_vla_ros.ros.outputs import Outputs, diagnostics_to_msg
from reasoning_vla_ros.ros.parameter_table import ParameterTable
from reasoning_vla_ros.ros.parameters import PlannerParameters
from reasoning_vla_ros.ros.plan_worker import Outcome, PlanCancelledError, PlanWorker
from reasoning_vla_ros.ros.qos import LATCHED_QOS, ODOMETRY_QOS, OUTPUT_QOS, SENSOR_QOS
from reasoning_vla_ros.ros.rig_health import RigHealth

NODE_NAME = "planner_node"


@dataclass(frozen=True)
class PlanJob:
    """A request with the settings that hold for it. `epoch` tells whether its outcome is still wanted."""

    request: PlanRequest
    epoch: tuple[int, int]
    num_samples: int
    deadline_s: float | None
    seed: int
    stream: bool


class PlannerNode(LifecycleNode):
    """Lifecycle node `planner_node`; see docs of the package for its topics and parameters.

    Args:
        planner_factory: makes the planner from the parameters when the node is configured.
        node_arguments: of rclpy's node, such as parameter_overrides or context.
    """

    def __init__(self, planner_factory: PlannerFactory = load_planner, **node_arguments: Any) -> None:
        super().__init__(NODE_NAME, **node_arguments)
        self._planner_factory = planner_factory
        self._health = PlannerHealth()
        self._table = ParameterTable(self, PlannerParameters, lambda: self._worker is not None)
        self._log = LogThrottle(self.get_logger())
        self._inputs: Inputs | None = None
        self._outputs: Outputs | None = None
        self._worker: PlanWorker[PlanJob, Plan] | None = None
        self._subscriptions_made: list[Any] = []
        self._instruction: str | None = None  # from the topic; until one arrives, the parameter's
        self._activation = 0
        self._held: HeldPlan | None = None
        self._fallback_ns: int | None = None
        self._outcomes: deque[Outcome[PlanJob, Plan]] = deque()
        self._partial_text: tuple[PlanJob, str] | None = None
        self._mail = self.create_guard_condition(self._on_mail)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT_QOS)
        # Steady, so that diagnostics and the watch over silent inputs go on while a bag's clock stands.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self._create_timer(1.0)

    @property
    def parameters(self) -> PlannerParameters:
        """Values in force; those of the last configuration, and dynamic ones as they were set since."""
        return self._table.values

    def start(self) -> bool:
        """Configures and activates when the parameter autostart is true, as the executable does. True if active."""
        if not self.get_parameter("autostart").value:
            return False
        return (
            self.trigger_configure() == TransitionCallbackReturn.SUCCESS
            and self.trigger_activate() == TransitionCallbackReturn.SUCCESS
        )

    def close(self) -> None:
        """Ends the worker's thread; the last thing before destroy_node."""
        self._release()

    # Lifecycle ------------------------------------------------------------------------------------------------------

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Reads the parameters and loads the model; on failure says why and stays unconfigured."""
        self._set_state("configuring")
        begin_s = time.monotonic()
        try:
            parameters = self._table.read()
            parameters.observation_config()  # what is wrong with it is told before minutes go into loading a model
            planner = self._planner_factory(parameters)
            config = parameters.observation_config(trained_frames_of(planner))
            rig = RigHealth(config, parameters.rig(), trained_rig_of(planner))
        # A model folder or a plugin can fail in any way; the node stays, to be configured again.
        except Exception as error:
            self._health.configure_problem = _describe(error)
            self.get_logger().error(f"not configured: {_describe(error)}")
            self._set_state("unconfigured")
            return TransitionCallbackReturn.FAILURE
        self._health.configure_problem = ""
        self._instruction = None
        self._inputs = Inputs(config, rig)
        self._outputs = Outputs(self, parameters.base_frame if parameters.output_frame == "base_link" else "")
        self._worker = PlanWorker(partial(self._plan, planner), self._on_outcome)
        self._subscribe(parameters)
        self.destroy_timer(self._timer)
        self._timer = self._create_timer(parameters.diagnostics_rate_hz)
        result = super().on_configure(state)
        self._set_state("inactive")
        cameras = ", ".join(f"{name}:{number}" for number, name in config.cameras)
        self.get_logger().info(
            f"configured in {time.monotonic() - begin_s:.1f} s: model {parameters.model_path!r}, cameras {cameras}"
        )
        if rig.known:
            self.get_logger().warning(f"camera rig: {'; '.join(rig.known)}")
        return result

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Starts planning."""
        result = super().on_activate(state)
        self._activation += 1
        self._health.begin()
        self._set_state("active")
        return result

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Stops planning; a plan in flight comes to nothing."""
        self._activation += 1
        self._held = None
        self._set_state("inactive")
        return super().on_deactivate(state)

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Waits for the plan in flight, frees the model and forgets all inputs."""
        result = super().on_cleanup(state)
        self._release()
        self._set_state("unconfigured")
        return result

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """As cleanup, for good."""
        result = super().on_shutdown(state)
        self._release()
        self._set_state("finalized")
        return result

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Back to unconfigured after an unforeseen error in a transition."""
        self._release()
        self._set_state("unconfigured")
        return TransitionCallbackReturn.SUCCESS

    def _set_state(self, name: str) -> None:
        self._health.state = name
        self._publish_diagnostics()

    def _subscribe(self, parameters: PlannerParameters) -> None:
        compressed = parameters.image_transport == "compressed"
        image_class = message_types.CompressedImage if compressed else message_types.Image
        suffix = "/compressed" if compressed else ""

        def subscribe(message_class: Any, name: str, callback: Callable[[Any], None], qos: Any) -> None:
            topic = f"~/input/{name}"
            self._subscriptions_made.append(self.create_subscription(message_class, topic, callback, qos))

        assert self._inputs is not None
        for camera in self._inputs.cameras:
            subscribe(image_class, f"{camera}/image{suffix}", partial(self._on_image, camera), SENSOR_QOS)
        subscribe(message_types.Odometry, "odometry", self._on_odometry, ODOMETRY_QOS)
        subscribe(message_types.String, "instruction", self._on_instruction, LATCHED_QOS)

    def _release(self) -> None:
        self._activation += 1
        if self._worker is not None:
            self._worker.stop()
        self._worker = None
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        self._subscriptions_made.clear()
        if self._outputs is not None:
            self._outputs.destroy()
        self._inputs = self._outputs = self._held = self._fallback_ns = self._partial_text = None
        self._outcomes.clear()

    # Inputs ---------------------------------------------------------------------------------------------------------

    def _on_image(self, camera: str, msg: Any) -> None:
        if self._inputs is not None:
            self._after_input(f"camera {camera}", self._inputs.on_image(camera, msg))

    def _on_odometry(self, msg: Any) -> None:
        if self._inputs is not None:
            self._after_input("odometry", self._inputs.on_odometry(msg))

    def _on_instruction(self, msg: Any) -> None:
        self._instruction = msg.data

    def _after_input(self, source: str, problem: str) -> None:
        if problem:
            self._log.warning(source, f"{source}: {problem}")
        self._advance()

    # Planning -------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Hands the newest inputs to the worker if it is free, so that the latest wins and nothing queues up."""
        if self._health.state != "active" or self._worker is None or self._inputs is None or self._worker.busy:
            return
        parameters = self.parameters
        try:
            request = self._inputs.next_request(
                self._now_ns(),
                parameters.max_input_age_s,
                1 / parameters.max_rate_hz if parameters.max_rate_hz else 0.0,
                parameters.instruction if self._instruction is None else self._instruction,
                parameters.embodiment,
            )
        except ObservationError as error:
            self._no_plan(f"{error.code}: {error}")
            return
        self._health.overtaken += self._inputs.take_overtaken()
        if request is None:
            return
        self._worker.submit(
            PlanJob(
                request,
                self._epoch(),
                parameters.num_samples,
                parameters.deadline_s or None,
                plan_seed(parameters.seed, request.observation.t0_ns),
                parameters.stream_reasoning,
            )
        )

    def _epoch(self) -> tuple[int, int]:
        """Changes with each activation and whenever the inputs' time starts anew."""
        return self._activation, self._inputs.restarts if self._inputs is not None else 0

    def _plan(self, planner: PlannerLike, job: PlanJob) -> Plan:
        """In the worker's thread."""

        def on_text(text: str, finished: bool) -> None:
            if job.epoch != self._epoch():
                raise PlanCancelledError("the node was deactivated, or time started anew")
            if job.stream and not finished:
                self._partial_text = job, text
                self._mail.trigger()

        return planner.plan(
            job.request.observation,
            num_samples=job.num_samples,
            deadline_s=job.deadline_s,
            on_text=on_text,
            seed=job.seed,
        )

    def _on_outcome(self, outcome: Outcome[PlanJob, Plan]) -> None:
        """In the worker's thread."""
        self._outcomes.append(outcome)
        self._mail.trigger()

    def _on_mail(self) -> None:
        partial_text, self._partial_text = self._partial_text, None
        if partial_text is not None and self._is_wanted(partial_text[0]) and self._outputs is not None:
            self._outputs.publish_partial_text(partial_text[1], partial_text[0].request)
        while self._outcomes:
            outcome = self._outcomes.popleft()
            if self._partial_text is not None and self._partial_text[0] is outcome.job:
                self._partial_text = None  # it came while this was running, and the plan has the whole text
            if self._is_wanted(outcome.job):
                self._on_wanted_outcome(outcome)
        self._advance()

    def _is_wanted(self, job: PlanJob) -> bool:
        return self._health.state == "active" and job.epoch == self._epoch()

    def _on_wanted_outcome(self, outcome: Outcome[PlanJob, Plan]) -> None:
        if outcome.error is not None or outcome.result is None:
            self._health.failed += 1
            self._log.error("planner", "".join(traceback.format_exception(outcome.error)))
            self._no_plan(f"the planner failed: {_describe(outcome.error)}")
            return
        assert self._outputs is not None
        request, now_ns = outcome.job.request, self._now_ns()
        plan = without_past_plans(outcome.result, now_ns) if self.parameters.max_input_age_s else outcome.result
        self._outputs.publish_plan(plan, request, now_ns)
        self._health.plans += 1
        self._health.record_plan(plan, now_ns)
        if plan.selected < 0:
            self._health.invalid += 1
            self._no_plan(f"invalid plan: {plan.status_reason}")
            return
        self._held = HeldPlan(plan, request.ego_xyz_in_odom, request.ego_rot_in_odom)
        self._health.succeed(time.monotonic(), plan.reduced)

    def _no_plan(self, reason: str) -> None:
        """There is no valid plan for the newest inputs."""
        self._health.fail(reason)
        self._log.warning("no plan", reason)
        if self.parameters.fallback != "hold" or self._inputs is None or self._outputs is None:
            return
        motion = self._inputs.ego_motion()
        period_ns = self.parameters.history_dt_s * 1e9
        if motion is None or (self._fallback_ns is not None and abs(motion.stamp_ns - self._fallback_ns) < period_ns):
            return
        self._fallback_ns = motion.stamp_ns
        plan = fallback_plan(self._held, motion, reason, self.parameters.history_dt_s)
        pose_in_odom = motion.xyz_in_odom, motion.rot_in_odom
        self._outputs.publish_fallback(plan, pose_in_odom, self._inputs.odom_frame)
        self._health.fallbacks += 1

    # Diagnostics ----------------------------------------------------------------------------------------------------

    def _create_timer(self, rate_hz: float) -> Any:
        return self.create_timer(1 / rate_hz, self._on_timer, clock=self._steady_clock)

    def _on_timer(self) -> None:
        self._advance()
        self._publish_diagnostics()

    def _publish_diagnostics(self) -> None:
        inputs = self._inputs.report() if self._inputs is not None else []
        self._health.in_flight = self._worker is not None and self._worker.busy
        silent = [status.name for status in inputs if status.level is Level.STALE]
        statuses = [self._health.report(silent), *inputs]
        model = self.parameters.model_path
        self._diagnostics.publish(diagnostics_to_msg(statuses, self.get_name(), model, self._now_ns()))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _describe(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}"


def main(args: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM, which may come at any time; 0 then."""
    return run_node(lambda: PlannerNode(), args)


if __name__ == "__main__":
    raise SystemExit(main())
