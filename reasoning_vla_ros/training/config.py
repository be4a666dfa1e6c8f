"""What a training run is told, from a YAML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from reasoning_vla_ros.training.errors import TrainingError

Mode = Literal["expert", "lora", "full"]


@dataclass(frozen=True)
class DataConfig:
    """Which recordings, and what of them.

    Attributes:
        bags: recordings to train on.
        evaluation_bags: recordings to evaluate on; without any, a share of each bag is held out.
        held_out: that share, the last of each bag, in [0, 1).
        held_out_gap_s: time before it that is in neither part. History and future of the default 8 s do not overlap.
        stride: a sample every so many frames of the first camera.
        cameras: `name:id=topic` each; by default all there are.
        rig: rig file, or the name of one in the package, that gives the cameras instead.
        odometry: its topic; by default the only one.
        num_frames: frames a camera.
        instruction: navigation text of every sample.
        reasoning_file: JSONL with the texts, `{"t0_ns": …, "reasoning": "…", "meta_action": "…"}` a line.
        reasoning_topic: topic of the bags with the texts, std_msgs/String or ReasoningTrace.
        reasoning_tolerance_s: how far a text may lie from the instant that it is taken for.
        missing_reasoning: text of samples without one. None: only their trajectories are learned. Empty: the model
            learns to write nothing.
    """

    bags: tuple[str, ...] = ()
    evaluation_bags: tuple[str, ...] = ()
    held_out: float = 0.1
    held_out_gap_s: float = 8.0
    stride: int = 5
    cameras: tuple[str, ...] = ()
    rig: str | None = None
    odometry: str | None = None
    num_frames: int = 4
    instruction: str = ""
    reasoning_file: str | None = None
    reasoning_topic: str | None = None
    reasoning_tolerance_s: float = 0.05
    missing_reasoning: str | None = None

    def __post_init__(self) -> None:
        _require(0 <= self.held_out < 1, "data.held_out", self.held_out, "at least 0 and below 1")
        _require(self.held_out_gap_s >= 0, "data.held_out_gap_s", self.held_out_gap_s, "at least 0")
        _require(self.stride >= 1, "data.stride", self.stride, "at least 1")
        _require(self.num_frames >= 1, "data.num_frames", self.num_frames, "at least 1")
        _require(
            self.reasoning_tolerance_s >= 0, "data.reasoning_tolerance_s", self.reasoning_tolerance_s, "at least 0"
        )
        if self.cameras and self.rig:
            raise TrainingError(f"cameras come from data.rig ({self.rig}) or data.cameras, not from both")
        if self.reasoning_file and self.reasoning_topic:
            raise TrainingError(
                f"reasoning texts come from data.reasoning_file ({self.reasoning_file}) or data.reasoning_topic "
                f"({self.reasoning_topic}), not from both"
            )


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses' means: trajectory tokens, text tokens, and the expert's flow matching."""

    trajectory: float = 1.0
    text: float = 1.0
    flow: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            _require(0 <= value < math.inf, f"loss.{name}", value, "at least 0 and finite")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW (arXiv 1711.05101) under a learning rate that rises linearly and falls as a cosine.

    Attributes:
        learning_rate: at its peak.
        final_share: of the peak, at the last step.
        warmup_steps: of the linear rise.
        weight_decay: of matrices; vectors have none.
        beta1, beta2, epsilon: of AdamW.
        max_gradient_norm: gradients are scaled down to it.
    """

    learning_rate: float = 1e-4
    final_share: float = 0.1
    warmup_steps: int = 100
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    max_gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        _require(0 < self.learning_rate < math.inf, "optimizer.learning_rate", self.learning_rate, "above 0 and finite")
        _require(0 <= self.final_share <= 1, "optimizer.final_share", self.final_share, "in [0, 1]")
        _require(self.warmup_steps >= 0, "optimizer.warmup_steps", self.warmup_steps, "at least 0")
        _require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "at least 0")
        _require(0 <= self.beta1 < 1, "optimizer.beta1", self.beta1, "at least 0 and below 1")
        _require(0 <= self.beta2 < 1, "optimizer.beta2", self.beta2, "at least 0 and below 1")
        _require(self.epsilon > 0, "optimizer.epsilon", self.epsilon, "above 0")
        _require(self.max_gradient_norm > 0, "optimizer.max_gradient_norm", self.max_gradient_norm, "above 0")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters (LoRA, arXiv 2106.09685) on the language model.

    Attributes:
        rank, alpha, dropout: of the adapters.
        targets: names of the linear layers that get one.
        train_expert: trains the action expert by flow matching in the same run.
        merge: also saves a whole model with the adapters merged in, which the planner loads.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    train_expert: bool = False
    merge: bool = True

    def __post_init__(self) -> None:
        _require(self.rank >= 1, "lora.rank", self.rank, "at least 1")
        _require(self.alpha > 0, "lora.alpha", self.alpha, "above 0")
        _require(0 <= self.dropout < 1, "lora.dropout", self.dropout, "at least 0 and below 1")
        _require(bool(self.targets), "lora.targets", list(self.targets), "at least one name")


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured on held-out samples.

    Attributes:
        every: steps between evaluations; there is one before the first step and one after the last anyway. 0: only
            those.
        samples: at most so many samples, spread evenly.
        candidates: K, plans that the planner draws for a sample.
        max_reasoning_tokens, action_decoder: of the planner.
    """

    every: int = 0
    samples: int = 32
    candidates: int = 6
    max_reasoning_tokens: int = 64
    action_decoder: Literal["auto", "tokens", "flow"] = "auto"

    def __post_init__(self) -> None:
        _require(self.every >= 0, "evaluation.every", self.every, "at least 0")
        _require(self.samples >= 0, "evaluation.samples", self.samples, "at least 0")
        _require(self.candidates >= 1, "evaluation.candidates", self.candidates, "at least 1")
        _require(
            self.max_reasoning_tokens >= 0, "evaluation.max_reasoning_tokens", self.max_reasoning_tokens, "at least 0"
        )


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: folder or hub id of the model to begin with.
        vlm: folder or hub id of its VLM, for checkpoints without their own tokenizer.
        output: folder for checkpoints, the log and the trained model.
        mode: "expert": the action expert by flow matching, the VLM frozen. "lora": adapters on the language model by
            the tokens' loss. "full": every weight.
        steps: of the optimizer.
        batch_size: samples a step, all processes together; the number of processes changes nothing but the time.
        micro_batch_size: samples that a process runs at once.
        seed: of the order of samples, noise, adapters and plans.
        mixed_precision: "no" computes in float32; "bf16" keeps frozen weights in bfloat16, trained ones in float32.
        gradient_checkpointing: computes the language model's activations twice to keep fewer.
        device: "auto" or "cpu".
        workers: processes that read and prepare samples; 0 does it in between.
        checkpoint_every, keep_checkpoints: steps between checkpoints, and how many of the newest stay.
    """

    model: str = ""
    vlm: str | None = None
    output: str = "output/train"
    mode: Mode = "expert"
    steps: int = 1000
    batch_size: int = 8
    micro_batch_size: int = 1
    seed: int = 0
    mixed_precision: Literal["no", "bf16"] = "no"
    gradient_checkpointing: bool = False
    device: Literal["auto", "cpu"] = "auto"
    workers: int = 0
    checkpoint_every: int = 200
    keep_checkpoints: int = 2
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lora: LoraSettings = field(default_factory=LoraSettings)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "micro_batch_size", "checkpoint_every", "keep_checkpoints"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.workers >= 0, "workers", self.workers, "at least 0")
        _require(
            self.batch_size % self.micro_batch_size == 0,
            "batch_size",
            self.batch_size,
            f"a multiple of micro_batch_size, {self.micro_batch_size}",
        )


def _require(holds: bool, name: str, value: object, needed: str) -> None:
    if not holds:
        raise TrainingError(f"{name} is {value!r}, needed {needed}")
