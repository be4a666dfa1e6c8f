"""What a model can do on samples that it is not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator

from reasoning_vla_ros.planning.planner import Planner
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.planning.settings import PlannerSettings
from reasoning_vla_ros.training.collate import Collator
from reasoning_vla_ros.training.config import EvaluationConfig
from reasoning_vla_ros.training.objective import Counts, TrainingObjective
from reasoning_vla_ros.training.samples import Samples, TrainingSample
from reasoning_vla_ros.training.schedule import FlowDraws


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` indices spread evenly over `count`."""
    if wanted >= count:
        return list(range(count))
    return [round(index) for index in np.linspace(0, count - 1, wanted)]


@torch.no_grad()
def evaluate(
    objective: TrainingObjective,
    samples: Samples,
    collator: Collator,
    config: EvaluationConfig,
    accelerator: Accelerator,
    seed: int,
    draws: FlowDraws | None,
) -> dict[str, float]:
    """Losses and the planner's errors on samples, shared by all processes; the same seed gives the same figures.

    Returns:
        `loss_trajectory`, `loss_text`, `loss_flow`: means, as far as the training uses them. `min_ade_m`: mean over the
        samples of the smallest mean planar distance to the driven future among K candidates; `ade_m`: that of the
        selected candidate, or the first where none is valid; `decoded_share`: of samples with a candidate that could be
        decoded, which both are over; `valid_share`: of samples with a valid plan. `samples`: how many.
    """
    was_training = objective.training
    objective.eval()
    model = objective.model
    planner = Planner(model, PlannerSettings(max_reasoning_tokens=config.max_reasoning_tokens))
    indices = spread(len(samples), config.samples)
    own = indices[accelerator.process_index :: accelerator.num_processes]
    totals: dict[str, float] = dict.fromkeys(
        (
            "trajectory",
            "text",
            "flow",
            "trajectory_tokens",
            "text_tokens",
            "samples",
            "decoded",
            "valid",
            "ade",
            "min_ade",
        ),
        0.0,
    )
    with accelerator.autocast():
        for index in own:
            sample = samples[index]
            batch = collator([sample])
            counts = Counts.of([batch])
            noise, timesteps = (None, None) if draws is None else draws([index])
            losses = objective(batch.to(accelerator.device), counts, noise, timesteps)
            totals["trajectory"] += float(losses.get("trajectory", 0.0)) * counts.trajectory_tokens
            totals["text"] += float(losses.get("text", 0.0)) * counts.text_tokens
            totals["flow"] += float(losses.get("flow", 0.0))
            totals["trajectory_tokens"] += counts.trajectory_tokens
            totals["text_tokens"] += counts.text_tokens
            totals["samples"] += 1
            for name, value in _plan_errors(planner, sample, config.candidates, plan_seed(seed, index)).items():
                totals[name] += value
    objective.train(was_training)
    return _means(_summed(totals, accelerator), objective)


def _plan_errors(planner: Planner, sample: TrainingSample, candidates: int, seed: int) -> dict[str, float]:
    plan = planner.plan(sample.observation, num_samples=candidates, seed=seed)
    decoded = np.isfinite(plan.xyz).all(axis=(1, 2))
    if not decoded.any():
        return {"decoded": 0.0}
    steps = min(plan.xyz.shape[1], len(sample.future_xyz))
    offset = plan.xyz[:, :steps, :2] - sample.future_xyz[:steps, :2]
    ade = np.where(decoded, np.linalg.norm(offset, axis=-1).mean(axis=-1), np.inf)
    chosen = plan.selected if plan.selected >= 0 else int(decoded.argmax())
    return {"decoded": 1.0, "valid": float(plan.selected >= 0), "ade": float(ade[chosen]), "min_ade": float(ade.min())}


def _summed(totals: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    values = torch.tensor(list(totals.values()), dtype=torch.float64, device=accelerator.device)
    return dict(zip(totals, accelerator.reduce(values, reduction="sum").tolist(), strict=True))


def _means(totals: dict[str, float], objective: TrainingObjective) -> dict[str, float]:
    figures = {"samples": totals["samples"]}
    if objective.uses_tokens:
        figures["loss_trajectory"] = totals["trajectory"] / max(totals["trajectory_tokens"], 1)
        if totals["text_tokens"]:
            figures["loss_text"] = totals["text"] / totals["text_tokens"]
    if objective.uses_flow:
        figures["loss_flow"] = totals["flow"] / max(totals["samples"], 1)
    if totals["decoded"]:
        figures["min_ade_m"] = totals["min_ade"] / totals["decoded"]
        figures["ade_m"] = totals["ade"] / totals["decoded"]
    figures["decoded_share"] = totals["decoded"] / max(totals["samples"], 1)
    figures["valid_share"] = totals["valid"] / max(totals["samples"], 1)
    return figures


def headline(figures: dict[str, float], names: Sequence[str] = ()) -> str:
    """One line of figures for people."""
    chosen = names or [name for name in figures if name != "samples"]
    return ", ".join(f"{name} {figures[name]:.4g}" for name in chosen if name in figures)
