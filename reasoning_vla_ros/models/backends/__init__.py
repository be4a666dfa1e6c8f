"""Vision-language models that ReasoningVLA can be built on, behind one small interface."""

from reasoning_vla_ros.models.backends.base import ImageBatch, VLMBackend
from reasoning_vla_ros.models.backends.qwen3vl import Qwen3VLBackend

_BACKENDS: dict[str, VLMBackend] = {"qwenvl3": Qwen3VLBackend()}


def get_backend(name: str) -> VLMBackend:
    """The backend of that name. Raises ValueError listing the known ones."""
    if name not in _BACKENDS:
        raise ValueError(f"unknown vlm_backend {name!r}; known: {sorted(_BACKENDS)}")
    return _BACKENDS[name]


def register_backend(name: str, backend: VLMBackend) -> None:
    """Adds a backend under a name that `ReasoningVLAConfig.vlm_backend` may then have."""
    _BACKENDS[name] = backend


__all__ = ["ImageBatch", "Qwen3VLBackend", "VLMBackend", "get_backend", "register_backend"]
