"""Which device holds which weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

OFFLOADS = ("none", "cpu")
# Left free of weights on the GPU: what the 10B shape's cache and activations take with six candidates.
ROOM_FOR_CACHE_BYTES = 5 * 2**30


def placement_arguments(
    device: torch.device,
    offload: str = "none",
    device_map: str | Mapping[str, Any] | None = None,
    max_memory: Mapping[int | str, int | str] | None = None,
    offload_folder: str | None = None,
) -> dict[str, Any]:
    """What transformers' from_pretrained takes to put the weights where they belong, through accelerate.

    Args:
        device: that the model runs on. Weights go there straight from the file.
        offload: "cpu" leaves in the CPU's memory what the GPU has no room for, and copies it over when it is run: the
            last layers first, so an action expert goes before its VLM.
        device_map: a map of modules to devices, "cpu" or "disk", in place of all that; "auto" is offload "cpu".
        max_memory: bytes a device, where the map is "auto"; default is what the GPU has free, less room for the cache.
        offload_folder: where weights on "disk" go.

    Raises:
        ValueError: an unknown offload, nothing to offload from, a GPU that is full, or a map over several GPUs.
    """
    if offload not in OFFLOADS:
        raise ValueError(f"offload must be one of {list(OFFLOADS)}, got {offload!r}")
    if isinstance(device_map, str) and device_map != "auto":
        raise ValueError(f'device_map must be "auto" or a map of modules to devices, got {device_map!r}')
    if isinstance(device_map, Mapping):
        running = {str(place) for place in device_map.values()} - {"cpu", "disk"}
        if len(running) > 1:
            raise ValueError(f"device_map spreads the model over {sorted(running)}; a model runs on one GPU")
        return {"device_map": dict(device_map), "offload_folder": offload_folder}
    if offload == "none" and device_map is None:
        return {"device_map": {"": str(device)}}
    if max_memory is None:
        max_memory = _room(device)
    return {"device_map": "auto", "max_memory": dict(max_memory), "offload_folder": offload_folder}


def _room(device: torch.device) -> dict[int | str, int | str]:
    """Bytes for weights on the GPU; the CPU takes the rest."""
    import torch  # not above: the node's parameters read OFFLOADS, and are read without PyTorch

    if device.type != "cuda":
        raise ValueError(f"offload cpu moves weights from a GPU to the CPU's memory; the device is {device}")
    index = torch.cuda.current_device() if device.index is None else device.index
    free, _ = torch.cuda.mem_get_info(index)
    if free <= ROOM_FOR_CACHE_BYTES:
        raise ValueError(
            f"{device} has {free / 2**30:.1f} GiB free; offloading needs more than "
            f"{ROOM_FOR_CACHE_BYTES / 2**30:.0f} GiB, which the cache and the activations may take"
        )
    return {index: free - ROOM_FOR_CACHE_BYTES, "cpu": 2**63 - 1}
