"""The planner node, by default active at once: ros2 launch reasoning_vla_ros planner.launch.py model_path:=/my/model

What `params_file` says holds; model_path, autostart, use_sim_time and max_input_age_s win over it where they are given.
Topics are remapped by arguments for the usual case of one camera; for more cameras include this file with `cameras`
in a parameter file and remap ~/input/<name>/image in your own launch file.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory("reasoning_vla_ros"))

ARGUMENTS = {
    "model_path": ("", "folder of the model, or its hub id; empty for what params_file says"),
    "params_file": (str(SHARE / "config" / "planner.param.yaml"), "parameters of the node"),
    "namespace": ("", "namespace of the node"),
    "image": ("/camera/front/image", "topic of the camera named front"),
    "odometry": ("/odometry", "topic of the odometry"),
    "instruction": ("~/input/instruction", "topic of the navigation text"),
    "autostart": (
        "",
        "true to configure and activate at once, false to leave it to a lifecycle manager; empty for what params_file "
        "says, and true where that says nothing",
    ),
    "use_sim_time": (
        "",
        "true to take the time from /clock; empty for what params_file says, and false where that says nothing",
    ),
    "max_input_age_s": ("", "how old an input may be, seconds, 0 for no check; empty for what params_file says"),
    "fastdds_profile": (str(SHARE / "config" / "fastdds_profile.xml"), "Fast DDS profile for large images"),
}
# Arguments that are parameters too, with their types.
PARAMETERS = {"model_path": str, "autostart": bool, "use_sim_time": bool, "max_input_age_s": float}


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
    return LaunchDescription([*arguments, profile, OpaqueFunction(function=planner)])


def planner(context: LaunchContext) -> list[LifecycleNode]:
    """The node, with those parameters only that were given as arguments, so that the file's others stand."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    given = {
        name: ParameterValue(value[name], value_type=kind)
        for name, kind in PARAMETERS.items()
        if value[name].perform(context)
    }
    node = LifecycleNode(
        package="reasoning_vla_ros",
        executable="planner_node",
        name="planner_node",
        namespace=value["namespace"],
        output="screen",
        parameters=[value["params_file"], *([given] if given else [])],
        remappings=[
            ("~/input/front/image", value["image"]),
            ("~/input/front/image/compressed", [value["image"], "/compressed"]),
            ("~/input/odometry", value["odometry"]),
            ("~/input/instruction", value["instruction"]),
        ],
    )
    return [node]
