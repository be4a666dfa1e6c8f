"""The follower as a ROS 2 node: plans and odometry in, velocity commands out.

It says nothing until the first plan has come, so that it does not hold on to a vehicle that somebody else drives;
from then on it commands at each odometry, a stop included, and goes on braking when the odometry falls silent.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from reasoning_vla_ros.geometry.rotations import matrix_to_yaw, quaternion_to_matrix
from reasoning_vla_ros.messages.followed_paths import Cruise, Placement, path_from_nav_path, path_from_trajectory
from reasoning_vla_ros.messages.odometry import OdometryError, StampedPose, ego_pose_from_odometry
from reasoning_vla_ros.messages.stamps import ns_to_stamp, stamp_to_ns
from reasoning_vla_ros.planning.ego_history import EgoHistory
from reasoning_vla_ros.planning.errors import ObservationError
from reasoning_vla_ros.planning.followed_path import FollowedPath, PathRefusedError
from reasoning_vla_ros.planning.observation_builder import TIME_JUMP_S
from reasoning_vla_ros.planning.plan_follower import FollowCommand, PlanFollower, VehicleMotion
from reasoning_vla_ros.ros import message_types
from reasoning_vla_ros.ros.diagnostics import InputHealth
from reasoning_vla_ros.ros.executable import run_node
from reasoning_vla_ros.ros.follower_health import FollowerHealth
from reasoning_vla_ros.ros.follower_parameters import FollowerParameters
from reasoning_vla_ros.ros.log_throttle import LogThrottle
from reasoning_vla_ros.ros.outputs import diagnostics_to_msg
from reasoning_vla_ros.ros.parameter_table import ParameterTable
from reasoning_vla_ros.ros.qos import OUTPUT_QOS, SENSOR_QOS

NODE_NAME = "follower_node"
# Plans in the vehicle's frame lie where it was at their t0, which is so far back at most.
HISTORY_S = 10.0
MAX_ODOMETRY_GAP_S = 0.25


class FollowerNode(Node):
    """Node `follower_node`; see docs of the package for its topics and parameters.

    Raises:
        ParameterError: parameters of no use.
    """

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__(NODE_NAME, **node_arguments)
        self._is_set_up = False
        table = ParameterTable(
            self, FollowerParameters, lambda: self._is_set_up, "when the node starts; start it with another value"
        )
        self._table = table
        parameters = table.read()
        self._is_set_up = True
        self._log = LogThrottle(self.get_logger())
        self._health = FollowerHealth()
        self._odometry_health = InputHealth("odometry")
        self._used = parameters
        self._follower = PlanFollower(parameters.settings())
        self._history = EgoHistory(HISTORY_S, MAX_ODOMETRY_GAP_S)
        self._vehicle: VehicleMotion | None = None
        self._frames = "", ""  # the odometry's frame_id and child_frame_id
        self._commanded_ns: int | None = None
        self._commanded_s = time.monotonic()
        is_stamped = parameters.command_type == "twist_stamped"
        self._commands = self.create_publisher(TwistStamped if is_stamped else Twist, "~/output/cmd_vel", OUTPUT_QOS)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", OUTPUT_QOS)
        self.create_subscription(message_types.Odometry, "~/input/odometry", self._on_odometry, SENSOR_QOS)
        self.create_subscription(message_types.PlannedTrajectory, "~/input/trajectory", self._on_trajectory, OUTPUT_QOS)
        self.create_subscription(message_types.PathMsg, "~/input/path", self._on_path, OUTPUT_QOS)
        # Steady, so that the vehicle is stopped also where the clock of a simulation stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / parameters.rate_hz, self._on_watch, clock=steady)
        self.create_timer(1 / parameters.diagnostics_rate_hz, self._publish_diagnostics, clock=steady)

    @property
    def parameters(self) -> FollowerParameters:
        """Values in force."""
        return self._table.values

    def start(self) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is left to do."""

    # Inputs ---------------------------------------------------------------------------------------------------------

    def _on_odometry(self, msg: Any) -> None:
        try:
            pose = ego_pose_from_odometry(msg)
        except OdometryError as error:
            self._odometry_health.refuse(str(error))
            self._log.warning("odometry", str(error))
            return
        self._odometry_health.accept(pose.stamp_ns)
        if self._vehicle is not None and self._starts_anew(pose):
            self._reset()
        self._frames = pose.frame_id, pose.child_frame_id
        self._history.add(pose.stamp_ns, pose.xyz, pose.quat_xyzw)
        yaw = float(matrix_to_yaw(quaternion_to_matrix(pose.quat_xyzw)))
        speed_mps = float(msg.twist.twist.linear.x)
        self._vehicle = VehicleMotion(pose.stamp_ns, (float(pose.xyz[0]), float(pose.xyz[1])), yaw, speed_mps)
        now_ns = self._now_ns()
        if self._commanded_ns is None or now_ns - self._commanded_ns >= 0.9e9 / self.parameters.rate_hz:
            self._command(now_ns)

    def _starts_anew(self, pose: StampedPose) -> bool:
        assert self._vehicle is not None
        back_s = (self._vehicle.stamp_ns - pose.stamp_ns) * 1e-9
        return back_s > TIME_JUMP_S or pose.frame_id != self._frames[0]

    def _reset(self) -> None:
        self._follower.reset()
        self._history.clear()
        self._commanded_ns = None
        self._health.restart()
        self.get_logger().info("time or the odometry's frame starts anew; waiting for a plan")

    def _on_trajectory(self, msg: Any) -> None:
        self._take(msg.header, lambda placement: path_from_trajectory(msg, placement))

    def _on_path(self, msg: Any) -> None:
        values = self.parameters
        cruise = Cruise(
            values.cruise_speed_mps, values.cruise_lateral_acceleration_mps2, values.cruise_acceleration_mps2
        )
        self._take(msg.header, lambda placement: path_from_nav_path(msg, cruise, placement))

    def _take(self, header: Any, path_in: Any) -> None:
        try:
            path: FollowedPath = path_in(self._placement(header))
        except (PathRefusedError, ObservationError) as error:
            self._health.refuse(str(error))
            self._log.warning("plan", f"plan refused: {error}")
            return
        if self._follower.take(path):
            self._health.accept()
        else:
            self._health.refuse("an older plan than the one that is followed")

    def _placement(self, header: Any) -> Placement | None:
        """Where the plan's frame lies in the odometry's; None where it is the same one."""
        odom, base = self._frames
        if self._vehicle is None:
            raise PathRefusedError("no odometry has arrived, which tells where the vehicle is")
        if header.frame_id == odom:
            return None
        if header.frame_id != base:
            raise PathRefusedError(
                f"the plan is given in {header.frame_id!r}, needed the odometry's frame {odom!r} or {base!r}"
            )
        xyz, rot = self._history.poses_in_odom(np.array([stamp_to_ns(header.stamp)], np.int64))
        return Placement(xyz[0], rot[0])

    # Output ---------------------------------------------------------------------------------------------------------

    def _on_watch(self) -> None:
        """Commands without odometry, where that has fallen silent."""
        if time.monotonic() - self._commanded_s > 2 / self.parameters.rate_hz:
            self._command(self._now_ns())

    def _command(self, now_ns: int) -> None:
        if self._vehicle is None or self._follower.path is None:
            return
        if self.parameters is not self._used:
            self._used = self.parameters
            self._follower.settings = self._used.settings()
        command = self._follower.command(self._vehicle, now_ns)
        self._commanded_ns, self._commanded_s = now_ns, time.monotonic()
        self._health.commanded(command)
        if command.reason:
            self._log.warning("stop", f"stopping: {command.reason}")
        # Where the clock has begun anew and the odometry has not yet, the command is of the time before.
        self._commands.publish(self._to_msg(command, max(now_ns, self._vehicle.stamp_ns)))

    def _to_msg(self, command: FollowCommand, stamp_ns: int) -> Any:
        twist = Twist()
        twist.linear.x, twist.angular.z = float(command.speed_mps), float(command.yaw_rate_rps)
        if self.parameters.command_type == "twist":
            return twist
        stamped = TwistStamped(twist=twist)
        stamped.header.stamp = ns_to_stamp(stamp_ns, message_types.Time)
        stamped.header.frame_id = self.parameters.base_frame
        return stamped

    def _publish_diagnostics(self) -> None:
        statuses = [self._health.report(self._vehicle is not None), self._odometry_health.report()]
        self._diagnostics.publish(
            diagnostics_to_msg(statuses, self.get_name(), "", int(self.get_clock().now().nanoseconds))
        )

    def _now_ns(self) -> int:
        """The node's clock; the newest odometry's stamp where that is a little ahead, as /clock may come after it."""
        now_ns = int(self.get_clock().now().nanoseconds)
        if self._vehicle is not None and 0 < self._vehicle.stamp_ns - now_ns < TIME_JUMP_S * 1e9:
            return self._vehicle.stamp_ns
        return now_ns


def main(args: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; 0 then, and 1 where its parameters are of no use."""
    return run_node(lambda: FollowerNode(), args)


if __name__ == "__main__":
    raise SystemExit(main())
