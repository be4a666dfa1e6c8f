"""What a model can do on samples that it is not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from reasoning_vla_ros.datasets.training_samples import Samples, TrainingSample
from reasoning_vla_ros.planning.planner import Planner
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.planning.settings import PlannerSettings
from reasoning_vla_ros.training.collate import Collator
from reasoning_vla_ros.training.config import EvaluationConfig
from reasoning_vla_ros.training.objective import Counts, TrainingObjective
from reasoning_vla_ros.training.schedule import FlowDraws

# What each loss is a mean over.
COUNT_OF = {"trajectory": "trajectory_tokens", "text": "text_tokens", "flow": "rows"}


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` indices spread evenly over `count`."""
    if wanted >= count:
        return list(range(count))
    return [round(index) for index in np.linspace(0, count - 1, wanted)]


@torch.no_grad()
def evaluate_losses(
    objective: TrainingObjective,
    samples: Samples,
    collator: Collator,
    config: EvaluationConfig,
    accelerator: Accelerator,
    draws: FlowDraws | None,
) -> dict[str, float]:
    """`loss_trajectory`, `loss_text` and `loss_flow`, as far as the training uses them: means over the samples."""
    was_training = objective.training
    objective.eval()
    sums = dict.fromkeys(("trajectory", "text", "flow", "trajectory_tokens", "text_tokens", "rows"), 0.0)
    for index in _own(samples, config, accelerator):
        batch = collator([samples[index]])
        counts = Counts.of([batch])
        noise, timesteps = (None, None) if draws is None else draws([index])
        with accelerator.autocast():
            losses = objective(batch.to(accelerator.device), counts, noise, timesteps)
        for name, count_name in COUNT_OF.items():
            sums[name] += float(losses.get(name, 0.0)) * getattr(counts, count_name)
            sums[count_name] += getattr(counts, count_name)
    objective.train(was_training)
    sums = _summed(sums, accelerator)
    used = [name for name in COUNT_OF if (objective.uses_flow if name == "flow" else objective.uses_tokens)]
    return {f"loss_{name}": sums[name] / sums[COUNT_OF[name]] for name in used if sums[COUNT_OF[name]]}


def evaluate_plans(
    model: Any, samples: Samples, config: EvaluationConfig, accelerator: Accelerator, seed: int
) -> dict[str, float]:
    """The planner's errors, shared by all processes; the same seed gives the same figures.

    Returns:
        `min_ade_m`: mean over the samples of the smallest mean planar distance to the driven future among K
        candidates. `ade_m`: that of the selected candidate, or of the first decoded one where none is valid.
        `decoded_share`: of samples with a candidate that could be decoded, which both are over. `valid_share`: of
        samples with a valid plan. `samples`: how many.
    """
    model.eval()
    settings = PlannerSettings(
        temperature=config.temperature,
        max_reasoning_tokens=config.max_reasoning_tokens,
        action_decoder=config.action_decoder,
    )
    planner = Planner(model, settings)
    sums = dict.fromkeys(("samples", "decoded", "valid", "ade", "min_ade"), 0.0)
    for index in _own(samples, config, accelerator):
        sums["samples"] += 1
        for name, value in _plan_errors(planner, samples[index], config.candidates, plan_seed(seed, index)).items():
            sums[name] += value
    sums = _summed(sums, accelerator)
    figures = {f"{name}_m": sums[name] / sums["decoded"] for name in ("min_ade", "ade") if sums["decoded"]}
    shares = {f"{name}_share": sums[name] / max(sums["samples"], 1) for name in ("decoded", "valid")}
    return {**figures, **shares, "samples": sums["samples"]}


def _own(samples: Samples, config: EvaluationConfig, accelerator: Accelerator) -> list[int]:
    """Indices of the samples that this process takes."""
    return spread(len(samples), config.samples)[accelerator.process_index :: accelerator.num_processes]


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


def headline(figures: dict[str, float]) -> str:
    """One line of figures for people."""
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if name != "samples")
