"""The planner node, by default active at once: ros2 launch reasoning_vla_ros planner.launch.py model_path:=/my/model

Topics are remapped by arguments for the usual case of one camera; for more cameras include this file with `cameras`
in a parameter file and remap ~/input/<name>/image in your own launch file.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = Path(get_package_share_directory("reasoning_vla_ros"))

ARGUMENTS = {
    "model_path": ("", "folder of the model, or its hub id"),
    "params_file": (str(SHARE / "config" / "planner.param.yaml"), "parameters; those below win over it"),
    "namespace": ("", "namespace of the node"),
    "image": ("/camera/front/image", "topic of the camera named front"),
    "odometry": ("/odometry", "topic of the odometry"),
    "instruction": ("~/input/instruction", "topic of the navigation text"),
    "autostart": ("true", "configure and activate at once; false leaves it to a lifecycle manager"),
    "use_sim_time": ("false", "take the time from /clock"),
    "fastdds_profile": (str(SHARE / "config" / "fastdds_profile.xml"), "Fast DDS profile for large images"),
}


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    profile = SetEnvironmentVariable(
        "FASTDDS_DEFAULT_PROFILES_FILE",
        EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=value["fastdds_profile"]),
    )
    planner = LifecycleNode(
        package="reasoning_vla_ros",
        executable="planner_node",
        name="planner_node",
        namespace=value["namespace"],
        output="screen",
        parameters=[
            value["params_file"],
            {
                "model_path": ParameterValue(value["model_path"], value_type=str),
                "autostart": ParameterValue(value["autostart"], value_type=bool),
                "use_sim_time": ParameterValue(value["use_sim_time"], value_type=bool),
            },
        ],
        remappings=[
            ("~/input/front/image", value["image"]),
            ("~/input/front/image/compressed", [value["image"], "/compressed"]),
            ("~/input/odometry", value["odometry"]),
            ("~/input/instruction", value["instruction"]),
        ],
    )
    return LaunchDescription([*arguments, profile, planner])
