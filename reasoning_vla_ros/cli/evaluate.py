"""Evaluation of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong
from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL


@app.command()
@says_what_is_wrong
def evaluate(
    bags: Annotated[list[Path], typer.Argument(help="Bags: rosbag2 folders, .mcap or .db3 files.")],
    output: Annotated[Path, typer.Option(help="Folder for plans.mcap, metrics.json, report.html and pictures.")],
    model: Annotated[str, typer.Option(help="Name, folder or hub id of the model.")] = DEFAULT_MODEL,
    tokenizer: Annotated[str | None, typer.Option(help="Takes the place of the model's trajectory tokenizer.")] = None,
    vlm: Annotated[str | None, typer.Option(help="Folder or hub id of the VLM, for checkpoints without one.")] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="Candidates a plan.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the run; each plan's follows from it and t0.")] = 0,
    stride: Annotated[int, typer.Option(min=1, help="Plan at every n-th frame of the first camera.")] = 1,
    max_plans: Annotated[int | None, typer.Option(min=1, help="Stop after so many plans a bag.")] = None,
    camera: Annotated[
        list[str] | None, typer.Option(help="name:id=topic; repeat for more. Default: all there are.")
    ] = None,
    rig: Annotated[str | None, typer.Option(help="Rig file, or name of one, in place of --camera.")] = None,
    odometry: Annotated[str | None, typer.Option(help="Odometry topic. Default: the only one there is.")] = None,
    num_frames: Annotated[
        int | None, typer.Option(min=1, help="Frames a camera. Default: as in the model's training.")
    ] = None,
    frame_step: Annotated[float | None, typer.Option(help="Seconds between them. Default: likewise.")] = None,
    instruction: Annotated[
        str, typer.Option(help="Navigation text. Default: what the bag's topic named instruction says.")
    ] = "",
    temperature: Annotated[float, typer.Option(help="Of the sampling.")] = 0.6,
    top_p: Annotated[float, typer.Option(help="Nucleus of the sampling.")] = 0.98,
    max_reasoning_tokens: Annotated[int, typer.Option(help="The reasoning is cut behind so many.")] = 256,
    action_decoder: Annotated[
        str, typer.Option(help="tokens, or flow, the model's action expert; auto prefers the expert.")
    ] = "auto",
    flow_steps: Annotated[int, typer.Option(min=0, help="Of the expert's flow; 0 for the model's own.")] = 0,
    navigation_guidance: Annotated[
        float, typer.Option(min=0, help="Weight of the navigation text in the flow; 1 for none.")
    ] = 1.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = "auto",
    quantization: Annotated[str, typer.Option(help="none, int8 or int4.")] = "none",
    offload: Annotated[str, typer.Option(help="none, or cpu for weights that the GPU has no room for.")] = "none",
    json: Annotated[Path | None, typer.Option(help="Write the metrics to this file too.")] = None,
) -> None:
    """Run the planner over bags, score its plans beside baselines and write a report."""
    from reasoning_vla_ros.evaluation.command import evaluate_command
    from reasoning_vla_ros.planning import FlowSettings, PlannerSettings

    evaluate_command(
        bags,
        model,
        output,
        settings=PlannerSettings(
            temperature,
            top_p,
            max_reasoning_tokens,
            action_decoder=action_decoder,
            flow=FlowSettings(steps=flow_steps, navigation_guidance=navigation_guidance),
        ),
        tokenizer=tokenizer,
        vlm=vlm,
        device=device,
        dtype=dtype,
        quantization=quantization,
        offload=offload,
        num_samples=num_samples,
        seed=seed,
        stride=stride,
        max_plans=max_plans,
        cameras=camera,
        rig=rig,
        odometry=odometry,
        num_frames=num_frames,
        frame_dt_s=frame_step,
        instruction=instruction,
        json_path=json,
        console=console,
    )
