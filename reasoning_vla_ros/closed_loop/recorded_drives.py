"""Drives of the expert as bags, for training and evaluation of recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags import BagWriter
from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.bags.recording import BASE_FRAME, CameraMount, DriveRecorder
from reasoning_vla_ros.closed_loop.seeds import training_seed
from reasoning_vla_ros.messages.plan_messages import reasoning_to_msg
from reasoning_vla_ros.messages.stamps import seconds_to_ns
from reasoning_vla_ros.simulation.drive_samples import EPISODE_NS
from reasoning_vla_ros.simulation.episode import EpisodeResult, Step, run_episode
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.rendered_drive import DEFAULT_START_NS
from reasoning_vla_ros.simulation.scenarios import SCENARIOS, find_scenario
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.simulation.world import World

CAMERA = "front"
INSTRUCTION_TOPIC = "/instruction"
REASONING_TOPIC = "/reasoning"


@dataclass(frozen=True)
class RecordedDrive:
    """A bag, the world that it is of, and what came of the drive."""

    path: Path
    scenario: str
    seed: int
    result: EpisodeResult


def record_drives(
    folder: Path | str,
    num_drives: int,
    seed: int = 0,
    *,
    scenarios: Sequence[str] = tuple(SCENARIOS),
    duration_s: float = 30.0,
    view: SceneView | None = None,
    overwrite: bool = False,
    on_drive: Callable[[RecordedDrive], None] | None = None,
) -> list[RecordedDrive]:
    """Write mcap files `<scenario>_<number>.mcap` with drives of the expert at 10 Hz.

    Topics: /camera/front/image and camera_info, /odometry, /tf, /tf_static, /instruction (std_msgs/String, latched, at
    each change) and /reasoning (ReasoningTrace, with the meta action). Drive i is of scenario i modulo their number,
    in worlds that no evaluation uses. The same arguments give the same messages.

    Args:
        folder: made when missing.
        num_drives: how many.
        seed: 0 to 4,999; see :mod:`closed_loop.seeds`.
        scenarios: by name.
        duration_s: of each at most; a drive ends with its route.
        view: the camera, FRONT_CAMERA by default.
        overwrite: replace bags that are there.
        on_drive: called with each.

    Raises:
        ValueError: no drives asked for, an unknown scenario, or a seed out of its bounds.
        BagError: a bag cannot be written.
    """
    if num_drives < 1:
        raise ValueError(f"the number of drives must be at least 1, got {num_drives}")
    for name in scenarios:
        find_scenario(name)
    drives = []
    for index in range(num_drives):
        scenario = scenarios[index % len(scenarios)]
        world = World(scenario, training_seed(seed, index))
        path = Path(folder) / f"{scenario}_{index:04d}.mcap"
        start_ns = DEFAULT_START_NS + index * EPISODE_NS
        result = record_drive(path, world, duration_s, view=view, start_ns=start_ns, overwrite=overwrite)
        drives.append(RecordedDrive(path, scenario, world.seed, result))
        if on_drive is not None:
            on_drive(drives[-1])
    return drives


def record_drive(
    path: Path,
    world: World,
    duration_s: float,
    *,
    view: SceneView | None = None,
    start_ns: int = DEFAULT_START_NS,
    overwrite: bool = False,
) -> EpisodeResult:
    """Write one drive; see :func:`record_drives`. `start_ns` is the stamp of the world's time zero."""
    view = view or SceneView()
    mount = CameraMount(CAMERA, view.camera.projection, np.array(view.camera.xyz_in_base))
    latched = ("/tf_static", INSTRUCTION_TOPIC)
    with BagWriter(path, storage="mcap", overwrite=overwrite, compress=True, latched_topics=latched) as writer:
        recorder = DriveRecorder(writer, (mount,), start_ns)
        told = ""

        def write(step: Step) -> None:
            nonlocal told
            stamp_ns = start_ns + seconds_to_ns(step.state.time_s)
            ego = step.state.ego
            recorder.write_pose(
                stamp_ns,
                np.array([*ego.xy, 0.0]),
                Rotation.from_euler("z", ego.yaw_rad),
                np.array([ego.speed_mps, 0.0, 0.0]),
                np.array([0.0, 0.0, ego.yaw_rate_rps]),
            )
            if step.navigation != told:
                told = step.navigation
                writer.write(INSTRUCTION_TOPIC, t.String(data=told), stamp_ns)
            assert step.decision is not None
            meta_action = str(step.decision.meta_action)
            trace = reasoning_to_msg(stamp_ns, BASE_FRAME, t, text=step.text, meta_action=meta_action, complete=True)
            writer.write(REASONING_TOPIC, trace, stamp_ns)
            recorder.write_image(mount, stamp_ns, step.images[CAMERA])

        return run_episode(world, ExpertDriver(), duration_s, views={CAMERA: view}, on_step=write)
