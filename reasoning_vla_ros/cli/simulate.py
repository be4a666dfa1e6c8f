"""The driving world: scores of a planner, a single drive, and recordings of the expert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong
from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL


@app.command()
@says_what_is_wrong
def simulate(
    model: Annotated[
        str | None, typer.Option(help=f"Name, folder or hub id of the model that drives. Default: {DEFAULT_MODEL}.")
    ] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="Plans of the expert in place of a model's.")] = False,
    evaluate: Annotated[
        int | None, typer.Option(min=1, help="Score the planner on so many unseen drives a scenario.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Record drives of the expert as bags in this folder.")] = None,
    drives: Annotated[int, typer.Option(min=1, help="How many to record.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the worlds.")] = 0,
    scenario: Annotated[
        list[str] | None, typer.Option(help="highway, merge, roundabout, intersection, curves; repeat for more.")
    ] = None,
    duration: Annotated[float, typer.Option(help="Seconds of scene time of each drive.")] = 20.0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes of an evaluation; each loads the model.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of PyTorch where the speed is measured.")] = 2,
    plan_period: Annotated[float, typer.Option(help="Seconds of scene time between plans.")] = 0.5,
    latency: Annotated[float, typer.Option(min=0, help="Seconds of scene time until a plan takes effect.")] = 0.2,
    num_samples: Annotated[int, typer.Option(min=1, help="Candidates a plan.")] = 1,
    num_frames: Annotated[int, typer.Option(min=1, help="Frames of the front camera.")] = 2,
    frame_step: Annotated[float, typer.Option(help="Seconds between them, a multiple of 0.1.")] = 0.8,
    max_reasoning_tokens: Annotated[int, typer.Option(min=0, help="The reasoning is cut behind so many.")] = 64,
    level_choice: Annotated[
        str, typer.Option(help="Trajectory levels at temperature 0: mode, the most likely, or median.")
    ] = "mode",
    baseline_drives: Annotated[
        int, typer.Option(min=1, help="Drives that the ego-history baseline is trained on.")
    ] = 400,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    film: Annotated[Path | None, typer.Option(help="Write a film (MP4) of the one drive to this file.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for figures, drives, texts and instants.")] = None,
) -> None:
    """Score a planner in the driving world, let it drive one world, or record the expert."""
    from reasoning_vla_ros.closed_loop import EvaluationSettings, ExpertPlanners, ModelPlanners, PlannerSource
    from reasoning_vla_ros.closed_loop.command import drive_command, evaluate_command, record_command
    from reasoning_vla_ros.planning import PlannerSettings
    from reasoning_vla_ros.planning.observation_builder import ObservationConfig
    from reasoning_vla_ros.simulation.scenarios import SCENARIOS

    scenarios = tuple(scenario or SCENARIOS)
    if record is not None:
        if model is not None or oracle or evaluate is not None:
            raise ValueError("--record is of the expert, without --model, --oracle and --evaluate")
        if film is not None:
            raise ValueError("--film is of one drive, without --record")
        record_command(record, drives, seed, scenarios, duration, console)
        return
    if model is not None and oracle:
        raise ValueError("needed --model or --oracle, not both")
    settings = EvaluationSettings(
        episodes=evaluate or 1,
        seed=seed,
        scenarios=scenarios,
        episode_s=duration,
        observation=ObservationConfig(((1, "front"),), num_frames, frame_step),
        plan_period_s=plan_period,
        latency_s=latency,
        num_samples=num_samples,
        ego_mlp_drives=baseline_drives,
    )
    planner_settings = PlannerSettings(
        temperature=0.0, max_reasoning_tokens=max_reasoning_tokens, level_choice=level_choice
    )
    source: PlannerSource = (
        ExpertPlanners() if oracle else ModelPlanners(model or DEFAULT_MODEL, planner_settings, device)
    )
    if evaluate is None:
        drive_command(source, scenarios[0], settings, json, console, film)
        return
    if film is not None:
        raise ValueError("--film is of one drive, without --evaluate")
    evaluate_command(source, settings, num_jobs=jobs, threads=threads, json_path=json, output=output, console=console)
