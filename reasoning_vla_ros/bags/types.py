"""Message classes without ROS: the common ones of ROS 2 and this package's own.

The classes are rosbags' dataclasses: every field is a keyword argument and must be given, arrays are NumPy arrays.
The store is that of ROS 2 Humble; the types named here are the same up to Kilted. This package's types are read from
its .msg files, so there is one definition of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore
from rosbags.typesys.stores.ros2_humble import builtin_interfaces__msg__Duration as Duration
from rosbags.typesys.stores.ros2_humble import builtin_interfaces__msg__Time as Time
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__Point as Point
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__Pose as Pose
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__PoseStamped as PoseStamped
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__PoseWithCovariance as PoseWithCovariance
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__Quaternion as Quaternion
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__Transform as Transform
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__TransformStamped as TransformStamped
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__Twist as Twist
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__TwistWithCovariance as TwistWithCovariance
from rosbags.typesys.stores.ros2_humble import geometry_msgs__msg__Vector3 as Vector3
from rosbags.typesys.stores.ros2_humble import nav_msgs__msg__Odometry as Odometry
from rosbags.typesys.stores.ros2_humble import nav_msgs__msg__Path as PathMsg
from rosbags.typesys.stores.ros2_humble import sensor_msgs__msg__CameraInfo as CameraInfo
from rosbags.typesys.stores.ros2_humble import sensor_msgs__msg__CompressedImage as CompressedImage
from rosbags.typesys.stores.ros2_humble import sensor_msgs__msg__Image as Image
from rosbags.typesys.stores.ros2_humble import sensor_msgs__msg__RegionOfInterest as RegionOfInterest
from rosbags.typesys.stores.ros2_humble import std_msgs__msg__Header as Header
from rosbags.typesys.stores.ros2_humble import std_msgs__msg__String as String
from rosbags.typesys.stores.ros2_humble import tf2_msgs__msg__TFMessage as TFMessage

__all__ = [
    "PACKAGE",
    "TYPESTORE",
    "CameraInfo",
    "CompressedImage",
    "Duration",
    "Header",
    "Image",
    "Odometry",
    "PathMsg",
    "Plan",
    "PlanPoint",
    "PlannedTrajectory",
    "Point",
    "Pose",
    "PoseStamped",
    "PoseWithCovariance",
    "Quaternion",
    "ReasoningTrace",
    "RegionOfInterest",
    "String",
    "TFMessage",
    "Time",
    "Transform",
    "TransformStamped",
    "Twist",
    "TwistWithCovariance",
    "Vector3",
    "find_message_folder",
]

PACKAGE = "reasoning_vla_ros"


def find_message_folder() -> Path:
    """The folder of this package's .msg files: beside the package in a checkout, else a prefix's share folder.

    `colcon build` and `pip install` both put them into ``share/reasoning_vla_ros/msg`` of the prefix that the
    Python package lies under.

    Raises:
        FileNotFoundError: none of the places holds them.
    """
    package_folder = Path(__file__).resolve().parent.parent
    prefixes = [*Path(__file__).absolute().parents, *package_folder.parents]
    prefixes += [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    candidates = [package_folder.parent / "msg", *(prefix / "share" / PACKAGE / "msg" for prefix in prefixes)]
    for folder in candidates:
        if (folder / "Plan.msg").is_file():
            return folder
    raise FileNotFoundError(f"Plan.msg is in none of {', '.join(str(folder) for folder in candidates)}")


def _create_typestore() -> Typestore:
    store = get_typestore(Stores.ROS2_HUMBLE)
    definitions: dict[str, Any] = {}
    for file in sorted(find_message_folder().glob("*.msg")):
        definitions.update(get_types_from_msg(file.read_text(encoding="utf-8"), f"{PACKAGE}/msg/{file.stem}"))
    store.register(definitions)
    return store


TYPESTORE = _create_typestore()

Plan: Any = TYPESTORE.types[f"{PACKAGE}/msg/Plan"]
PlanPoint: Any = TYPESTORE.types[f"{PACKAGE}/msg/PlanPoint"]
PlannedTrajectory: Any = TYPESTORE.types[f"{PACKAGE}/msg/PlannedTrajectory"]
ReasoningTrace: Any = TYPESTORE.types[f"{PACKAGE}/msg/ReasoningTrace"]
