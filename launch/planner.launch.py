"""The planner node, by default active at once: ros2 launch reasoning_vla_ros planner.launch.py model_path:=/my/model

What `params_file` says holds; model_path, autostart, use_sim_time and max_input_age_s win over it where they are given.
`rig:=FILE_OR_NAME` takes cameras and their topics from a rig file. Without one, the topic of the one camera `front` is
remapped by the argument `image`; for more cameras without a rig file, include this file with `cameras` in a parameter
file and remap ~/input/<name>/image in your own launch file.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription
from reasoning_vla_ros.planning.camera_rig import CameraRig

SHARE = Path(get_package_share_directory("reasoning_vla_ros"))

IMAGE = "/camera/front/image"

ARGUMENTS = {
    "model_path": ("", "folder of the model, or its hub id; empty for what params_file says"),
    "params_file": (str(SHARE / "config" / "planner.param.yaml"), "parameters of the node"),
    "namespace": ("", "namespace of the node"),
    "rig": ("", "rig file, or name of one of the package's, with the cameras and their topics; docs/rigs.md"),
    "image": ("", f"topic of the camera named front, not together with rig; empty for {IMAGE}, or for what rig says"),
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
    rig, image = value["rig"].perform(context), value["image"].perform(context)
    if rig:
        given["camera_rig"] = ParameterValue(rig, value_type=str)
    node = LifecycleNode(
        package="reasoning_vla_ros",
        executable="planner_node",
        name="planner_node",
        namespace=value["namespace"],
        output="screen",
        parameters=[value["params_file"], *([given] if given else [])],
        remappings=[
            *image_remappings(rig, image),
            ("~/input/odometry", value["odometry"]),
            ("~/input/instruction", value["instruction"]),
        ],
    )
    return [node]


def image_remappings(rig: str, image: str) -> list[tuple[str, str]]:
    """From the node's image topics, raw and compressed, to those of the rig's cameras, or of the camera `front`.

    Raises:
        ValueError: both are given, or the rig file is missing or wrong.
    """
    if rig and image:
        raise ValueError(f"rig:={rig} and image:={image} both say where images come from; needed one of them")
    topics = {camera.name: camera.topic for camera in CameraRig.load(rig).used} if rig else {"front": image or IMAGE}
    return [
        (f"~/input/{name}/image{suffix}", f"{topic}{suffix}")
        for name, topic in topics.items()
        for suffix in ("", "/compressed")
    ]
