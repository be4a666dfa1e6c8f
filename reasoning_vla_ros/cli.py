"""The command `reasoning-vla`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console

app = typer.Typer(
    help="Reasoning vision-language-action models as planners for robots and cars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
tokenizers_app = typer.Typer(help="Trajectory tokenizers.", no_args_is_help=True)
app.add_typer(tokenizers_app, name="tokenizers")

console = Console()
P = ParamSpec("P")
R = TypeVar("R")


def says_what_is_wrong(command: Callable[P, R]) -> Callable[P, R]:
    """Bad input ends the command with its message and exit code 2; anything else is a bug and shows its traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (ValueError, OSError) as error:
            Console(stderr=True).print(f"[red]{type(error).__name__}:[/red] ", end="")
            Console(stderr=True, markup=False, highlight=False).print(str(error))
            raise typer.Exit(2) from error

    return run


@app.command()
@says_what_is_wrong
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the recording, the plans and the report.")] = Path(
        "output/demo"
    ),
    model: Annotated[
        str | None, typer.Option(help="Folder of a model. Default: a small untrained one, made here.")
    ] = None,
    kitti: Annotated[Path | None, typer.Option(help="A KITTI odometry folder. Default: a drive is rendered.")] = None,
    bag: Annotated[Path | None, typer.Option(help="Your own bag, with images on /camera/front/image.")] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="Candidates a plan.")] = 3,
    max_plans: Annotated[int | None, typer.Option(min=1, help="Stop after so many plans.")] = None,
    realtime: Annotated[bool, typer.Option(help="Play at the recording's pace instead of waiting for plans.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads of the inference; 0 leaves PyTorch's choice.")] = 1,
) -> None:
    """Play a recording through the real node over DDS, record its plans, score them and write a report."""
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


