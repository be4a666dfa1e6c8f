"""Training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong

if TYPE_CHECKING:
    from reasoning_vla_ros.datasets.training_samples import Samples
    from reasoning_vla_ros.simulation.drives import Drive, DriveSettings
    from reasoning_vla_ros.training.data_config import DrivesConfig


def simulated_drives(config: DrivesConfig) -> tuple[Samples, Samples]:
    """Drives of the expert to train on, with those of a model if there are to be any, and undisturbed ones to evaluate
    on."""
    from rich.progress import Progress
    from torch.utils.data import ConcatDataset

    from reasoning_vla_ros.simulation.drive_samples import DriveSamples
    from reasoning_vla_ros.simulation.drives import DriveSettings, make_drives
    from reasoning_vla_ros.simulation.scenarios import SCENARIOS

    settings = DriveSettings(
        scenarios=config.scenarios or tuple(SCENARIOS),
        episode_s=config.episode_s,
        num_frames=config.num_frames,
        frame_dt_s=config.frame_dt_s,
        num_history=config.num_history,
        stride=config.stride,
        disturbed_share=config.disturbed_share,
        displaced_share=config.displaced_share,
    )
    undisturbed = replace(settings, disturbed_share=0.0, displaced_share=0.0)
    with Progress(console=console) as progress:

        def showing(what: str, count: int) -> Callable[[int, int], None]:
            task = progress.add_task(what, total=count)
            return lambda done, _: progress.update(task, completed=done)

        drives = make_drives(config.count, config.seed, settings, config.jobs, showing("Driving", config.count))
        samples: Samples = DriveSamples(drives, settings)
        held_out: Samples = []
        if count := config.evaluation_count:
            drives = make_drives(count, config.evaluation_seed, undisturbed, config.jobs, showing("To evaluate", count))
            held_out = DriveSamples(drives, undisturbed)
        if count := config.corrections.count:
            drives = corrected_drives(config, settings, showing(f"{config.corrections.model} drives", count))
            repeated = [DriveSamples(drives, settings)] * config.corrections.repeat
            samples = ConcatDataset([samples, *repeated])  # type: ignore[list-item]
    return samples, held_out


def corrected_drives(
    config: DrivesConfig, settings: DriveSettings, on_progress: Callable[[int, int], None]
) -> list[Drive]:
    """Drives of the model that the config's corrections name."""
    from reasoning_vla_ros.closed_loop.corrected_drives import make_corrected_drives
    from reasoning_vla_ros.closed_loop.planner_source import ModelPlanners
    from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
    from reasoning_vla_ros.planning.observation_builder import ObservationConfig

    observation = ObservationConfig(((1, "front"),), config.num_frames, config.frame_dt_s, config.num_history)
    chosen = config.corrections
    return make_corrected_drives(
        chosen.count,
        chosen.seed,
        ModelPlanners(chosen.model),
        EvaluationSettings(scenarios=settings.scenarios, observation=observation, drive_s=config.episode_s),
        stride=chosen.stride,
        jobs=config.jobs,
        on_progress=on_progress,
    )


@app.command()
@says_what_is_wrong
def train(
    config: Annotated[Path, typer.Option(help="YAML file with the settings; config/train has some to begin with.")],
    model: Annotated[str | None, typer.Option(help="Folder or hub id of the model, in place of the config's.")] = None,
    bags: Annotated[
        list[str] | None, typer.Option(help="Recordings to train on, in place of the config's; repeat for more.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Folder for checkpoints, log and model.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in the output.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the optimizer.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Train a model: a new small one, or of one that there is the action expert, LoRA adapters, or all of it.

    Runs under torchrun as well."""
    from reasoning_vla_ros.evaluation.cameras import parse_camera, rig_cameras
    from reasoning_vla_ros.evaluation.recording import Recording
    from reasoning_vla_ros.planning.camera_rig import CameraRig
    from reasoning_vla_ros.training import train_command
    from reasoning_vla_ros.training.data_config import DataConfig

    def open_bag(bag: str, data: DataConfig) -> Recording:
        named = [parse_camera(text) for text in data.cameras]
        return Recording(
            bag,
            cameras=rig_cameras(CameraRig.load(data.rig)) if data.rig else named,
            odometry_topic=data.odometry,
            observation_options={"num_frames": data.num_frames},
        )

    train_command(
        config,
        open_bag,
        simulated_drives,
        model=model,
        bags=bags or (),
        output=output,
        steps=steps,
        resume=resume,
        json_path=json,
        console=console,
    )
