"""The demo in closed loop: a tour through the driving world over DDS, then film and report of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from reasoning_vla_ros.cli.drive_view import DriveView
from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL
from reasoning_vla_ros.simulation.drive_log import DriveLog, gap_text, totals

# One of each kind, by day and at dusk, with traffic to be minded; chosen by how the expert drives there, by no model.
TOUR = ("highway:12", "intersection:4", "roundabout:14", "curves:10", "merge:7")
LEG_S = 12.0
# The most likely plans, as often as the shipped model plans in its evaluation.
PLANNER_PARAMETERS = {
    "temperature": 0.0,
    "max_reasoning_tokens": 64,
    "max_rate_hz": 2.0,
}
VIEW = "view"  # a camera like the planner's with more pixels, for those who watch


@dataclass(frozen=True)
class DriveOptions:
    """What the demo drives.

    Attributes:
        model: name, folder or hub id.
        tour: scenarios with their seeds.
        leg_s: of scene time that each is driven at most.
        realtime: time does not wait for plans.
        planner_parameters: of the planner node, on top of PLANNER_PARAMETERS.
        planner: command that starts the node; None for the package's own.
    """

    model: str = DEFAULT_MODEL
    tour: tuple[str, ...] = TOUR
    leg_s: float = LEG_S
    realtime: bool = False
    planner_parameters: dict[str, Any] = field(default_factory=dict)
    planner: Sequence[str] | None = None


def tour_of(duration_s: float, legs: Sequence[str] = TOUR) -> tuple[tuple[str, ...], float]:
    """The scenarios that fill so many seconds, about LEG_S each, and how long each is driven.

    Beyond the last one the tour begins again with seeds that are 100 higher.

    Raises:
        ValueError: a duration that is not positive.
    """
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise ValueError(f"the duration must be positive, got {duration_s} s")
    count = max(1, round(duration_s / LEG_S))
    tour = []
    for number in range(count):
        scenario, _, seed = legs[number % len(legs)].partition(":")
        tour.append(f"{scenario}:{int(seed) + 100 * (number // len(legs))}")
    return tuple(tour), duration_s / count


def drive_demo(options: DriveOptions, output: Path, console: Console) -> DriveLog:
    """Drives, shows it meanwhile, and leaves drive.mcap, demo.mp4, demo.gif, demo.png and report.html in a folder.

    Raises:
        OSError: there is no ROS, or the loop could not be closed.
    """
    from reasoning_vla_ros.simulation.film.from_steps import VIEW_CAMERA
    from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView

    try:
        from reasoning_vla_ros.ros.drive import DriveError, DriveNodes, run_drive
        from reasoning_vla_ros.ros.node_process import module_command
    except ImportError as error:
        raise OSError(
            f"the demo runs the real nodes, which need ROS 2 and the built package ({error}); "
            "`make demo` sets both up, `. scripts/ros_env.sh` makes them visible. Without ROS, "
            "`reasoning-vla simulate` drives in one process"
        ) from error
    in_base = SceneView().camera_in_base
    nodes = DriveNodes(
        simulator=module_command("reasoning_vla_ros.simulation.simulator_process"),
        planner=options.planner or module_command("reasoning_vla_ros.ros.planner_node"),
        simulator_parameters={
            "cameras": ["front:0", f"{VIEW}:0:{VIEW_CAMERA.width}x{VIEW_CAMERA.height}"],
            "image_width": FRONT_CAMERA.width,
            "image_height": FRONT_CAMERA.height,
            "horizontal_fov_deg": FRONT_CAMERA.horizontal_fov_deg,
            "lockstep_plan_period_s": 0.5,
        },
        planner_parameters={"model_path": options.model, **PLANNER_PARAMETERS, **options.planner_parameters},
        other_cameras=(VIEW,),
        cameras_in_base={f"camera_{name}_optical_frame": in_base for name in ("front", VIEW)},
    )
    try:
        with DriveView(console, len(options.tour), options.leg_s) as view:
            bag = run_drive(
                nodes,
                options.tour,
                options.leg_s,
                output,
                realtime=options.realtime,
                on_message=view.take,
                on_turn=view.turn,
            )
    except DriveError as error:
        raise OSError(str(error)) from error
    return film_and_report(bag, output, Path(options.model).name, console, realtime=options.realtime)


def film_and_report(bag: Path, output: Path, title: str, console: Console, *, realtime: bool = False) -> DriveLog:
    """Film, pictures and report of a recorded drive; what came of it.

    Raises:
        BagError: the bag is no recording of a drive.
        OSError: nothing was driven.
    """
    from reasoning_vla_ros.simulation.film import make_film, moments_of_bag, read_log
    from reasoning_vla_ros.simulation.film.report import still_times_s, write_drive_report

    log = read_log(bag)
    if not any(leg.num_plans for leg in log.legs):
        raise OSError(f"no plan was made in {bag}; planner_node.log beside it tells why")
    pages = round(sum(leg.duration_s for leg in log.legs) * 10)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Drawing the film", total=pages)
        film = make_film(
            moments_of_bag(bag, title),
            video=output / "demo.mp4",
            gif=output / "demo.gif",
            picture=output / "demo.png",
            still_times_s=still_times_s(log),
            on_page=lambda count: progress.update(task, completed=count),
        )
    pace = "Time went on as on a road." if realtime else "Time stood still while a plan was made (lockstep)."
    write_drive_report(
        log,
        output / "report.html",
        title=title,
        stills=film.stills,
        animation="demo.gif",
        notes=(f"{pace} The worlds are the project's own simulation; this is no proof of driving on roads.",),
        files=(
            ("drive.mcap", "everything that the nodes said: open it in Foxglove with config/foxglove_layout.json"),
            ("demo.mp4", "the film, at the pace of the drive"),
            ("demo.gif", "the same, faster"),
            ("demo.png", "a page of it"),
        ),
    )
    return log


def print_drive(log: DriveLog, output: Path, console: Console) -> None:
    """What came of it, and where to look."""
    sums = totals(log)
    console.print(
        f"\n{sums['duration_s']:.0f} s and {sums['distance_m']:.0f} m driven by {sums['num_plans']} plans "
        f"({sums['num_invalid']} invalid, {sums['plan_s_median']:.2f} s each): {sums['num_collisions']} collisions, "
        f"{sums['num_off_road']} off the road, smallest gap {gap_text(sums['min_gap_m'])}",
        highlight=False,
    )
    console.print(f"[bold]Open {output / 'report.html'} in a browser[/bold], {output / 'demo.mp4'} in a player")
    console.print(f"and {output / 'drive.mcap'} in Foxglove", highlight=False)
