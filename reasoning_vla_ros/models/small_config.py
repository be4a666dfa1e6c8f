"""What a small model is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

TEXT_TOKENS = ("bytes", "words", "phrases")


@dataclass(frozen=True)
class SmallModelConfig:
    """What a small model is made of.

    Attributes:
        kind: its `model_type`: "alpamayo_reasoning_vla", or "alpamayo_r1" or "alpamayo1_5" for one with an action
            expert, half as wide as the language model.
        hidden_size, num_layers: of the language model, with heads of 32.
        tied: input and output embeddings are one.
        vision_hidden_size, vision_layers: of the vision encoder.
        deepstack_layers: of the vision encoder, whose features the first layers of the language model get as well.
        temporal_patch_size: 2 as in Qwen3-VL, which sees each image twice; 1 halves the work of the patches.
        text_tokens: "bytes"; "words", byte-pair encoding within words; or "phrases", across words. The last two are
            learnt from texts.
        vocabulary: of the text, at most.
        traj_tokenizer, hist_traj_tokenizer: configs of tokenizers; empty for accelerations and curvatures, and for
            positions. The number of a history's tokens must be fixed.
        max_trajectory_tokens: of a plan, where the tokenizer's number of tokens varies.
        num_history: poses of the ego history.
        trained_rig: name of the rig in config/rigs that the samples were taken with; diagnostics tell differences.
    """

    kind: str = "alpamayo_reasoning_vla"
    hidden_size: int = 128
    num_layers: int = 4
    tied: bool = True
    vision_hidden_size: int = 96
    vision_layers: int = 3
    deepstack_layers: tuple[int, ...] = (0, 1)
    temporal_patch_size: int = 2
    text_tokens: Literal["bytes", "words", "phrases"] = "bytes"
    vocabulary: int = 1024
    traj_tokenizer: dict[str, Any] = field(default_factory=dict)
    hist_traj_tokenizer: dict[str, Any] = field(default_factory=dict)
    max_trajectory_tokens: int = 0
    num_history: int = 16
    trained_rig: str | None = None

    def __post_init__(self) -> None:
        if self.text_tokens not in TEXT_TOKENS:
            raise ValueError(f"text_tokens must be one of {list(TEXT_TOKENS)}, got {self.text_tokens!r}")
