"""The simulator's output topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from reasoning_vla_ros.geometry.rotations import matrix_to_quaternion, yaw_to_matrix
from reasoning_vla_ros.messages.images import rgb_to_image_fields, to_byte_array
from reasoning_vla_ros.messages.scene_markers import SceneRoad, SceneThing
from reasoning_vla_ros.messages.stamps import ns_to_stamp
from reasoning_vla_ros.ros import message_types
from reasoning_vla_ros.ros.qos import LATCHED_QOS, OUTPUT_QOS
from reasoning_vla_ros.ros.scene_markers import map_markers, traffic_markers
from reasoning_vla_ros.ros.simulated_vehicle import SimulatedCamera, SimulatedMotion

TF_QOS = QoSProfile(depth=100)


class SimulatorOutputs:
    """Publishers of images, camera infos, odometry, /clock, instruction, road, traffic and, with tf2_msgs, /tf.

    Args:
        node: the node.
        cameras: the vehicle's.
        map_frame, base_frame: names of the odometry's frames.
    """

    def __init__(self, node: Node, cameras: Sequence[SimulatedCamera], map_frame: str, base_frame: str) -> None:
        self._map_frame, self._base_frame = map_frame, base_frame
        self._clock = node.create_publisher(Clock, "/clock", OUTPUT_QOS)
        self._odometry = node.create_publisher(message_types.Odometry, "~/output/odometry", OUTPUT_QOS)
        self._instruction = node.create_publisher(String, "~/output/instruction", LATCHED_QOS)
        self._images = {
            camera.name: node.create_publisher(message_types.Image, f"~/output/{camera.name}/image", OUTPUT_QOS)
            for camera in cameras
        }
        self._infos = {
            camera.name: node.create_publisher(CameraInfo, f"~/output/{camera.name}/camera_info", OUTPUT_QOS)
            for camera in cameras
        }
        self._map = node.create_publisher(MarkerArray, "~/output/map", LATCHED_QOS)
        self._traffic = node.create_publisher(MarkerArray, "~/output/traffic", OUTPUT_QOS)
        self._said = ""
        self._tf: Any = None
        self._tf_static: Any = None
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:  # it is no part of ROS 2 from PyPI, where nothing listens to it either
            node.get_logger().info("tf2_msgs is not installed: /tf and /tf_static are not published")
            return
        self._tf_class = TFMessage
        self._tf = node.create_publisher(TFMessage, "/tf", TF_QOS)
        self._tf_static = node.create_publisher(TFMessage, "/tf_static", LATCHED_QOS)

    @property
    def num_image_listeners(self) -> int:
        """Subscriptions to the images of the camera that has the fewest."""
        return min(int(publisher.get_subscription_count()) for publisher in self._images.values())

    def publish_clock(self, stamp_ns: int) -> None:
        self._clock.publish(Clock(clock=ns_to_stamp(stamp_ns, message_types.Time)))

    def publish_motion(self, motion: SimulatedMotion, stamp_ns: int) -> None:
        """Odometry, exact, and /tf."""
        msg = message_types.Odometry(header=_header(stamp_ns, self._map_frame), child_frame_id=self._base_frame)
        rot = yaw_to_matrix(np.asarray(motion.yaw_rad, np.float64))
        _fill_pose(msg.pose.pose.position, msg.pose.pose.orientation, np.array(motion.xyz), rot)
        msg.twist.twist.linear.x = float(motion.speed_mps)
        msg.twist.twist.angular.z = float(motion.yaw_rate_rps)
        self._odometry.publish(msg)
        if self._tf is not None:
            transform = stamped_transform(stamp_ns, self._map_frame, self._base_frame, np.array(motion.xyz), rot)
            self._tf.publish(self._tf_class(transforms=[transform]))

    def publish_static(self, cameras: Sequence[SimulatedCamera], stamp_ns: int) -> None:
        """Where the cameras sit, on /tf_static."""
        if self._tf_static is None:
            return
        transforms = [
            stamped_transform(
                stamp_ns,
                self._base_frame,
                camera.frame_id,
                camera.camera_in_base[:3, 3],
                camera.camera_in_base[:3, :3],
            )
            for camera in cameras
        ]
        self._tf_static.publish(self._tf_class(transforms=transforms))

    def publish_image(self, camera: SimulatedCamera, pixels: NDArray[np.uint8], stamp_ns: int) -> None:
        """A picture, uint8 [H, W, 3], and its CameraInfo."""
        header = _header(stamp_ns, camera.frame_id)
        fields = rgb_to_image_fields(pixels)
        fields["data"] = to_byte_array(fields["data"])
        self._images[camera.name].publish(message_types.Image(header=header, **fields))
        self._infos[camera.name].publish(camera_info(camera, header))

    def publish_instruction(self, text: str) -> None:
        """The instruction, when it is another one."""
        if text != self._said:
            self._said = text
            self._instruction.publish(String(data=text))

    def publish_map(self, road: SceneRoad, title: str, stamp_ns: int) -> None:
        """The road, and what scenario it is."""
        self._map.publish(map_markers(road, title, _header(stamp_ns, self._map_frame)))

    def publish_traffic(self, things: Sequence[SceneThing], stamp_ns: int) -> None:
        """What is on the road now."""
        self._traffic.publish(traffic_markers(things, _header(stamp_ns, self._map_frame)))


def camera_info(camera: SimulatedCamera, header: Any) -> CameraInfo:
    """sensor_msgs/CameraInfo of a camera without distortion."""
    info = CameraInfo(header=header, width=int(camera.width), height=int(camera.height))
    info.distortion_model, info.d = "plumb_bob", [0.0] * 5
    info.k = [float(value) for value in camera.intrinsics.ravel()]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [float(value) for row in camera.intrinsics for value in (*row, 0.0)]
    return info


def stamped_transform(
    stamp_ns: int, frame_id: str, child_frame_id: str, xyz: NDArray[np.float64], rot: NDArray[np.float64]
) -> TransformStamped:
    """geometry_msgs/TransformStamped of the child's pose, [3] in metres and [3, 3]."""
    transform = TransformStamped(header=_header(stamp_ns, frame_id), child_frame_id=child_frame_id)
    _fill_pose(transform.transform.translation, transform.transform.rotation, xyz, rot)
    return transform


def _header(stamp_ns: int, frame_id: str) -> Any:
    return message_types.Header(stamp=ns_to_stamp(stamp_ns, message_types.Time), frame_id=frame_id)


def _fill_pose(position: Any, orientation: Any, xyz: NDArray[np.float64], rot: NDArray[np.float64]) -> None:
    position.x, position.y, position.z = (float(value) for value in xyz)
    quat = matrix_to_quaternion(np.asarray(rot, np.float64))
    orientation.x, orientation.y, orientation.z, orientation.w = (float(value) for value in quat)
