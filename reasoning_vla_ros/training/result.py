"""What a training run leaves behind besides weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# One line a step with its figures, and one an evaluation.
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class TrainResult:
    """What a run came to.

    Attributes:
        steps: done in all, those before a resume included.
        trainable_parameters, parameters: how many are trained, of how many.
        training_samples: how many different ones.
        before, after: figures of `evaluation.evaluate` before the first step of this process and after the last; empty
            without samples to evaluate on.
        last: the newest step's losses, learning rate and gradient norm.
        seconds: of the steps and evaluations, in this process.
        model_path: the trained model, which the planner loads; None where only an adapter was saved.
        adapter_path: the adapter, in mode "lora".
    """

    steps: int
    trainable_parameters: int
    parameters: int
    training_samples: int
    before: dict[str, float]
    after: dict[str, float]
    last: dict[str, float]
    seconds: float
    model_path: str | None
    adapter_path: str | None


def trim_log(path: Path, step: int) -> None:
    """Drops the lines of steps after `step`, which a resumed run makes again."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
