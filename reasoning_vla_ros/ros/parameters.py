"""The planner node's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reasoning_vla_ros.planning.camera_rig import CameraRig, RigError
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.planning.placement import OFFLOADS
from reasoning_vla_ros.planning.quantization import QUANTIZATIONS
from reasoning_vla_ros.planning.rig_differences import ALPAMAYO_FRAMES
from reasoning_vla_ros.planning.settings import (
    ACTION_DECODERS,
    FLOW_SOLVERS,
    LEVEL_CHOICES,
    FlowSettings,
    PlannerSettings,
)
from reasoning_vla_ros.ros.parameter_specs import (
    ParameterError,
    ParameterSpec,
    ParameterValues,
    parameter,
    specs_of,
    values_from,
)

DEFAULT_CAMERAS = ("front:1",)


def parse_cameras(entries: tuple[str, ...] | list[str]) -> tuple[tuple[int, str], ...]:
    """(camera id, name) pairs of entries such as "front:1".

    A name is part of a topic name, so it may hold letters, digits and underscores only.

    Raises:
        ParameterError: another form, or ids that do not ascend.
    """
    cameras = []
    for entry in entries:
        name, separator, camera_id = entry.partition(":")
        if not separator or not camera_id.isdecimal() or not name.isidentifier() or not name.isascii():
            raise ParameterError(f"a camera needs the form name:id, as in front:1, got {entry!r}")
        cameras.append((int(camera_id), name))
    ids, names = [camera[0] for camera in cameras], [camera[1] for camera in cameras]
    if ids != sorted(set(ids)) or len(set(names)) != len(names):
        raise ParameterError(f"cameras need ascending ids and distinct names, got {list(entries)}")
    return tuple(cameras)


def camera_problem(entries: tuple[str, ...] | list[str]) -> str:
    """What is wrong with entries such as "front:1"; empty when nothing is."""
    try:
        parse_cameras(entries)
    except ParameterError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class PlannerParameters(ParameterValues):
    """Values of all parameters, checked one by one. Lists are tuples."""

    model_path: str = parameter("", "Folder of the model, its hub id, or reasoning_vla_tiny.")
    tokenizer: str = parameter(
        "",
        "Trajectory tokenizer in place of the model's own, such as driving-klt-8, unicycle+uniform or "
        "package.module:Class.",
    )
    vlm_path: str = parameter("", "Folder of the VLM's tokenizer and config, for checkpoints without their own.")
    device: str = parameter("auto", "Device of the model: auto, cpu, cuda or cuda:N.")
    dtype: str = parameter("auto", "Number format of the weights.", choices=("auto", "bfloat16", "float16", "float32"))
    quantization: str = parameter(
        "none", "8 or 4 bits a weight for the language model and the action expert, by torchao or bitsandbytes.",
        choices=QUANTIZATIONS,
    )  # fmt: skip
    offload: str = parameter(
        "none", "cpu keeps weights that the GPU has no room for in the CPU's memory; plans then take much longer.",
        choices=OFFLOADS,
    )  # fmt: skip
    threads: int = parameter(0, "CPU threads of the inference; 0 leaves PyTorch's choice.", minimum=0, maximum=1024)

    num_samples: int = parameter(1, "Candidate trajectories to draw.", minimum=1, maximum=256, dynamic=True)
    temperature: float = parameter(
        0.6, "Sampling temperature; 0 takes the most likely token.", minimum=0.0, maximum=10.0
    )
    top_p: float = parameter(0.98, "Nucleus that tokens are drawn from.", minimum=0.001, maximum=1.0)
    level_choice: str = parameter(
        "mode",
        "What temperature 0 takes of trajectory tokens that are ascending levels: the most likely one, or the median.",
        choices=LEVEL_CHOICES,
    )
    max_reasoning_tokens: int = parameter(256, "The reasoning is cut behind so many tokens.", minimum=0, maximum=8192)
    action_decoder: str = parameter(
        "auto", "What draws the trajectory: tokens, or flow, the model's action expert; auto prefers the expert.",
        choices=ACTION_DECODERS,
    )  # fmt: skip
    flow_steps: int = parameter(
        0, "Steps of the action expert's flow; 0 for the model's own number.", minimum=0, maximum=1000
    )
    flow_solver: str = parameter("auto", "Solver of the flow; auto for the model's own.", choices=FLOW_SOLVERS)
    flow_reuse_tolerance: float = parameter(
        0.0, "With euler, a velocity that changed by no more than this fraction serves two steps; 0 for never.",
        minimum=0.0, maximum=10.0,
    )  # fmt: skip
    navigation_guidance: float = parameter(
        1.0, "Weight of the navigation text in the flow; 1 for no guidance, more follows the text more closely.",
        minimum=0.0, maximum=100.0,
    )  # fmt: skip
    deadline_s: float = parameter(
        0.0, "Seconds that one plan may take; the reasoning is cut to meet it. 0 for none.",
        minimum=0.0, maximum=600.0, dynamic=True,
    )  # fmt: skip
    max_rate_hz: float = parameter(
        0.0, "Plans per second of input time at most; 0 for as many as the model manages.",
        minimum=0.0, maximum=1000.0, dynamic=True,
    )  # fmt: skip
    seed: int = parameter(
        0, "Base of the random seeds; each plan's seed comes from this and t0.", minimum=0, maximum=2**62
    )

    cameras: tuple[str, ...] = parameter(
        DEFAULT_CAMERAS,
        "Cameras as name:id, ids ascending; images come on ~/input/<name>/image, t0 from the first camera.",
        check=camera_problem,
    )
    camera_rig: str = parameter(
        "",
        "Rig file with the cameras, in place of the parameter cameras: the name of one of the package's (kitti), or a "
        "path with a slash.",
    )
    image_transport: str = parameter(
        "raw", "compressed takes sensor_msgs/CompressedImage on ~/input/<name>/image/compressed.",
        choices=("raw", "compressed"),
    )  # fmt: skip
    num_frames: int = parameter(
        0, "Frames per camera in an observation; 0 for as many as in the model's training.", minimum=0, maximum=64
    )
    frame_dt_s: float = parameter(
        0.0, "Step between those frames, seconds; 0 for that of the model's training.", minimum=0.0, maximum=10.0
    )
    num_history: int = parameter(16, "Ego poses in an observation, the last one at t0.", minimum=1, maximum=1000)
    history_dt_s: float = parameter(0.1, "Step between those poses, seconds.", minimum=0.001, maximum=10.0)
    frame_tolerance_s: float = parameter(
        0.12, "How far a frame may lie from the instant that needs it, seconds.", minimum=0.0001, maximum=10.0
    )
    max_camera_skew_s: float = parameter(
        0.05, "How far the other cameras' newest frames may lie from t0, seconds.", minimum=0.0001, maximum=10.0
    )
    max_odometry_gap_s: float = parameter(
        0.25, "Widest gap in the odometry that is interpolated over, seconds.", minimum=0.001, maximum=10.0
    )
    max_input_age_s: float = parameter(
        1.0,
        "How far t0 may lie from the node's clock, seconds; 0 for no check.",
        minimum=0.0,
        maximum=3600.0,
        dynamic=True,
    )
    instruction: str = parameter("", "Navigation text or task until one arrives on ~/input/instruction.", dynamic=True)
    embodiment: str = parameter("car", "What carries out the plan: car, or the name of a robot.")

    output_frame: str = parameter(
        "odom", "Frame of the plan: odom takes the odometry's frame_id, base_link the vehicle's frame at t0.",
        choices=("odom", "base_link"),
    )  # fmt: skip
    base_frame: str = parameter("base_link", "Name of the vehicle's frame, for output_frame base_link.")
    fallback: str = parameter(
        "none", "Without a valid plan, hold publishes what is left of the last valid one, then a comfortable stop.",
        choices=("none", "hold"),
    )  # fmt: skip
    stream_reasoning: bool = parameter(True, "Publish the reasoning while it is being written.", dynamic=True)
    diagnostics_rate_hz: float = parameter(1.0, "Rate of /diagnostics.", minimum=0.1, maximum=100.0)
    autostart: bool = parameter(
        True, "The executable configures and activates the node itself; false leaves it to a lifecycle manager."
    )

    def rig(self) -> CameraRig | None:
        """The rig that camera_rig names; None where it names none.

        Raises:
            ParameterError: the rig file is missing or wrong, or `cameras` says something else than it does.
        """
        if not self.camera_rig:
            return None
        try:
            rig = CameraRig.load(self.camera_rig)
        except RigError as error:
            raise ParameterError(f"camera_rig: {error}") from error
        # A parameter file holds every default, so what equals it cannot be told from what was left alone.
        if self.cameras not in (DEFAULT_CAMERAS, rig.parameter):
            raise ParameterError(
                f"cameras is {list(self.cameras)}, but camera_rig {self.camera_rig!r} has {list(rig.parameter)}; "
                f"needed the same, or cameras left at {list(DEFAULT_CAMERAS)}"
            )
        return rig

    def observation_config(self, trained_frames: tuple[int, float] = ALPAMAYO_FRAMES) -> ObservationConfig:
        """What an observation consists of.

        Args:
            trained_frames: frames a camera and their step, seconds, of the model's training: for parameters that are 0.

        Raises:
            ParameterError: a rig file that is missing or wrong, or values that do not go together.
        """
        rig = self.rig()
        try:
            return ObservationConfig(
                cameras=parse_cameras(self.cameras if rig is None else rig.parameter),
                num_frames=self.num_frames or trained_frames[0],
                frame_dt_s=self.frame_dt_s or trained_frames[1],
                num_history=self.num_history,
                history_dt_s=self.history_dt_s,
                frame_tolerance_s=self.frame_tolerance_s,
                max_camera_skew_s=self.max_camera_skew_s,
                max_odometry_gap_s=self.max_odometry_gap_s,
            )
        except ParameterError:
            raise
        except ValueError as error:
            raise ParameterError(str(error)) from error

    def planner_settings(self) -> PlannerSettings:
        """How the planner decodes. Raises ParameterError."""
        try:
            flow = FlowSettings(
                steps=self.flow_steps,
                solver=self.flow_solver,
                reuse_tolerance=self.flow_reuse_tolerance,
                navigation_guidance=self.navigation_guidance,
            )
            return PlannerSettings(
                temperature=self.temperature,
                top_p=self.top_p,
                max_reasoning_tokens=self.max_reasoning_tokens,
                action_decoder=self.action_decoder,
                flow=flow,
                level_choice=self.level_choice,
            )
        except ValueError as error:
            raise ParameterError(str(error)) from error


def parameter_specs() -> tuple[ParameterSpec, ...]:
    """The planner's table, in the order of the fields."""
    return specs_of(PlannerParameters)


def parameters_from(values: Mapping[str, Any]) -> PlannerParameters:
    """Parameters of plain values, lists becoming tuples; what is left out has its default. Raises ParameterError."""
    return values_from(PlannerParameters, values)
