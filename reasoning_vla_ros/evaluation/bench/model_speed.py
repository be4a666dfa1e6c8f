"""Speed and memory of a model of the public Alpamayo shape with random weights, on the machine at hand.

Tokens are drawn one by one, and each reads all weights of the language model: memory bandwidth bounds their rate. So
the bandwidth is measured beside, by a copy, and the rate is told as a share of that bound too.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from reasoning_vla_ros.models.release_shape import build_release_shape
from reasoning_vla_ros.planning.observation import CameraFrames, Observation
from reasoning_vla_ros.planning.plan import Plan, StageSeconds
from reasoning_vla_ros.planning.planner import Planner
from reasoning_vla_ros.planning.prompt import DRIVING_REQUEST, DRIVING_SYSTEM
from reasoning_vla_ros.planning.settings import FlowSettings, PlannerSettings

CAMERAS = {0: "cross_left", 1: "front_wide", 2: "cross_right", 6: "front_tele"}
FRAMES, HEIGHT, WIDTH = 4, 1080, 1920
# What is copied to measure the bandwidth: more than caches hold, 96 MB on the largest GPUs.
COPY_BYTES = 2**28

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class ModelSpeed:
    """One number of candidates.

    Attributes:
        num_samples: K, candidates a plan.
        prompt_tokens: of the prompt, images among them.
        text_steps: times that the language model was run for one more token of all candidates.
        seconds: medians by stage, and of the whole plan.
        tokens_per_s: of one candidate's text.
        bytes_per_step: that one such step has to read: the language model's weights, lm_head and the cache.
        limit_tokens_per_s: of a step that takes just as long as these bytes do.
        peak_bytes: of the GPU's memory, weights among them; None on a CPU.
    """

    num_samples: int
    prompt_tokens: int
    text_steps: int
    seconds: dict[str, float]
    tokens_per_s: float
    bytes_per_step: int
    limit_tokens_per_s: float
    peak_bytes: int | None

    @property
    def share_of_limit(self) -> float:
        return self.tokens_per_s / self.limit_tokens_per_s

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "share_of_limit": self.share_of_limit}


def measure_model(
    shape: str = "10b",
    device: torch.device | None = None,
    dtype: torch.dtype = torch.bfloat16,
    *,
    samples: Sequence[int] = (1, 6),
    text_tokens: int = 40,
    flow_steps: int = 10,
    repeats: int = 3,
    on_step: OnStep = lambda _: None,
) -> dict[str, Any]:
    """Plans from 16 made-up images of 1080 x 1920 with a model made on the device, and what that took.

    Args:
        shape: of `release_shape.SHAPES`.
        device: default is the CPU.
        samples: numbers of candidates.
        text_tokens: of the reasoning; random weights seldom end it earlier.
        flow_steps: of the action expert.
        repeats: plans that are timed, behind one that is not.
        on_step: called with what comes next.

    Returns:
        "machine", "shape", "dtype", "parameters", "weight_bytes", "bandwidth_bytes_per_s" and "rows", one
        :class:`ModelSpeed` a number of candidates, as JSON holds them.
    """
    device = device or torch.device("cpu")
    on_step(f"a model of shape {shape}")
    torch.manual_seed(0)
    model = build_release_shape(
        device, dtype, shape, known_text=f"system\nuser\nassistant\n{DRIVING_SYSTEM}\n{DRIVING_REQUEST}"
    )
    on_step("bandwidth of the memory")
    bandwidth = copy_bandwidth(device)
    settings = PlannerSettings(max_reasoning_tokens=text_tokens, flow=FlowSettings(steps=flow_steps))
    planner = Planner(model, settings)
    rows = []
    for count in samples:
        on_step(f"{count} candidates")
        rows.append(_measure(planner, count, repeats, bandwidth).to_json())
    return {
        "machine": machine_name(device),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "shape": shape,
        "dtype": str(dtype).removeprefix("torch."),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weight_bytes": _bytes(model),
        "bandwidth_bytes_per_s": bandwidth,
        "text_tokens": text_tokens,
        "flow_steps": flow_steps,
        "rows": rows,
    }


def _measure(planner: Planner, num_samples: int, repeats: int, bandwidth: float) -> ModelSpeed:
    model, observation = planner.model, made_up_observation()
    on_gpu = model.device.type == "cuda"
    planner.plan(observation, num_samples, seed=0)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(model.device)
    plans: list[Plan] = []
    with counted(model.vlm.lm_head) as calls:
        for seed in range(repeats):
            plans.append(planner.plan(observation, num_samples, seed=seed))
    seconds = {
        field.name: statistics.median(getattr(plan.seconds, field.name) for plan in plans)
        for field in fields(StageSeconds)
    }
    text_steps = round((len(calls) - repeats) / repeats)  # one call a plan is the prompt's
    prompt_tokens = plans[0].num_prompt_tokens
    language_model = model.backend.language_model(model.vlm)
    config = language_model.config
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * model.dtype.itemsize
    read = _bytes(language_model.layers) + _bytes(model.vlm.lm_head)
    read += num_samples * (prompt_tokens + text_steps // 2) * per_token
    return ModelSpeed(
        num_samples,
        prompt_tokens,
        text_steps,
        seconds,
        text_steps / seconds["reason"],
        read,
        bandwidth / read,
        torch.cuda.max_memory_allocated(model.device) if on_gpu else None,
    )


def made_up_observation() -> Observation:
    """What the public models take: 16 images, here noise, and 1.6 s of driving at 10 m/s."""
    rng = np.random.default_rng(0)
    stamps_ns = tuple(range(0, FRAMES * 100_000_000, 100_000_000))
    cameras = tuple(
        CameraFrames(index, name, rng.integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3), np.uint8), stamps_ns)
        for index, name in CAMERAS.items()
    )
    xyz = np.zeros((16, 3), np.float32)
    xyz[:, 0] = np.arange(-15, 1)
    return Observation(stamps_ns[-1], cameras, xyz, np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)))


def copy_bandwidth(device: torch.device, repeats: int = 8) -> float:
    """Bytes a second, read and written, of the fastest of several copies within the device's memory."""
    source = torch.ones(COPY_BYTES // 8, dtype=torch.float64, device=device)
    target = torch.empty_like(source)
    fastest = float("inf")
    for _ in range(repeats + 1):  # the first touches the pages
        _wait(device)
        begin = time.perf_counter()
        target.copy_(source)
        _wait(device)
        fastest = min(fastest, time.perf_counter() - begin)
    return 2 * source.nbytes / fastest


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def counted(module: nn.Module) -> Iterator[list[None]]:
    """A list with one entry a call of the module."""
    calls: list[None] = []
    handle = module.register_forward_hook(lambda *_: calls.append(None))
    try:
        yield calls
    finally:
        handle.remove()


def _bytes(module: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())


def machine_name(device: torch.device) -> str:
    """What figures are to be labelled with."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} of {os.cpu_count()} threads"
