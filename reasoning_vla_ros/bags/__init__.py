"""Reading and writing rosbag2 recordings without ROS, and importing KITTI sequences."""

from reasoning_vla_ros.bags.errors import (
    BagEmptyError,
    BagError,
    BagExistsError,
    BagNotFoundError,
    BagTopicsError,
    BagTruncatedError,
    BagTruncatedWarning,
)
from reasoning_vla_ros.bags.reader import BagReader, TopicInfo
from reasoning_vla_ros.bags.writer import BagWriter

__all__ = [
    "BagEmptyError",
    "BagError",
    "BagExistsError",
    "BagNotFoundError",
    "BagReader",
    "BagTopicsError",
    "BagTruncatedError",
    "BagTruncatedWarning",
    "BagWriter",
    "TopicInfo",
]
