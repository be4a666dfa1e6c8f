"""Weights in 8 or 4 bits, by torchao where it is installed, else by bitsandbytes.

Only the linear layers of the language model and of the action expert are quantised, weights alone: these are nine
tenths of a checkpoint. The vision encoder, the embeddings, lm_head and the action projections keep their dtype, as is
usual: they are small or sensitive.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

QUANTIZATIONS = ("none", "int8", "int4")
UNQUANTIZED = ("vlm.model.visual", "vlm.lm_head", "action_in_proj", "action_out_proj")
GROUP_SIZE = 128  # torchao's default; weights that share a scale in 4 bits


def quantization_config(name: str, device: torch.device, dtype: torch.dtype) -> Any:
    """What transformers' from_pretrained takes; None for "none".

    Args:
        name: of QUANTIZATIONS. "int8" is torchao's int8 per output channel, or LLM.int8 (arXiv 2208.07339) by
            bitsandbytes. "int4" is torchao's int4 in groups of 128, for bfloat16 on CUDA; elsewhere, or without
            torchao, NF4 (arXiv 2305.14314) by bitsandbytes.
        device: that the model runs on.
        dtype: of what is not quantised, and of the arithmetic.

    Raises:
        ValueError: an unknown name, or none of the packages that can do it is installed.
    """
    if name not in QUANTIZATIONS:
        raise ValueError(f"quantization must be one of {list(QUANTIZATIONS)}, got {name!r}")
    if name == "none":
        return None
    dtype_name = str(dtype).removeprefix("torch.")
    by_torchao = name == "int8" or (device.type == "cuda" and dtype_name == "bfloat16")
    if by_torchao and find_spec("torchao") is not None:
        return _torchao(name)
    if find_spec("bitsandbytes") is not None:
        return _bitsandbytes(name, dtype)
    packages = "torchao or bitsandbytes" if by_torchao else "bitsandbytes"
    raise ValueError(
        f"quantization {name} in {dtype_name} on {device.type} needs {packages}: `pip install {packages.split()[0]}`"
    )


def _torchao(name: str) -> Any:
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    # The packing that PyTorch's own kernels read; others need further packages.
    four = Int4WeightOnlyConfig(group_size=GROUP_SIZE, int4_packing_format="tile_packed_to_4d")
    return TorchAoConfig(Int8WeightOnlyConfig() if name == "int8" else four, modules_to_not_convert=list(UNQUANTIZED))


def _bitsandbytes(name: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_8bit=name == "int8",
        load_in_4bit=name == "int4",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(UNQUANTIZED),
    )
