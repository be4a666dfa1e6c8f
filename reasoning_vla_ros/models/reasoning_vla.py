"""ReasoningVLA: a vision-language model with trajectory tokens (Alpamayo-R1, arXiv 2511.00088)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from reasoning_vla_ros.models.backends import get_backend
from reasoning_vla_ros.models.backends.qwen3vl_files import is_local
from reasoning_vla_ros.models.checkpoint_files import require_complete, require_file, require_weight_files
from reasoning_vla_ros.models.config import VLM_FOLDER, ReasoningVLAConfig
from reasoning_vla_ros.models.fitted_tokenizers import saved_inside, tokenizer_of
from reasoning_vla_ros.models.fusion import TrajectoryFusionMixin
from reasoning_vla_ros.models.token_sampling import TokenSamplingMixin
from reasoning_vla_ros.models.vocabulary import IGNORE_INDEX, token_ids

logger = logging.getLogger(__name__)


class ReasoningVLA(PreTrainedModel, TrajectoryFusionMixin, TokenSamplingMixin):
    """A VLM that reads images, text and ego history, and writes reasoning text and trajectory tokens.

    Weights, names and behaviour are those of the public Alpamayo checkpoints; the tokenizers are no part of the state
    dict.

    Args:
        config: see :class:`ReasoningVLAConfig`; its `model_dtype` is the dtype of every parameter.
        pretrained_modules: "vlm" and "traj_tokenizer" to use instead of fresh ones from the config.
        original_vocab_size: embedding rows that a given "vlm" had before it was resized.
        print_param_count: logs the number of parameters.

    Attributes:
        vlm: the vision-language model.
        tokenizer: its text tokenizer with the added tokens.
        traj_tokenizer, hist_traj_tokenizer: TrajectoryTokenizers or None.
        future_token_start_idx, hist_token_start_idx: id of their token 0. The history's tokens follow the future's.
        special_token_ids: id by name, None for tokens that were not added.
        original_vocab_size: embedding rows before the tokens were added.

    Raises:
        ValueError: the tokenizer and the config do not agree.
    """

    config_class: Any = ReasoningVLAConfig
    base_model_prefix = "vlm"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _no_split_modules = ["Qwen3VLTextDecoderLayer", "Qwen3VLVisionBlock"]  # noqa: RUF012 (transformers' convention)
    _skip_keys_device_placement = "past_key_values"

    def __init__(
        self,
        config: ReasoningVLAConfig,
        pretrained_modules: Mapping[str, Any] | None = None,
        original_vocab_size: int | None = None,
        print_param_count: bool = True,
    ) -> None:
        super().__init__(config)
        modules = dict(pretrained_modules or {})
        self.backend = get_backend(config.vlm_backend)
        self.tokenizer = config.resolve_vocabulary()
        self.special_token_ids = token_ids(self.tokenizer, config.special_tokens)
        self.image_settings = self.backend.load_image_settings(config.vlm_source)
        if "vlm" in modules:
            self.vlm = modules["vlm"]
            # A resized embedding is a new module, which post_init below would fill with random weights.
            for module in self.vlm.modules():
                module._is_hf_initialized = True
            self.original_vocab_size = original_vocab_size
        else:
            vlm_config = self.backend.load_config(config.vlm_source)
            saved = getattr(config, "original_vocab_size", None)
            self.original_vocab_size = saved or vlm_config.text_config.vocab_size
            self.vlm = self.backend.build(
                vlm_config, len(self.tokenizer), getattr(torch, config.model_dtype), usable_attention(config)
            )
        # from_pretrained builds models without memory, which the tokenizers, being no part of the weights, would stay.
        with torch.device("cpu"):
            self._set_trajectory_tokenizers(config, modules)
        self.post_init()
        if print_param_count:
            self.log_parameter_count()

    def log_parameter_count(self) -> None:
        total = sum(parameter.numel() for parameter in self.parameters())
        trainable = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        logger.info("%d parameters, %d trainable", total, trainable)

    def _set_trajectory_tokenizers(self, config: ReasoningVLAConfig, modules: dict[str, Any]) -> None:
        traj_tokenizer = modules.get("traj_tokenizer")
        if "traj_tokenizer" not in modules and config.traj_tokenizer_cfg is not None:
            traj_tokenizer = tokenizer_of(config.traj_tokenizer_cfg)
        self.traj_tokenizer = traj_tokenizer
        self.future_token_start_idx = self.hist_token_start_idx = config.traj_token_start_idx or 0
        if config.hist_traj_tokenizer_cfg is None:
            self.hist_traj_tokenizer = traj_tokenizer
            return
        self.hist_traj_tokenizer = tokenizer_of(config.hist_traj_tokenizer_cfg)
        if traj_tokenizer is not None:
            self.hist_token_start_idx += traj_tokenizer.vocab_size

    def check_tokenizers_fit(self) -> None:
        """Raises ValueError when the trajectory tokenizers need more tokens than the model has."""
        future = self.traj_tokenizer.vocab_size if self.traj_tokenizer is not None else 0
        separate = self.hist_traj_tokenizer is not None and self.hist_traj_tokenizer is not self.traj_tokenizer
        history = self.hist_traj_tokenizer.vocab_size if separate else 0
        if future + history > (self.config.traj_vocab_size or 0):
            raise ValueError(
                f"the tokenizers need {future} future + {history} history = {future + history} trajectory tokens, "
                f"the model has {self.config.traj_vocab_size} (traj_vocab_size)"
            )

    @classmethod
    def from_pretrained_submodules(cls, config: ReasoningVLAConfig) -> ReasoningVLA:
        """A model on the pretrained VLM at `config.vlm_name_or_path`, its embeddings resized for the added tokens.

        Rows that the VLM already had are kept; new rows are drawn around the mean of the old ones.
        """
        tokenizer = config.resolve_vocabulary()
        vlm, original_vocab_size = get_backend(config.vlm_backend).load(
            config.vlm_source, len(tokenizer), getattr(torch, config.model_dtype), usable_attention(config)
        )
        return cls(config, pretrained_modules={"vlm": vlm}, original_vocab_size=original_vocab_size)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Loads a saved model; offline when given a folder.

        Args:
            pretrained_model_name_or_path: folder or hub id.
            dtype: of every parameter, torch.dtype or its name; default, and "auto", is the config's `model_dtype`.
            attn_implementation: overrides the config's.
            kwargs: fields of the config (`vlm_name_or_path` for a checkpoint that holds no tokenizer, as Alpamayo-R1
                does not), or arguments of transformers' own from_pretrained.

        Raises:
            FileNotFoundError: the folder holds no config.json or lacks files of weights, or the VLM's files are not to
                be had.
            ValueError: the tokenizer is not the one that the checkpoint was made with, or weights are missing, too
                many or of another shape; with `output_loading_info` such weights are told instead.
        """
        path = pretrained_model_name_or_path
        local = is_local(str(path))
        if local:
            require_file(path, "config.json")
            require_weight_files(path)
        config = kwargs.pop("config", None)
        if config is None:
            fields = cls.config_class().to_dict().keys()
            chosen = {name: kwargs.pop(name) for name in list(kwargs) if name in fields and name != "dtype"}
            stated, _ = cls.config_class.get_config_dict(path, local_files_only=local)
            config = cls.config_class.from_dict({**stated, **chosen})
            _require_its_tokenizer(stated, config)
        dtype = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
        dtype = config.model_dtype if dtype in (None, "auto") else dtype
        dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        config.model_dtype = str(dtype).removeprefix("torch.")
        config.attn_implementation = kwargs.pop("attn_implementation", None) or config.attn_implementation
        tell = kwargs.pop("output_loading_info", False)
        # What does not fit would be left random with no more than a warning.
        kwargs = {"local_files_only": local, "use_safetensors": True, "ignore_mismatched_sizes": True, **kwargs}
        model, report = super().from_pretrained(
            path, *model_args, config=config, dtype=dtype, output_loading_info=True, **kwargs
        )
        if tell:
            return model, report
        require_complete(report, path, cls.__name__)
        return model

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:
        """Writes weights, config, the folder `vlm/` and fitted trajectory tokenizers: all that `from_pretrained` needs,
        offline."""
        folder = Path(save_directory)
        known_as = self.config.vlm_name_or_path
        self.config.vlm_name_or_path = VLM_FOLDER
        self.config.model_dtype = str(self.dtype).removeprefix("torch.")
        self.config.original_vocab_size = self.original_vocab_size
        try:
            with saved_inside(self, folder):
                super().save_pretrained(folder, **kwargs)
        finally:
            self.config.vlm_name_or_path = known_as
        if kwargs.get("is_main_process", True):
            self.backend.save_parts(self.vlm.config, self.image_settings, self.tokenizer, str(folder / VLM_FOLDER))

    @property
    def device(self) -> torch.device:
        """Where inputs belong: that of the weights, or, where some are offloaded, the device that they are run on."""
        placed = getattr(self, "hf_device_map", None) or {}
        running = [device for device in placed.values() if device not in ("cpu", "disk")]
        if placed:
            return torch.device(running[0] if running else "cpu")
        device: torch.device = super().device
        return device

    def get_input_embeddings(self) -> nn.Module:
        return self.backend.input_embeddings(self.vlm)

    def get_output_embeddings(self) -> nn.Module:
        return self.vlm.get_output_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.vlm.set_input_embeddings(value)

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.vlm.set_output_embeddings(new_embeddings)

    def tie_weights(self, *args: Any, **kwargs: Any) -> None:
        """Ties the VLM's embeddings where its config says so."""
        if hasattr(PreTrainedModel, "get_expanded_tied_weights_keys"):
            super().tie_weights(*args, **kwargs)  # transformers 5 collects the VLM's tied keys by itself
        else:
            self.vlm.tie_weights()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_grid_thw: Tensor | None = None,
        labels: Tensor | None = None,
        traj_data: Mapping[str, Any] | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> Any:
        """Logits, and the loss when labels are given.

        Args:
            input_ids: int64 [B, L]; trajectory placeholders are fused when `traj_data` is given.
            attention_mask: int64 [B, L (+ cached)], 0 for padding; default all ones.
            pixel_values, image_grid_thw: images of all rows, as :class:`ImageBatch` holds them.
            labels: int64 [B, L], `IGNORE_INDEX` (-100) where no loss is due. Placeholders in them become the fused
                tokens.
            traj_data: see `fuse_traj_tokens`.
            position_ids: default is counted from the ids and images.
            past_key_values, use_cache, logits_to_keep: as in transformers.

        Returns:
            The VLM's output: `loss` (mean cross-entropy of the labelled tokens), `logits`, `past_key_values`.
        """
        fused = self.fuse_traj_tokens(input_ids, traj_data)
        if labels is not None:
            labels = torch.where((fused != input_ids) & (labels != IGNORE_INDEX), fused, labels)
        if attention_mask is None:
            cached = 0 if past_key_values is None else past_key_values.get_seq_length()
            attention_mask = torch.ones(len(fused), cached + fused.shape[1], dtype=torch.long, device=fused.device)
        if position_ids is None:
            if past_key_values is not None:
                raise ValueError("with past_key_values, position_ids must be given")
            if attention_mask.shape != fused.shape:
                raise ValueError(
                    f"attention_mask must be {list(fused.shape)} like input_ids, got {list(attention_mask.shape)}; "
                    "one of another shape needs position_ids"
                )
            position_ids, _ = self.backend.position_ids(self.vlm, fused, image_grid_thw, attention_mask)
        return self.vlm(
            input_ids=fused,
            attention_mask=attention_mask,
            position_ids=position_ids,
            pixel_values=pixel_values,
            image_grid_thw=image_grid_thw,
            labels=labels,
            past_key_values=past_key_values,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )


def _require_its_tokenizer(checkpoint: dict[str, Any], config: ReasoningVLAConfig) -> None:
    """Compares the checkpoint's config.json with what the tokenizer gave."""
    for name in ("vocab_size", "traj_token_start_idx", "traj_token_ids"):
        stated, found = checkpoint.get(name), getattr(config, name)
        if None not in (stated, found) and stated != found:
            raise ValueError(
                f"the model's config has {name} {stated}, the tokenizer of {config.vlm_name_or_path!r} with "
                f"traj_vocab_size {config.traj_vocab_size} gives {found}; both must be those the model was made with"
            )


def usable_attention(config: ReasoningVLAConfig) -> str:
    """The attention implementation asked for; "sdpa" in place of flash attention where its package is absent."""
    if config.attn_implementation == "flash_attention_2" and find_spec("flash_attn") is None:
        logger.warning("flash_attn is not installed: attention runs on PyTorch's sdpa instead of flash_attention_2")
        return "sdpa"
    return config.attn_implementation


AutoConfig.register(ReasoningVLAConfig.model_type, ReasoningVLAConfig, exist_ok=True)
AutoModel.register(ReasoningVLAConfig, ReasoningVLA, exist_ok=True)
