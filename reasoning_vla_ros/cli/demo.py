"""Commands to begin with: the demo, a recording and a model to try."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong
from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL


@app.command()
@says_what_is_wrong
def demo(
    output: Annotated[Path, typer.Option(help="Folder for recording, film and report.")] = Path("output/demo"),
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Name, folder or hub id. Default: {DEFAULT_MODEL}; to play a recording, a small untrained one."
        ),
    ] = None,
    duration: Annotated[float, typer.Option(help="Seconds to drive, about 12 in each scenario.")] = 60.0,
    tour: Annotated[
        str | None, typer.Option(help='Scenarios with seeds in place of the usual ones, such as "highway:3 merge:5".')
    ] = None,
    replay: Annotated[
        bool, typer.Option(help="Play a recording through the planner node instead; without one, a rendered drive.")
    ] = False,
    kitti: Annotated[Path | None, typer.Option(help="Play a KITTI odometry folder.")] = None,
    bag: Annotated[Path | None, typer.Option(help="Play your own bag, with images on /camera/front/image.")] = None,
    num_samples: Annotated[
        int | None, typer.Option(min=1, help="Candidates a plan. Default: 1; a recording 3.")
    ] = None,
    max_plans: Annotated[int | None, typer.Option(min=1, help="Stop after so many; of a recording only.")] = None,
    realtime: Annotated[bool, typer.Option(help="Never wait for plans.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of the inference; 0 leaves PyTorch's choice.")] = 1,
) -> None:
    """Let a model drive in closed loop through the real nodes over DDS; leaves recording, film and report.

    With --kitti, --bag or --replay a recording is played through the planner node instead, and its plans are scored.
    """
    if replay or kitti is not None or bag is not None:
        _play(output, model, kitti, bag, num_samples or 3, max_plans, realtime, threads)
        return
    if max_plans is not None:
        raise ValueError("--max-plans is of a recording; --duration limits a drive")
    from reasoning_vla_ros.cli.drive_demo import DriveOptions, drive_demo, print_drive, tour_of

    legs, leg_s = tour_of(duration)
    if tour is not None:
        legs = tuple(tour.split())
        leg_s = duration / max(len(legs), 1)
    options = DriveOptions(
        model=model or DEFAULT_MODEL,
        tour=legs,
        leg_s=leg_s,
        realtime=realtime,
        planner_parameters={"num_samples": num_samples or 1, "threads": threads},
    )
    print_drive(drive_demo(options, output, console), output, console)


@app.command("film")
@says_what_is_wrong
def film(
    drive: Annotated[Path, typer.Argument(help="A drive that the demo recorded, drive.mcap.")],
    output: Annotated[Path, typer.Option(help="Folder for demo.mp4, demo.gif, demo.png and report.html.")],
    title: Annotated[str, typer.Option(help="Who drives.")] = DEFAULT_MODEL,
) -> None:
    """Draw film and report of a recorded drive anew."""
    from reasoning_vla_ros.cli.drive_demo import film_and_report, print_drive

    output.mkdir(parents=True, exist_ok=True)
    print_drive(film_and_report(drive, output, title, console), output, console)


def _play(
    output: Path,
    model: str | None,
    kitti: Path | None,
    bag: Path | None,
    num_samples: int,
    max_plans: int | None,
    realtime: bool,
    threads: int,
) -> None:
    """A recording through the real node over DDS; its plans scored."""
    from reasoning_vla_ros.evaluation import score_recorded_plans
    from reasoning_vla_ros.evaluation.cameras import parse_camera
    from reasoning_vla_ros.evaluation.command import model_notes, print_headline

    try:
        from reasoning_vla_ros.ros.demo import DemoError, run_demo
    except ImportError as error:
        raise OSError(
            f"the demo runs the real node, which needs ROS 2 and the built package ({error}); "
            "`make demo` sets both up, `. scripts/ros_env.sh` makes them visible"
        ) from error

    output.mkdir(parents=True, exist_ok=True)
    model = model or str(_small_model(output / "model"))
    recording = bag or _recording(output / "recording.mcap", kitti)
    parameters = {"num_samples": num_samples, "max_reasoning_tokens": 32, "threads": threads}
    try:
        result = run_demo(
            recording,
            model,
            output,
            {"front:1": "/camera/front/image"},
            parameters=parameters,
            max_plans=max_plans,
            realtime=realtime,
            console=console,
        )
    except DemoError as error:
        raise OSError(str(error)) from error
    console.print(f"{result.num_plans} plans from {result.num_frames} frames in {result.seconds:.0f} s")
    with console.status("Scoring and drawing"):
        scores = score_recorded_plans(
            recording,
            result.plans_path,
            output,
            cameras=[parse_camera("front:1=/camera/front/image")],
            planner_name=model,
            notes=model_notes(model),
        )
    print_headline(scores, console)
    console.print(f"\n[bold]Open {scores.report_path} in a browser[/bold]; pictures are in {output / 'pictures'}")


def _small_model(folder: Path) -> Path:
    if not (folder / "config.json").exists():
        from reasoning_vla_ros.models.small import build_small_model

        with console.status("Making a small model"):
            build_small_model(folder)
    return folder


def _recording(path: Path, kitti: Path | None) -> Path:
    """The recording to play: the KITTI folder's, or one rendered here."""
    if kitti is not None:
        import_kitti(kitti, path, overwrite=True)
        return path
    from reasoning_vla_ros.simulation.rendered_drive import render_drive

    with console.status("Rendering a drive"):
        render_drive(path, overwrite=True)
    console.print(f"{path}: a rendered drive")
    return path


@app.command("import-kitti")
@says_what_is_wrong
def import_kitti(
    folder: Annotated[Path, typer.Argument(help="A KITTI odometry sequence: images, calib.txt, times and poses.")],
    bag: Annotated[Path, typer.Argument(help="The bag to write; ending in .mcap, a single file.")],
    poses: Annotated[str, typer.Option(help="File of poses in the folder.")] = "auto",
    camera_height_m: Annotated[float, typer.Option(help="Height of the camera above the ground.")] = 1.65,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing bag.")] = False,
) -> None:
    """Turn a KITTI odometry folder into a bag of images, calibration, odometry and tf."""
    from rich.progress import Progress

    from reasoning_vla_ros.bags.kitti import import_kitti as run

    with Progress(console=console) as progress:
        task = progress.add_task("Writing poses and images")
        summary = run(
            folder,
            bag,
            poses=poses,
            camera_height_m=camera_height_m,
            overwrite=overwrite,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(
        f"{summary.path}: {summary.num_images} images, {summary.num_poses} poses, "
        f"{(summary.end_ns - summary.start_ns) * 1e-9:.1f} s, {summary.length_m:.0f} m"
    )


@app.command("make-model")
@says_what_is_wrong
def make_model(
    folder: Annotated[Path, typer.Argument(help="Where to save it.")],
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 0,
    tokenizer: Annotated[
        str | None, typer.Option(help="Trajectory tokenizer, such as driving-klt-8. Default: 128 tokens a plan.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="alpamayo_reasoning_vla; or alpamayo_r1 or alpamayo1_5 with an action expert.")
    ] = "alpamayo_reasoning_vla",
) -> None:
    """Make a small ReasoningVLA with random weights, to try the pipeline without a checkpoint. It knows nothing."""
    from reasoning_vla_ros.models.small import build_small_model

    model = build_small_model(folder, seed, traj_tokenizer=tokenizer, kind=kind)
    count = sum(parameter.numel() for parameter in model.parameters())
    console.print(f"{folder}: {count / 1e6:.1f} million parameters, [yellow]untrained[/yellow]")
