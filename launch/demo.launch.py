"""A model drives in simulation: ros2 launch reasoning_vla_ros demo.launch.py

By default it is the model in the box; another one comes as model_path:=/my/model, with planner_params:= of its own.

Starts the simulator, the planner, the follower and, with `rviz:=true`, RViz. All run on the simulator's time, and
everything ends with any of them. Time stands still until the planner has its plan (`lockstep:=plan`), so that a slow
machine drives as well as a fast one; `lockstep:=off` lets time go on as on a road. config/foxglove_layout.json shows
the same in Foxglove.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory("reasoning_vla_ros"))

ARGUMENTS = {
    "model_path": ("", "folder of the model, or its hub id; empty for what planner_params says"),
    "scenario": ("highway", "highway, merge, roundabout, intersection or curves"),
    "seed": ("0", "of the scenario's roads and traffic"),
    "at_end": ("next", "after a collision, off the road or at the route's end: stay, next (seed) or exit"),
    "rate": ("1.0", "times real time, at most"),
    "lockstep": ("plan", "what the simulation's time waits for: plan, command, or off"),
    "planner_params": (str(SHARE / "config" / "reasoning_vla_tiny.param.yaml"), "parameters of the planner"),
    "follower_params": (str(SHARE / "config" / "follower.param.yaml"), "parameters of the follower"),
    "simulator_params": (str(SHARE / "config" / "simulator.param.yaml"), "parameters of the simulator"),
    "rviz": ("false", "true to start RViz"),
    "rviz_config": (str(SHARE / "config" / "demo.rviz"), "what RViz shows"),
}
# Of the simulator, with their types.
SIMULATOR_PARAMETERS = {"scenario": str, "seed": int, "at_end": str, "rate": float, "lockstep": str}

IMAGE, ODOMETRY, INSTRUCTION, COMMAND = "/camera/front/image", "/odometry", "/instruction", "/cmd_vel"
NODES = ("planner_node", "follower_node", "simulator_node")


def generate_launch_description() -> LaunchDescription:
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    # First, as it sets the Fast DDS profile for large images, which all of them need.
    planner = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "planner.launch.py")),
        launch_arguments={
            "model_path": value["model_path"],
            "params_file": value["planner_params"],
            "image": IMAGE,
            "odometry": ODOMETRY,
            "instruction": INSTRUCTION,
            "use_sim_time": "true",
            # In lockstep no time passes while the model is at work, and without it the follower looks at the age.
            "max_input_age_s": "0.0",
        }.items(),
    )
    follower = Node(
        package="reasoning_vla_ros",
        executable="follower_node",
        name="follower_node",
        output="screen",
        parameters=[value["follower_params"], {"use_sim_time": True}],
        remappings=[
            ("~/input/odometry", ODOMETRY),
            ("~/input/trajectory", "/planner_node/output/trajectory"),
            ("~/output/cmd_vel", COMMAND),
        ],
    )
    simulator = Node(
        package="reasoning_vla_ros",
        executable="simulator_node",
        name="simulator_node",
        output="screen",
        parameters=[
            value["simulator_params"],
            {name: ParameterValue(value[name], value_type=kind) for name, kind in SIMULATOR_PARAMETERS.items()},
        ],
        remappings=[
            ("~/output/front/image", IMAGE),
            ("~/output/front/camera_info", "/camera/front/camera_info"),
            ("~/output/odometry", ODOMETRY),
            ("~/output/instruction", INSTRUCTION),
            ("~/output/map", "/map_markers"),
            ("~/output/traffic", "/traffic"),
            ("~/input/cmd_vel", COMMAND),
            ("~/input/plan", "/planner_node/output/plan"),
        ],
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        output="screen",
        arguments=["-d", value["rviz_config"]],
        parameters=[{"use_sim_time": True}],
        condition=IfCondition(value["rviz"]),
    )
    at_the_end = RegisterEventHandler(OnProcessExit(on_exit=end_with_any_node))
    return LaunchDescription([*arguments, planner, follower, simulator, rviz, at_the_end])


def end_with_any_node(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """Ends everything when one of the nodes has ended; RViz may be closed."""
    ended = getattr(event.action, "node_executable", "")
    if context.is_shutdown or ended not in NODES:
        return None
    return EmitEvent(event=Shutdown(reason=f"{ended} ended with exit status {event.returncode}"))
