"""Configuration of ReasoningVLA, field for field that of the public Alpamayo checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from transformers import PretrainedConfig

from reasoning_vla_ros.models.backends import get_backend
from reasoning_vla_ros.models.fitted_tokenizers import folder_inside, require_own_folders, with_full_paths
from reasoning_vla_ros.models.vocabulary import SPECIAL_TOKENS, TRAJ_TOKENS, extend_tokenizer, token_ids

MODEL_DTYPES = ("bfloat16", "float16", "float32")
# Folder inside a saved model with the VLM's config, tokenizer and image settings: what loading needs beside weights.
VLM_FOLDER = "vlm"


class ReasoningVLAConfig(PretrainedConfig):
    """Configuration of :class:`ReasoningVLA` (`model_type` "alpamayo_reasoning_vla").

    Args:
        vlm_name_or_path: folder or hub id that gives the VLM's config, tokenizer and image preprocessing. A relative
            name that is a folder inside the checkpoint means that folder; `save_pretrained` leaves one there.
        vlm_backend: name of a VLM backend, "qwenvl3".
        traj_tokenizer_cfg, hist_traj_tokenizer_cfg: configs of the tokenizers of the future and of the history, as
            `create_tokenizer` takes them; without the second, the first encodes the history too. `{"folder": path}` is
            a fitted one, which `save_pretrained` leaves inside the checkpoint.
        traj_vocab_size: number of `<iN>` tokens.
        tokens_per_history_traj, tokens_per_future_traj: placeholders in the prompt, tokens a plan.
        model_dtype: dtype of the weights, "bfloat16", "float16" or "float32".
        attn_implementation: as transformers takes it. "flash_attention_2" becomes "sdpa", with a warning, where the
            flash_attn package is absent.
        min_pixels, max_pixels: bounds of an image's area after resizing; None keeps those of the VLM.
        add_special_tokens: adds the whole set of special tokens rather than the six trajectory markers.

    Attributes:
        vocab_size, traj_token_start_idx, traj_token_ids: size of the extended tokenizer, id of `<i0>` and ids of the
            trajectory markers by name. They follow from the tokenizer where that is on disk, and are else those of the
            checkpoint's config, or None until `resolve_vocabulary`. Building a config never asks the hub.
    """

    model_type = "alpamayo_reasoning_vla"
    # What `add_special_tokens` adds, and whether the prompt names cameras and numbers frames: a model family's own.
    special_tokens: ClassVar[dict[str, str]] = SPECIAL_TOKENS
    labels_images: ClassVar[bool] = False

    def __init__(
        self,
        vlm_name_or_path: str | None = "Qwen/Qwen3-VL-8B-Instruct",
        vlm_backend: str = "qwenvl3",
        traj_tokenizer_cfg: dict[str, Any] | None = None,
        hist_traj_tokenizer_cfg: dict[str, Any] | None = None,
        traj_vocab_size: int | None = 768,
        tokens_per_history_traj: int = 16,
        tokens_per_future_traj: int = 64,
        model_dtype: str = "bfloat16",
        attn_implementation: str = "flash_attention_2",
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        add_special_tokens: bool = False,
        vocab_size: int | None = None,
        traj_token_start_idx: int | None = None,
        traj_token_ids: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vlm_name_or_path = None if vlm_name_or_path is None else str(vlm_name_or_path)
        self.vlm_backend = vlm_backend.lower()
        self.traj_tokenizer_cfg = traj_tokenizer_cfg
        self.hist_traj_tokenizer_cfg = hist_traj_tokenizer_cfg
        self.traj_vocab_size = traj_vocab_size
        self.tokens_per_history_traj = tokens_per_history_traj
        self.tokens_per_future_traj = tokens_per_future_traj
        self.model_dtype = str(model_dtype).removeprefix("torch.")
        if self.model_dtype not in MODEL_DTYPES:
            raise ValueError(f"model_dtype must be one of {MODEL_DTYPES}, got {self.model_dtype!r}")
        self.attn_implementation = attn_implementation
        self.min_pixels = min_pixels
        self.max_pixels = max_pixels
        self.add_special_tokens = add_special_tokens
        self.vocab_size = vocab_size
        self.traj_token_start_idx = traj_token_start_idx
        self.traj_token_ids = traj_token_ids
        if self.vlm_name_or_path is not None and Path(self.vlm_name_or_path).is_dir():
            self.resolve_vocabulary()

    @property
    def pixel_bounds(self) -> tuple[int | None, int | None]:
        """Least and largest area of an image after resizing, in pixels; None for the VLM's own."""
        return self.min_pixels, self.max_pixels

    @property
    def vlm_source(self) -> str:
        """`vlm_name_or_path`. Raises ValueError when there is none."""
        if self.vlm_name_or_path is None:
            raise ValueError("vlm_name_or_path is None; it must name a folder or hub id with the VLM's files")
        return self.vlm_name_or_path

    def build_tokenizer(self) -> Any:
        """The VLM's tokenizer with the trajectory and special tokens added.

        Raises:
            FileNotFoundError: `vlm_name_or_path` lacks files; the message has the command that fetches them.
        """
        tokenizer = get_backend(self.vlm_backend).load_tokenizer(self.vlm_source)
        extend_tokenizer(tokenizer, self.traj_vocab_size, self.add_special_tokens, self.special_tokens)
        tokenizer.traj_token_ids = token_ids(tokenizer, TRAJ_TOKENS)
        if self.traj_vocab_size:
            tokenizer.traj_token_start_idx = tokenizer.convert_tokens_to_ids("<i0>")
        return tokenizer

    def resolve_vocabulary(self) -> Any:
        """Sets what follows from the extended tokenizer, and returns that tokenizer."""
        tokenizer = self.build_tokenizer()
        self.vocab_size = len(tokenizer)
        self.traj_token_start_idx = getattr(tokenizer, "traj_token_start_idx", None)
        self.traj_token_ids = tokenizer.traj_token_ids
        return tokenizer

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """As in transformers; folders inside the checkpoint become full paths."""
        config_dict, unused = super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        require_own_folders(config_dict, pretrained_model_name_or_path)
        full = _with_full_vlm_path(config_dict, pretrained_model_name_or_path)
        return with_full_paths(full, pretrained_model_name_or_path), unused

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in transformers, whose version 4.57 would drop the file's `attn_implementation`."""
        if config_dict.get("attn_implementation") is not None:
            kwargs.setdefault("attn_implementation", config_dict["attn_implementation"])
        # AutoConfig comes straight here, with the checkpoint's folder as name_or_path.
        checkpoint = kwargs.get("name_or_path", "")
        return super().from_dict(with_full_paths(_with_full_vlm_path(config_dict, checkpoint), checkpoint), **kwargs)


def _with_full_vlm_path(config_dict: dict[str, Any], checkpoint: Any) -> dict[str, Any]:
    """The config with `vlm_name_or_path` as a path on disk, where it means a folder inside the checkpoint."""
    named = config_dict.get("vlm_name_or_path")
    inside = Path(checkpoint) / str(named)
    if not inside.is_dir() and named == VLM_FOLDER and checkpoint and not Path(checkpoint).exists():
        # A model of ours on a hub: its folder comes from the same repository.
        inside = folder_inside(checkpoint, VLM_FOLDER)
    return {**config_dict, "vlm_name_or_path": str(inside)} if inside.is_dir() else config_dict
