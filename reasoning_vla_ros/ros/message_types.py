"""rclpy's message classes under the names that `messages.plan_messages` asks for."""

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMsg
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from reasoning_vla_ros.msg import Plan, PlannedTrajectory, PlanPoint, ReasoningTrace

__all__ = [
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
    "Quaternion",
    "ReasoningTrace",
    "String",
    "Time",
]
