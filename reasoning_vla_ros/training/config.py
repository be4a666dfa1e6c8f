"""What a training run is told, from a YAML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from reasoning_vla_ros.models.small_config import SmallModelConfig
from reasoning_vla_ros.training.data_config import DataConfig, require
from reasoning_vla_ros.training.errors import TrainingError

Mode = Literal["expert", "lora", "full"]


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses' means: trajectory tokens, text tokens, and the expert's flow matching.

    Attributes:
        trajectory, text, flow: the weights.
        smoothing_bins: above 0, a trajectory token's target is a normal distribution of this standard deviation around
            its id in place of the id alone (HL-Gauss, arXiv 2403.03950), so that a near miss costs less than a far
            one. For tokenizers whose ids are levels in ascending order: uniform, bspline, truncated_dct.
    """

    trajectory: float = 1.0
    text: float = 1.0
    flow: float = 1.0
    smoothing_bins: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            require(0 <= value < math.inf, f"loss.{name}", value, "at least 0 and finite")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW (arXiv 1711.05101) under a learning rate that rises linearly and falls as a cosine.

    Attributes:
        learning_rate: at its peak.
        final_share: of the peak, at the last step.
        warmup_steps: of the linear rise.
        weight_decay: of matrices; vectors have none.
        beta1, beta2, epsilon: of AdamW.
        muon_learning_rate: above 0, the layers' matrices are trained by Muon (arXiv 2502.16982) at this peak, scaled
            to AdamW's root mean square; needs PyTorch 2.9.
        max_gradient_norm: gradients are scaled down to it.
    """

    learning_rate: float = 1e-4
    final_share: float = 0.1
    warmup_steps: int = 100
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    muon_learning_rate: float = 0.0
    max_gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        require(
            0 <= self.muon_learning_rate < math.inf,
            "optimizer.muon_learning_rate",
            self.muon_learning_rate,
            "at least 0 and finite",
        )
        require(0 < self.learning_rate < math.inf, "optimizer.learning_rate", self.learning_rate, "above 0 and finite")
        require(0 <= self.final_share <= 1, "optimizer.final_share", self.final_share, "in [0, 1]")
        require(self.warmup_steps >= 0, "optimizer.warmup_steps", self.warmup_steps, "at least 0")
        require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "at least 0")
        require(0 <= self.beta1 < 1, "optimizer.beta1", self.beta1, "at least 0 and below 1")
        require(0 <= self.beta2 < 1, "optimizer.beta2", self.beta2, "at least 0 and below 1")
        require(self.epsilon > 0, "optimizer.epsilon", self.epsilon, "above 0")
        require(self.max_gradient_norm > 0, "optimizer.max_gradient_norm", self.max_gradient_norm, "above 0")


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
        require(self.rank >= 1, "lora.rank", self.rank, "at least 1")
        require(self.alpha > 0, "lora.alpha", self.alpha, "above 0")
        require(0 <= self.dropout < 1, "lora.dropout", self.dropout, "at least 0 and below 1")
        require(bool(self.targets), "lora.targets", list(self.targets), "at least one name")


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured on held-out samples.

    Attributes:
        every: steps between evaluations; there is one before the first step and one after the last anyway. 0: only
            those.
        samples: at most so many samples, spread evenly.
        candidates: K, plans that the planner draws for a sample.
        max_reasoning_tokens, temperature, action_decoder: of the planner.
    """

    every: int = 0
    samples: int = 32
    candidates: int = 6
    max_reasoning_tokens: int = 64
    temperature: float = 0.6
    action_decoder: Literal["auto", "tokens", "flow"] = "auto"

    def __post_init__(self) -> None:
        require(self.every >= 0, "evaluation.every", self.every, "at least 0")
        require(self.samples >= 0, "evaluation.samples", self.samples, "at least 0")
        require(0 <= self.temperature < math.inf, "evaluation.temperature", self.temperature, "at least 0 and finite")
        require(self.candidates >= 1, "evaluation.candidates", self.candidates, "at least 1")
        require(
            self.max_reasoning_tokens >= 0, "evaluation.max_reasoning_tokens", self.max_reasoning_tokens, "at least 0"
        )


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        model: folder or hub id of the model to begin with.
        new_model: a small model to begin with instead, made from nothing but the seed; see :class:`SmallModelConfig`.
            Text tokens and B-splines without an action_range are fitted to the samples.
        vlm: folder or hub id of its VLM, for checkpoints without their own tokenizer.
        output: folder for checkpoints, the log and the trained model.
        mode: "expert": the action expert by flow matching, the VLM frozen. "lora": adapters on the language model by
            the tokens' loss. "full": every weight.
        steps: of the optimizer.
        batch_size: samples a step, all processes together; the number of processes changes nothing but the time.
        micro_batch_size: samples that a process runs at once.
        seed: of the order of samples, noise, adapters and plans.
        mixed_precision: "no" computes in float32; "bf16" keeps frozen weights in bfloat16, trained ones in float32.
        saved_dtype: of the trained weights in `output`; "auto" leaves what the model had.
        compile: runs the layers through torch.compile, which needs a C++ compiler on a CPU.
        gradient_checkpointing: computes the language model's activations twice to keep fewer.
        device: "auto" or "cpu".
        workers: processes that read and prepare samples; 0 does it in between.
        checkpoint_every, keep_checkpoints: steps between checkpoints, and how many of the newest stay.
    """

    model: str = ""
    new_model: SmallModelConfig | None = None
    vlm: str | None = None
    output: str = "output/train"
    mode: Mode = "expert"
    steps: int = 1000
    batch_size: int = 8
    micro_batch_size: int = 1
    seed: int = 0
    mixed_precision: Literal["no", "bf16"] = "no"
    saved_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = False
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
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        if self.saved_dtype != "auto" and self.mode != "full":
            raise TrainingError(f"saved_dtype {self.saved_dtype} is for mode full, which trains all weights")
        if self.model and self.new_model is not None:
            raise TrainingError(f"the model is {self.model!r} or a new_model, not both")
        require(self.workers >= 0, "workers", self.workers, "at least 0")
        require(
            self.batch_size % self.micro_batch_size == 0,
            "batch_size",
            self.batch_size,
            f"a multiple of micro_batch_size, {self.micro_batch_size}",
        )
