"""What `reasoning-vla evaluate` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

from rich.console import Console
from rich.table import Table

from reasoning_vla_ros.evaluation.cameras import parse_camera, rig_cameras
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.outcome import EvaluationResult
from reasoning_vla_ros.evaluation.recording import Recording
from reasoning_vla_ros.evaluation.run import evaluate, require_distinct
from reasoning_vla_ros.planning.camera_rig import CameraRig
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.planning.rig_differences import rig_differences, trained_frames, trained_rig
from reasoning_vla_ros.planning.settings import PlannerSettings


def evaluate_command(
    bags: Sequence[Path],
    model: str,
    output: Path,
    *,
    settings: PlannerSettings,
    tokenizer: str | None,
    vlm: str | None,
    device: str,
    dtype: str,
    quantization: str = "none",
    offload: str = "none",
    num_samples: int,
    seed: int,
    stride: int,
    max_plans: int | None,
    cameras: Sequence[str] | None,
    rig: str | None = None,
    odometry: str | None,
    num_frames: int | None,
    frame_dt_s: float | None = None,
    instruction: str = "",
    json_path: Path | None,
    console: Console,
) -> EvaluationResult:
    """Loads the model, evaluates it over the bags and prints the headline; see `evaluate`.

    Args:
        cameras: as `parse_camera` reads them.
        rig: rig file, or name of one, that gives the cameras; not together with `cameras`. Its differences from what
            the model was trained with go into the report's notes.
        num_frames, frame_dt_s: frames a camera and their step; None for those of the model's training.
        instruction: navigation text of every plan; by default what a bag's own topic of them says.
        json_path: where a copy of metrics.json goes.

    Raises:
        EvaluationError: `json_path` is a folder; `cameras` and `rig` are both given; else as `evaluate` does.
    """
    from reasoning_vla_ros.planning.planner import Planner

    if json_path is not None and json_path.is_dir():
        raise EvaluationError(f"--json {json_path} is a folder, needed the name of a file")
    if rig and cameras:
        raise EvaluationError(
            f"--rig {rig} and --camera {' '.join(cameras)} both say which cameras there are, needed one"
        )
    camera_rig = CameraRig.load(rig) if rig else None
    topics = [parse_camera(text) for text in cameras or ()] if camera_rig is None else list(rig_cameras(camera_rig))
    require_distinct(bags)
    for bag in bags:  # what a bag lacks is told before minutes go into loading a model
        Recording(bag, cameras=topics, odometry_topic=odometry)
    with console.status("Loading the model"):
        planner = Planner.from_pretrained(
            model,
            tokenizer=tokenizer,
            vlm=vlm,
            device=device,
            dtype=dtype,
            quantization=quantization,
            offload=offload,
            settings=settings,
        )
    trained_count, trained_dt_s = trained_frames(planner.model.config)
    frames = {"num_frames": num_frames or trained_count, "frame_dt_s": frame_dt_s or trained_dt_s}
    result = evaluate(
        bags,
        planner,
        output,
        num_samples=num_samples,
        seed=seed,
        stride=stride,
        max_plans=max_plans,
        cameras=topics,
        odometry_topic=odometry,
        observation_options=frames,
        instruction=instruction,
        planner_name=model,
        notes=[*model_notes(model), *rig_notes(camera_rig, frames, planner)],
        console=console,
    )
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        copyfile(result.metrics_path, json_path)
    print_headline(result, console)
    return result


def model_notes(model: str) -> list[str]:
    """What a reader must know of the model at this folder or hub id; above all, that its weights are random."""
    from reasoning_vla_ros.planning.model_loading import model_config

    if model_config(model).get("untrained"):
        return [
            "The model's weights are random, it was never trained: its plans and its texts mean nothing. Scores near a "
            "baseline's are no skill either: the demo model's tokens only allow mild motion around constant velocity."
        ]
    return []


def rig_notes(rig: CameraRig | None, frames: Mapping[str, Any], planner: Any) -> list[str]:
    """How a rig differs from that of the model's training."""
    if rig is None:
        return []
    config = ObservationConfig(tuple((camera.camera_id, camera.name) for camera in rig.used), **frames)
    differences = rig_differences(config, trained_rig(planner.model.config), rig)
    return [f"Camera rig {rig.name}: {sentence}." for sentence in differences]


def print_headline(result: EvaluationResult, console: Console) -> None:
    """ADE by method and horizon, and where the files are."""
    overall = result.metrics["overall"]
    horizons = [f"{horizon_s:g}" for horizon_s in result.metrics["run"]["horizons_s"]]
    table = Table(title="ADE (m) by horizon")
    table.add_column("method")
    for horizon in horizons:
        table.add_column(f"{horizon} s", justify="right")
    for name, scores in overall["methods"].items():
        means = [scores["ade_m"][horizon]["mean"] for horizon in horizons]
        table.add_row(name, *("-" if mean is None else f"{mean:.2f}" for mean in means))
    console.print(table)
    total = overall["latency_s"]["total"]
    lines = [
        f"{overall['num_plans']} plans, {overall['validity_rate']:.0%} valid; scored on {overall['scored_on']}",
        f"plan time p50 {total['p50']:.3f} s, p99 {total['p99']:.3f} s",
        *(f"note: {note}" for note in result.metrics["notes"]),
        *(
            f"{Path(bag['path']).name}: {skip['count']} skipped as {reason}; first: {skip['first']}"
            for bag in result.metrics["bags"]
            for reason, skip in bag["skipped"].items()
        ),
        *(f"{Path(bag['path']).name}: note: {note}" for bag in result.metrics["bags"] for note in bag["notes"]),
        f"report: {result.report_path}",
        f"metrics: {result.metrics_path}",
        *(f"plans: {path}" for path in result.plans_paths),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
