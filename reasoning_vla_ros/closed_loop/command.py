"""`reasoning-vla simulate`: evaluate, drive one world, or record the expert."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reasoning_vla_ros.closed_loop.driving import drive_world
from reasoning_vla_ros.closed_loop.evaluation import evaluate_planner
from reasoning_vla_ros.closed_loop.planner_source import PlannerSource
from reasoning_vla_ros.closed_loop.recorded_drives import record_drives
from reasoning_vla_ros.closed_loop.report import print_scores, write_details, write_scores
from reasoning_vla_ros.closed_loop.scores import driving_scores, scores_of
from reasoning_vla_ros.closed_loop.settings import EvaluationSettings
from reasoning_vla_ros.simulation.film import make_film
from reasoning_vla_ros.simulation.film.from_steps import moments_of_steps
from reasoning_vla_ros.simulation.world import World


def evaluate_command(
    source: PlannerSource,
    settings: EvaluationSettings,
    *,
    num_jobs: int,
    threads: int,
    json_path: Path | None,
    output: Path | None,
    console: Console,
) -> None:
    """Evaluate, print, and write what is asked for."""
    found = evaluate_planner(source, settings, num_jobs=num_jobs, threads=threads, console=console)
    scores = scores_of(found)
    print_scores(scores, console)
    if json_path is not None:
        write_scores(json_path, scores)
    if output is not None:
        write_details(output, scores, found)


def drive_command(
    source: PlannerSource,
    scenario: str,
    settings: EvaluationSettings,
    json_path: Path | None,
    console: Console,
    film: Path | None = None,
) -> None:
    """Drive one world by a planner and tell what came of it; the world's seed is the settings'.

    Args:
        source, scenario, settings, console: as said.
        json_path: where the figures go; None for nowhere.
        film: likewise of a film, MP4.
    """
    world = World(scenario, settings.seed)
    driven = drive_world(world, source, settings, keep_steps=film is not None)
    result = driven.result
    told = ""
    for time_s, text in result.texts:
        if text != told:
            console.print(f"{time_s:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)
        told = text
    end = "hit something" if result.has_collided else "left the road" if result.has_left_road else "drove on"
    scores = driving_scores([driven])
    console.print(
        f"{scenario}, seed {settings.seed}: {end}; {result.progress_m:.0f} m in {result.duration_s:.1f} s "
        f"(the expert {driven.expert.progress_m:.0f} m), nearest {result.min_gap_m:.1f} m; "
        f"{driven.num_plans} plans, {driven.num_valid} valid",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if film is not None:
        film.parent.mkdir(parents=True, exist_ok=True)
        make_film(moments_of_steps(result.steps, Path(source.name).name, scenario), video=film)
        console.print(str(film), markup=False, highlight=False, soft_wrap=True)
    if json_path is not None:
        write_scores(json_path, {"model": source.name, "scenario": scenario, "seed": settings.seed, **scores})


def record_command(
    folder: Path, num_drives: int, seed: int, scenarios: tuple[str, ...], duration_s: float, console: Console
) -> None:
    """Record drives of the expert and tell where they are."""
    record_drives(
        folder,
        num_drives,
        seed,
        scenarios=scenarios,
        duration_s=duration_s,
        on_drive=lambda drive: console.print(
            f"{drive.path}: {drive.result.duration_s:.1f} s, {drive.result.progress_m:.0f} m",
            markup=False,
            highlight=False,
            soft_wrap=True,
        ),
    )
