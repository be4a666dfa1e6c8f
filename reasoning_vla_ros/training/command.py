"""What `reasoning-vla train` does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from rich.console import Console
from rich.status import Status
from torch.utils.data import ConcatDataset, Subset

from reasoning_vla_ros.datasets.training_samples import Samples
from reasoning_vla_ros.planning.model_loading import load_model
from reasoning_vla_ros.training.bag_samples import BagSamples, DrivenRecording, split_by_time
from reasoning_vla_ros.training.config import TrainConfig
from reasoning_vla_ros.training.config_files import read_config
from reasoning_vla_ros.training.data_config import DataConfig, DrivesConfig
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.evaluation import headline
from reasoning_vla_ros.training.new_model import make_new_model
from reasoning_vla_ros.training.result import TrainResult
from reasoning_vla_ros.training.texts import Texts, read_text_file, read_text_topic
from reasoning_vla_ros.training.trainer import Trainer

# Waypoints of models whose action space has no fixed number of them, at the history's step.
DEFAULT_WAYPOINTS, DEFAULT_DT_S = 64, 0.1
LONGEST_MAKING = timedelta(hours=6)  # that processes wait for each other

# Opens a bag; `evaluation.recording.Recording` with a data config's cameras, odometry and frames.
OpenBag = Callable[[str, DataConfig], DrivenRecording]
# Makes drives to train on and to evaluate on; `simulation.drive_samples.DriveSamples`.
MakeDrives = Callable[[DrivesConfig], tuple[Samples, Samples]]


def train_command(
    config_path: Path | str,
    open_bag: OpenBag,
    make_drives: MakeDrives,
    *,
    model: str | None = None,
    bags: Sequence[str] = (),
    output: str | None = None,
    steps: int | None = None,
    resume: bool = False,
    json_path: Path | None = None,
    console: Console | None = None,
) -> TrainResult:
    """Trains as a config file says, in this process or, under torchrun or `accelerate launch`, in several.

    Args:
        config_path: YAML, see :class:`TrainConfig`.
        open_bag: opens the recordings.
        make_drives: makes simulated drives.
        model, bags, output, steps: take the place of the config's.
        resume: goes on from the newest checkpoint in the output.
        json_path: where the result goes as JSON.
        console: where progress goes; that of the first process alone.

    Raises:
        TrainingError: a bad config, no samples, or what :class:`Trainer` raises.
        BagError: a bag can't be read.
    """
    is_first = int(os.environ.get("RANK", "0")) == 0
    console = console if console is not None and is_first else Console(quiet=True)
    config = read_config(config_path)
    config = replace(
        config,
        model=config.model if model is None else model,
        output=config.output if output is None else output,
        steps=config.steps if steps is None else steps,
        new_model=config.new_model if model is None else None,
        data=replace(config.data, bags=tuple(bags), drives=None) if bags else config.data,
    )
    if not config.model and config.new_model is None:
        raise TrainingError("no model to train: give --model or the config's key model, a folder or hub id")
    if not config.data.bags and config.data.drives is None:
        raise TrainingError("no data to train on: give --bags or the config's key data.bags or data.drives")
    if json_path is not None and json_path.is_dir():
        raise TrainingError(f"--json {json_path} is a folder, needed the name of a file")
    with TemporaryDirectory() as folder:
        loaded, samples, evaluation_samples = _model_and_samples(config, open_bag, make_drives, Path(folder), console)
        trainer = Trainer(config, loaded, samples, evaluation_samples, console=console)
        result = trainer.train(resume)
    if is_first:
        _tell(result, console)
        if json_path is not None:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return result


def _model_and_samples(
    config: TrainConfig, open_bag: OpenBag, make_drives: MakeDrives, folder: Path, console: Console
) -> tuple[Any, Samples, Samples]:
    """The model to train, and samples to train on and to evaluate on. A new model is made in `folder`."""
    if config.new_model is None:
        with console.status("Loading the model"):
            # Weights that are trained and saved otherwise are not rounded to bfloat16 before.
            is_exact = config.mixed_precision == "no" or config.saved_dtype != "auto"
            dtype = "float32" if is_exact else "bfloat16"
            model = load_model(config.model, vlm=config.vlm, device="cpu", dtype=dtype)
        if config.data.drives is not None:
            return model, *_made_once(partial(make_drives, config.data.drives), config.device)
        return model, *samples_of_bags(config.data, open_bag, waypoint_times_s(model), console)
    if config.data.drives is not None:
        samples, evaluation_samples = _made_once(partial(make_drives, config.data.drives), config.device)
    else:
        times_s = np.arange(1, DEFAULT_WAYPOINTS + 1) * DEFAULT_DT_S
        samples, evaluation_samples = samples_of_bags(config.data, open_bag, times_s, console)
    with console.status("Making a model") as status:
        model = make_new_model(config.new_model, samples, folder, config.seed, partial(_show_looked_at, status))
    return model, samples, evaluation_samples


def _made_once(make: Callable[[], tuple[Samples, Samples]], device: str) -> tuple[Samples, Samples]:
    """Samples that the first process makes, with all the cores, and gives to the others."""
    state = PartialState(cpu=device == "cpu", timeout=LONGEST_MAKING)
    made: list[Any] = [make() if state.is_main_process else None]
    return broadcast_object_list(made)[0] if state.num_processes > 1 else made[0]


def _show_looked_at(status: Status, count: int, of: int) -> None:
    status.update(f"Making a model: {count} of {of} samples looked at")


def waypoint_times_s(model: Any) -> np.ndarray:
    """Seconds after t0 of the waypoints that a model plans, float64 [T]."""
    space = getattr(model, "action_space", None) or model.traj_tokenizer.action_space
    return np.arange(1, (space.horizon or DEFAULT_WAYPOINTS) + 1) * (space.dt_s or DEFAULT_DT_S)


def samples_of_bags(
    data: DataConfig, open_bag: OpenBag, times_s: np.ndarray, console: Console | None = None
) -> tuple[Samples, Samples]:
    """Samples to train on and to evaluate on.

    With `evaluation_bags` these are evaluated on; else the last share of each bag (see `split_by_time`).

    Raises:
        TrainingError: a bag without samples, or nothing left to train on.
    """
    console = console or Console(quiet=True)
    from_file = None if data.reasoning_file is None else read_text_file(data.reasoning_file)
    train: list[Any] = []
    evaluation: list[Any] = []
    for bag in (*data.bags, *data.evaluation_bags):
        texts = read_text_topic(bag, data.reasoning_topic) if data.reasoning_topic else from_file
        with console.status(f"Reading {bag}") as status:
            found = BagSamples(
                open_bag(bag, data),
                times_s,
                stride=data.stride,
                instruction=data.instruction,
                texts=None if texts is None else Texts(texts, data.reasoning_tolerance_s),
                missing_reasoning=data.missing_reasoning,
                on_sample=partial(_show_count, status, bag),
            )
        for line in (f"{bag}: {len(found)} samples", *(f"{bag}: left out {line}" for line in found.notes)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if bag in data.evaluation_bags:
            evaluation.append(found)
            continue
        share = 0.0 if data.evaluation_bags else data.held_out
        kept, held_out = split_by_time(found.t0_ns, share, data.held_out_gap_s)
        train.append(Subset(found, kept.tolist()))  # type: ignore[arg-type]
        if len(held_out):
            evaluation.append(Subset(found, held_out.tolist()))  # type: ignore[arg-type]
    return ConcatDataset(train), ConcatDataset(evaluation) if evaluation else []


def _show_count(status: Status, bag: str, count: int) -> None:
    status.update(f"Reading {bag}: {count} samples")


def _tell(result: TrainResult, console: Console) -> None:
    lines = [f"{result.steps} steps, {result.seconds:.0f} s"]
    if result.after:
        lines += [f"before: {headline(result.before)}", f"after:  {headline(result.after)}"]
    if result.adapter_path is not None:
        lines.append(f"adapter: {result.adapter_path}")
    if result.model_path is not None:
        lines.append(f"model: {result.model_path}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
