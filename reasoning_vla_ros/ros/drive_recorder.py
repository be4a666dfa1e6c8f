"""Records a drive in simulation: time made continuous, images compressed, /tf added.

The simulator's time jumps back at each start anew, so that all nodes start anew. In a recording that would lay one
scenario over the other, so the stretches are put one after another, in all stamps of all messages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.bags.types import TYPESTORE
from reasoning_vla_ros.bags.writer import BagWriter
from reasoning_vla_ros.geometry.rotations import matrix_to_quaternion
from reasoning_vla_ros.messages.images import image_to_rgb
from reasoning_vla_ros.messages.stamps import NS_PER_S, ns_to_stamp, stamp_to_ns
from reasoning_vla_ros.ros.bag_publisher import message_class

# Between two stretches, so that whoever interpolates does not do it from one to the other.
PAUSE_NS = NS_PER_S // 2
# A stamp so far before a stretch belongs to another one.
MARGIN_NS = 100 * NS_PER_S
# Before the first /clock a node's time is zero.
LEAST_STAMP_NS = NS_PER_S
# The recorder is never the one that waits.
DEPTH = 200
JPEG_QUALITY = 92
IMAGE, CAMERA_INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"

OnMessage = Callable[[str, Any, int], None]


class ContinuousTime:
    """Times that jump back, put one stretch after another.

    Attributes:
        newest_ns: the newest time given.

    Args:
        start_ns: where the first stretch is put.
    """

    def __init__(self, start_ns: int) -> None:
        self.newest_ns = start_ns
        self._stretches: list[tuple[int, int]] = []  # start and what is added, newest first

    def offset_ns(self, stamp_ns: int) -> int:
        """What is added to a stamp; 0 for one that is not of that time."""
        if stamp_ns < LEAST_STAMP_NS:
            return 0
        found = [offset_ns for start_ns, offset_ns in self._stretches if stamp_ns > start_ns - MARGIN_NS]
        if not found:
            offset_ns = self.newest_ns + (PAUSE_NS if self._stretches else 0) - stamp_ns
            self._stretches.insert(0, (stamp_ns, offset_ns))
            return offset_ns
        return found[-1]

    def at(self, stamp_ns: int) -> int:
        """Where a stamp is put; the newest time so far for one that is not of that time."""
        if stamp_ns < LEAST_STAMP_NS:
            return self.newest_ns
        put_ns = stamp_ns + self.offset_ns(stamp_ns)
        self.newest_ns = max(self.newest_ns, put_ns)
        return put_ns


class DriveRecorder:
    """Subscribes to the topics of a drive and writes what comes.

    Attributes:
        time: of the recording.

    Args:
        node: the node that subscribes.
        writer: an open bag.
        topics: type by topic name; images are recorded compressed, under the same name.
        latched: those of them whose last message counts for who comes late.
        late: those whose messages come later than their stamps; they are recorded at the newest time so far. All
            others are recorded at their stamps, as they arrive in any order.
        lossless: those images that are recorded as PNG, not JPEG.
        cameras_in_base: poses of optical frames in base_link by frame, float64 [4, 4], for /tf_static.
        odometry_topic: that /tf is made of.
        start_ns: time at which the recording begins.
        on_message: called with topic, message (of `reasoning_vla_ros.bags.types`) and time after it was written.
    """

    def __init__(
        self,
        node: Node,
        writer: BagWriter,
        topics: Mapping[str, str],
        *,
        latched: tuple[str, ...],
        late: tuple[str, ...],
        lossless: tuple[str, ...],
        cameras_in_base: Mapping[str, NDArray[np.float64]],
        odometry_topic: str,
        start_ns: int,
        on_message: OnMessage,
    ) -> None:
        self.time = ContinuousTime(start_ns)
        self._node, self._writer, self._latched = node, writer, latched
        self._late, self._lossless, self._odometry_topic, self._on_message = late, lossless, odometry_topic, on_message
        for topic, type_name in topics.items():
            self.listen(topic, type_name)
        mounts = [_transform(start_ns, "base_link", frame, pose) for frame, pose in cameras_in_base.items()]
        writer.write("/tf_static", t.TFMessage(transforms=mounts), start_ns)

    def listen(self, topic: str, type_name: str) -> None:
        """One more topic."""
        is_latched = topic in self._latched
        qos = QoSProfile(
            depth=DEPTH,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
        )
        callback = partial(self._take, topic, type_name)
        self._node.create_subscription(message_class(type_name), topic, callback, qos, raw=True)

    def _take(self, topic: str, type_name: str, data: bytes) -> None:
        message = TYPESTORE.deserialize_cdr(data, type_name)
        header = getattr(message, "header", None) or _first_header(message)
        time_ns = self.time.at(0 if header is None else stamp_to_ns(header.stamp))
        if topic in self._late:
            time_ns = self.time.newest_ns
        message = shifted(message, self.time.offset_ns)
        if type_name == IMAGE:
            message = compressed(message, "png" if topic in self._lossless else "jpeg")
        self._writer.write(topic, message, time_ns)
        if topic == self._odometry_topic:
            self._writer.write("/tf", t.TFMessage(transforms=[_pose_of(message)]), time_ns)
        self._on_message(topic, message, time_ns)


def shifted(message: Any, offset_ns: Callable[[int], int]) -> Any:
    """A message with what `offset_ns` gives for it added to every stamp in it; changed in place where it can be."""
    if isinstance(message, t.Time):
        stamp_ns = stamp_to_ns(message)
        return ns_to_stamp(stamp_ns + offset_ns(stamp_ns), t.Time)
    if isinstance(message, list):
        # Points make up nearly all of a map, and hold no time.
        is_worth_it = bool(message) and dataclasses.is_dataclass(message[0]) and not isinstance(message[0], t.Point)
        return [shifted(item, offset_ns) for item in message] if is_worth_it else message
    if dataclasses.is_dataclass(message):
        for field in dataclasses.fields(message):
            if not field.name.startswith("__"):
                setattr(message, field.name, shifted(getattr(message, field.name), offset_ns))
    return message


def compressed(image: Any, kind: str) -> Any:
    """sensor_msgs/CompressedImage of an Image; kind "png" or "jpeg"."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    is_done, data = cv2.imencode(f".{kind}", np.ascontiguousarray(image_to_rgb(image)[..., ::-1]), options)
    assert is_done
    return t.CompressedImage(header=image.header, format=kind, data=np.asarray(data, np.uint8).ravel())


def _first_header(message: Any) -> Any:
    """Of a MarkerArray."""
    markers = getattr(message, "markers", None)
    return markers[0].header if markers else None


def _pose_of(odometry: Any) -> Any:
    position, rotation = odometry.pose.pose.position, odometry.pose.pose.orientation
    return t.TransformStamped(
        header=odometry.header,
        child_frame_id=odometry.child_frame_id,
        transform=t.Transform(translation=t.Vector3(x=position.x, y=position.y, z=position.z), rotation=rotation),
    )


def _transform(stamp_ns: int, parent: str, child: str, pose: NDArray[np.float64]) -> Any:
    x, y, z, w = (float(value) for value in matrix_to_quaternion(pose[:3, :3]))
    shift = t.Vector3(*(float(value) for value in pose[:3, 3]))
    return t.TransformStamped(
        header=t.Header(stamp=ns_to_stamp(stamp_ns, t.Time), frame_id=parent),
        child_frame_id=child,
        transform=t.Transform(translation=shift, rotation=t.Quaternion(x=x, y=y, z=z, w=w)),
    )
