"""A bag through the planner node: ros2 launch reasoning_vla_ros replay.launch.py bag:=drive.mcap model_path:=/my/model

The bag is played with /clock, the node runs on that time, and everything ends with the bag or with the node. The bag
begins when the node has loaded its model; where that takes longer than `wait_s`, everything ends without it.
`record:=plans` records the node's outputs with rosbag2 where it is installed.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory("reasoning_vla_ros"))

ARGUMENTS = {
    "bag": (None, "rosbag2 folder, .mcap or .db3 file"),
    "rate": ("1.0", "times the speed of the recording"),
    "record": ("", "folder for the node's outputs; empty records nothing"),
    "wait_s": ("600.0", "seconds that the node may take to load its model; 0 for no limit"),
    "model_path": ("", "folder of the model, or its hub id; empty for what params_file says"),
    "params_file": (str(SHARE / "config" / "planner.param.yaml"), "parameters of the node"),
    "max_input_age_s": ("", "how old an input may be, seconds, 0 for no check; empty for what params_file says"),
    "rig": ("", "rig file, or name of one of the package's, with the cameras and their topics in the bag"),
    "image": ("", "image topic of the bag, not together with rig; empty for /camera/front/image, or for what rig says"),
    "odometry": ("/odometry", "odometry topic of the bag"),
}
PASSED_ON = ("model_path", "params_file", "max_input_age_s", "rig", "image", "odometry")
OUTPUTS = [f"/planner_node/output/{name}" for name in ("plan", "trajectory", "path", "reasoning")]


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    planner = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "planner.launch.py")),
        launch_arguments={"use_sim_time": "true", **{name: value[name] for name in PASSED_ON}}.items(),
    )
    recorder = ExecuteProcess(
        cmd=["ros2", "bag", "record", "--output", value["record"], *OUTPUTS],
        output="screen",
        condition=IfCondition(PythonExpression(["'", value["record"], "' != ''"])),
    )
    player = Node(
        package="reasoning_vla_ros",
        executable="bag_player",
        name="bag_player",
        output="screen",
        arguments=[
            value["bag"],
            "--clock",
            "--start-paused",
            "--wait-for",
            "planner_node",
            "--wait-s",
            value["wait_s"],
            "--rate",
            value["rate"],
        ],
    )
    at_the_end = RegisterEventHandler(OnProcessExit(on_exit=end_with_node_or_bag))
    return LaunchDescription([*arguments, planner, recorder, player, at_the_end])


def end_with_node_or_bag(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """Ends everything when the planner or the player has ended; the recorder may be missing."""
    ended = getattr(event.action, "node_executable", "")
    if context.is_shutdown or ended not in ("planner_node", "bag_player"):
        return None
    return EmitEvent(event=Shutdown(reason=f"{ended} ended with exit status {event.returncode}"))