@app.command()
@says_what_is_wrong
def evaluate(
    bags: Annotated[list[Path], typer.Argument(help="Bags: rosbag2 folders, .mcap or .db3 files.")],
    model: Annotated[str, typer.Option(help="Folder or hub id of the model.")],
    output: Annotated[Path, typer.Option(help="Folder for plans.mcap, metrics.json, report.html and pictures.")],
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
    num_frames: Annotated[int, typer.Option(min=1, help="Frames a camera.")] = 4,
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
        json_path=json,
        console=console,
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


@app.command()
@says_what_is_wrong
def bench(
    batch: Annotated[int, typer.Option(min=128, help="Trajectories at once.")] = 4096,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of PyTorch and numpy, for both sides.")] = 2,
    quick: Annotated[bool, typer.Option(help="Small tokenizers, few repeats: whether it runs, not how fast.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Speed of the tokenizers against plain implementations of the published methods, in one run."""
    import os
    from json import dumps

    # Libraries under numpy read it once, when they are loaded.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
    import torch
    from rich.table import Table

    from reasoning_vla_ros.evaluation.bench import measure

    torch.set_num_threads(threads)
    with console.status("Measuring") as status:
        speeds = measure(batch, quick=quick, on_case=lambda name: status.update(f"Measuring {name}"))
    table = Table("tokenizer", title=f"Trajectories a second, {batch} at once, and one alone; {threads} threads")
    for column in ("ours", "baseline", "ratio", "one, µs", "in numpy solves"):
        table.add_column(column, justify="right")
    for speed in speeds:
        baseline = "" if speed.baseline_per_s is None else f"{speed.baseline_per_s:,.0f}"
        ratio = "" if speed.ratio is None else f"{speed.ratio:,.0f}x"
        single = (f"{speed.single_us:,.0f}", f"{speed.single_ratio:.1f}")
        table.add_row(speed.name, f"{speed.per_s:,.0f}", baseline, ratio, *single)
    console.print(table)
    console.print(
        "Baselines work one by one. A numpy solve is one dense 64 x 64 system, timed in turns with the single calls."
    )
    if json is not None:
        rows = [{**vars(speed), "ratio": speed.ratio, "single_ratio": speed.single_ratio} for speed in speeds]
        json.write_text(dumps({"batch": batch, "threads": threads, "quick": quick, "rows": rows}, indent=2) + "\n")


Shape = Annotated[str, typer.Option(help="10b, that of the public Alpamayo checkpoints, or small.")]
Candidates = Annotated[
    list[int] | None, typer.Option("--num-samples", min=1, help="Candidates a plan; repeat for more. Default: 1 and 6.")
]


@app.command("bench-model")
@says_what_is_wrong
def bench_model(
    shape: Shape = "10b",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "bfloat16",
    num_samples: Candidates = None,
    text_tokens: Annotated[int, typer.Option(min=1, help="Tokens of reasoning a plan.")] = 40,
    flow_steps: Annotated[int, typer.Option(min=1, help="Steps of the action expert's flow.")] = 10,
    repeats: Annotated[int, typer.Option(min=1, help="Plans that are timed; medians are told.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Speed and memory of a model of the public Alpamayo shape, with random weights, on this machine."""
    from reasoning_vla_ros.evaluation.bench.model_command import bench_model_command

    counts = num_samples or [1, 6]
    bench_model_command(shape, device, dtype, counts, text_tokens, flow_steps, repeats, json, console)


@app.command()
@says_what_is_wrong
def memory(
    shape: Shape = "10b",
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Of 16 images, the ego history and the text.")] = 3006,
    text_tokens: Annotated[int, typer.Option(min=0, help="Tokens of reasoning a plan, at most.")] = 256,
    num_samples: Candidates = None,
    json: Annotated[Path | None, typer.Option(help="Write the bytes to this file.")] = None,
) -> None:
    """Memory that a model of the public Alpamayo shape takes, computed, and which boards have it."""
    from reasoning_vla_ros.evaluation.bench.model_command import memory_command

    memory_command(shape, prompt_tokens, text_tokens, num_samples or [1, 6], json, console)


@tokenizers_app.command("list")
@says_what_is_wrong
def tokenizers_list(json: Annotated[Path | None, typer.Option(help="Write the names to this file.")] = None) -> None:
    """List action spaces, action tokenizers, fitted tokenizers and plugins; any space goes with any tokenizer."""
    from json import dumps

    from rich.table import Table
    from rich.text import Text

    from reasoning_vla_ros.tokenizers import available_tokenizers
    from reasoning_vla_ros.tokenizers.descriptions import describe_tokenizers

    for kind, lines in describe_tokenizers().items():
        table = Table(show_header=False, box=None)
        for name, line in (lines or {"none": ""}).items():
            table.add_row(Text(name, "cyan"), Text(line))
        console.print(f"[bold]{kind.replace('_', ' ')}[/bold]", table, "")
    if json is not None:
        json.write_text(dumps(available_tokenizers(), indent=2) + "\n")


Sources = Annotated[
    list[str],
    typer.Argument(help="Bags, .npz files, LeRobot folders, synthetic:driving[:count[:seed]] or synthetic:arms[…]."),
]
LoadOptions = Annotated[
    list[str] | None, typer.Option("--load", help="key=value for the loader, such as stride_s=0.2 or topic=/odom.")
]


@tokenizers_app.command("fit")
@says_what_is_wrong
def tokenizers_fit(
    sources: Sources,
    tokenizer: Annotated[str, typer.Option(help="An action space and an action tokenizer, such as path+klt.")],
    output: Annotated[Path, typer.Option(help="Folder to save it in; create_tokenizer and the node load it.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value for the tokenizer, such as num_tokens=16.")
    ] = None,
    load: LoadOptions = None,
    held_out: Annotated[float, typer.Option(help="Share of the data that is kept to measure with.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the fit and of what is held out.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Fit a tokenizer to trajectories, save it, and measure it on others."""
    from reasoning_vla_ros.datasets.tokenizer_specs import parse_arguments
    from reasoning_vla_ros.training import fit_tokenizer_command

    fit_tokenizer_command(
        sources,
        tokenizer,
        output,
        arguments=parse_arguments(set_ or ()),
        load_options=parse_arguments(load or ()),
        held_out=held_out,
        seed=seed,
        json_path=json,
        console=console,
    )


@tokenizers_app.command("compare")
@says_what_is_wrong
def tokenizers_compare(
    sources: Sources,
    tokenizer: Annotated[
        list[str] | None,
        typer.Option(
            help="space+tokenizer[,argument=value…], a fitted one's name or a saved folder; repeat for more. "
            "fit=false takes a pair as it is. Default: all that suit the data."
        ),
    ] = None,
    fit_source: Annotated[
        list[str] | None, typer.Option(help="What to fit to; repeat for more. Default: 80 % of the sources.")
    ] = None,
    load: LoadOptions = None,
    seed: Annotated[int, typer.Option(help="Of fits, random ids and of what is held out.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of PyTorch.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw tokens against error: .png, .svg or .pdf.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for comparison.json, .md, .png and the tokenizers that were fitted.")
    ] = None,
) -> None:
    """Compare tokenizers on trajectories: tokens, errors, smoothness, speed, and what bad ids do to them."""
    from reasoning_vla_ros.datasets.tokenizer_specs import parse_arguments
    from reasoning_vla_ros.evaluation.tokenizers import compare_command

    compare_command(
        sources,
        tokenizers=tokenizer or (),
        fit_sources=fit_source or (),
        load_options=parse_arguments(load or ()),
        seed=seed,
        threads=threads,
        json_path=json,
        plot_path=plot,
        output=output,
        console=console,
    )


def main() -> Any:
    """Entry point of the command."""
    return app()


if __name__ == "__main__":
    sys.exit(main())
