"""Training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong


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
    """Fine-tune a model: its action expert, LoRA adapters, or all of it. Runs under torchrun as well."""
    from reasoning_vla_ros.evaluation.cameras import parse_camera, rig_cameras
    from reasoning_vla_ros.evaluation.recording import Recording
    from reasoning_vla_ros.planning.camera_rig import CameraRig
    from reasoning_vla_ros.training import train_command
    from reasoning_vla_ros.training.config import DataConfig

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
        model=model,
        bags=bags or (),
        output=output,
        steps=steps,
        resume=resume,
        json_path=json,
        console=console,
    )
