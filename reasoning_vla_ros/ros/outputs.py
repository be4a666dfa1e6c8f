"""The node's output topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode
from visualization_msgs.msg import MarkerArray

from reasoning_vla_ros.messages.plan_messages import (
    EGO_POSE,
    PoseArrays,
    plan_to_msg,
    reasoning_to_msg,
    trajectory_to_path,
)
from reasoning_vla_ros.messages.stamps import ns_to_stamp
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.ros import message_types
from reasoning_vla_ros.ros.diagnostics import Status
from reasoning_vla_ros.ros.inputs import PlanRequest
from reasoning_vla_ros.ros.markers import plan_markers
from reasoning_vla_ros.ros.qos import OUTPUT_QOS


class Outputs:
    """Publishers that are silent unless the node is active.

    Args:
        node: the node.
        base_frame: vehicle's frame that everything is given in; empty takes the odometry's frame.
    """

    def __init__(self, node: LifecycleNode, base_frame: str) -> None:
        self._node = node
        self._base_frame = base_frame

        def publisher(message_class: Any, name: str) -> Any:
            return node.create_lifecycle_publisher(message_class, f"~/output/{name}", OUTPUT_QOS)

        self._plan = publisher(message_types.Plan, "plan")
        self._trajectory = publisher(message_types.PlannedTrajectory, "trajectory")
        self._path = publisher(message_types.PathMsg, "path")
        self._reasoning = publisher(message_types.ReasoningTrace, "reasoning")
        self._markers = publisher(MarkerArray, "markers")

    def destroy(self) -> None:
        for publisher in (self._plan, self._trajectory, self._path, self._reasoning, self._markers):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish_plan(self, plan: Plan, request: PlanRequest, now_ns: int) -> None:
        """Publishes a plan, its text and markers; trajectory and path only of a valid selected candidate."""
        cameras = request.observation.cameras
        pose, frame_id = self._placement((request.ego_xyz_in_odom, request.ego_rot_in_odom), request.odom_frame)
        msg = plan_to_msg(
            plan,
            pose,
            frame_id,
            message_types,
            publish_stamp_ns=now_ns,
            camera_names=[camera.name for camera in cameras],
            camera_stamps_ns=[camera.stamps_ns[-1] for camera in cameras],
        )
        self._plan.publish(msg)
        if msg.selected >= 0 and msg.candidates[msg.selected].valid:
            self._publish_trajectory(msg.candidates[msg.selected])
        self._reasoning.publish(msg.trace)
        if self._markers.get_subscription_count():
            self._markers.publish(plan_markers(msg, np.asarray(pose[0], np.float64)))

    def publish_fallback(self, plan: Plan, pose_in_odom: PoseArrays, odom_frame: str) -> None:
        """Publishes a fallback on trajectory and path alone; its invalid_reason says what it stands in for."""
        msg = plan_to_msg(plan, *self._placement(pose_in_odom, odom_frame), message_types)
        trajectory = msg.candidates[0]
        trajectory.invalid_reason = plan.reduced
        self._publish_trajectory(trajectory)

    def publish_partial_text(self, text: str, request: PlanRequest) -> None:
        """Publishes the reasoning so far."""
        _, frame_id = self._placement(EGO_POSE, request.odom_frame)
        self._reasoning.publish(
            reasoning_to_msg(request.observation.t0_ns, frame_id, message_types, text=text, complete=False)
        )

    def _publish_trajectory(self, trajectory: Any) -> None:
        self._trajectory.publish(trajectory)
        self._path.publish(trajectory_to_path(trajectory, message_types))

    def _placement(self, pose_in_odom: PoseArrays, odom_frame: str) -> tuple[PoseArrays, str]:
        return (EGO_POSE, self._base_frame) if self._base_frame else (pose_in_odom, odom_frame)


def diagnostics_to_msg(statuses: Sequence[Status], node_name: str, hardware_id: str, now_ns: int) -> DiagnosticArray:
    """Statuses as a diagnostic_msgs/DiagnosticArray, names as "node: what"."""
    array = DiagnosticArray()
    array.header.stamp = ns_to_stamp(now_ns, message_types.Time)
    array.status = [
        DiagnosticStatus(
            level=bytes([status.level]),  # a byte field, which rclpy takes as bytes
            name=f"{node_name}: {status.name}",
            message=status.message,
            hardware_id=hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
        )
        for status in statuses
    ]
    return array
