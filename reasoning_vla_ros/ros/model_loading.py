"""From parameters to a planner."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Protocol

from reasoning_vla_ros.planning.camera_rig import CameraRig
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.rig_differences import ALPAMAYO_FRAMES, trained_frames, trained_rig
from reasoning_vla_ros.ros.parameters import PlannerParameters


class PlannerLike(Protocol):
    """What the node needs of a planner; `reasoning_vla_ros.planning.Planner` is one."""

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        on_text: Callable[[str, bool], None] | None = None,
        seed: int | None = None,
    ) -> Plan: ...


PlannerFactory = Callable[[PlannerParameters], PlannerLike]


def trained_rig_of(planner: PlannerLike) -> CameraRig | None:
    """The rig that the planner's model was trained with; None where it has no model, or one that names none.

    Raises:
        RigError: the model names a rig that the package does not have.
    """
    model = getattr(planner, "model", None)
    return None if model is None else trained_rig(model.config)


def trained_frames_of(planner: PlannerLike) -> tuple[int, float]:
    """Frames a camera and seconds between them of the training of the planner's model; Alpamayo's where nothing tells.

    Raises:
        RigError: as :func:`trained_rig_of`.
    """
    model = getattr(planner, "model", None)
    return ALPAMAYO_FRAMES if model is None else trained_frames(model.config)


def trained_frames_at(model_path: str) -> tuple[int, float]:
    """The same of the model at a path or of a hub id; only its config is read.

    Raises:
        FileNotFoundError: no such model.
        RigError: as :func:`trained_rig_of`.
    """
    from reasoning_vla_ros.planning.model_loading import model_config

    return trained_frames(SimpleNamespace(**model_config(model_path)))


def load_planner(parameters: PlannerParameters) -> PlannerLike:
    """Loads the model that the parameters name.

    Raises:
        FileNotFoundError: no such model folder, or no config in it.
        ValueError: a model, tokenizer, device or dtype that is unknown or does not fit.
    """
    # Imported here: PyTorch and transformers take seconds, and the node is up without them.
    import torch

    from reasoning_vla_ros.planning import Planner

    if not parameters.model_path:
        raise FileNotFoundError("model_path is empty, needed the folder of a model or its hub id")
    if parameters.threads:
        torch.set_num_threads(parameters.threads)
    return Planner.from_pretrained(
        parameters.model_path,
        tokenizer=parameters.tokenizer or None,
        vlm=parameters.vlm_path or None,
        device=parameters.device,
        dtype=parameters.dtype,
        quantization=parameters.quantization,
        offload=parameters.offload,
        settings=parameters.planner_settings(),
    )
