"""How the cameras at hand differ from those that a model was trained with, in plain sentences.

A model sees pixels only: nothing tells it where its cameras sit or how wide they see. It takes them for those of its
training, and nothing here rectifies or crops an image to make them so. These sentences say where that is off.
"""

from __future__ import annotations

from typing import Any

from reasoning_vla_ros.planning.camera_rig import CameraRig, RigCamera, RigError
from reasoning_vla_ros.planning.observation_builder import ObservationConfig

ALPAMAYO_FRAMES = (4, 0.1)  # a camera, and seconds between them
# Rigs of models whose config does not name one.
TRAINED_RIGS = {"alpamayo_r1": "nvidia_4_camera", "alpamayo1_5": "nvidia_4_camera"}
# Makers' figures are rounded, and lenses of one type scatter by a few degrees. Not measured on a model.
FOV_TOLERANCE_DEG = 5.0
# Resizing to whole patches alone changes the ratio of the public models' images by 1.3 %.
ASPECT_TOLERANCE = 0.02
# Clocks of cameras drift; one that claims 10 Hz may deliver 9.99.
RATE_TOLERANCE = 0.01
LENS_NAMES = {"pinhole": "pinhole", "fisheye": "fisheye", "ftheta": "f-theta"}


def trained_rig(model_config: Any) -> CameraRig | None:
    """The rig that a model was trained with; None where its config names none and its kind has none.

    Args:
        model_config: with `trained_rig`, the name of one of the package's rigs or None; else its `model_type` decides,
            unless it says `untrained`.

    Raises:
        RigError: the config names something else.
    """
    if hasattr(model_config, "trained_rig"):
        name = model_config.trained_rig
    elif getattr(model_config, "untrained", False):
        name = None
    else:
        name = TRAINED_RIGS.get(getattr(model_config, "model_type", ""))
    if name is None:
        return None
    if not isinstance(name, str) or "/" in name:  # a checkpoint does not choose which files are opened
        raise RigError(f"trained_rig of the model's config is {name!r}, needed the name of one of the package's rigs")
    return CameraRig.load(name)


def trained_frames(model_config: Any) -> tuple[int, float]:
    """Frames a camera and seconds between them that a model was trained with; Alpamayo's 4 at 0.1 s where no rig tells.

    Raises:
        RigError: see `trained_rig`.
    """
    trained = trained_rig(model_config)
    view = None if trained is None else trained.training
    return ALPAMAYO_FRAMES if view is None else (view.num_frames, view.frame_dt_s)


def rig_differences(
    config: ObservationConfig, trained: CameraRig | None, rig: CameraRig | None = None
) -> tuple[str, ...]:
    """What of the cameras is not as the model knows it, one sentence each; empty where all is as trained.

    Args:
        config: the cameras and frames that the model is given.
        trained: the rig of its training; None is not compared with.
        rig: what is known of the cameras; without it, lenses and sizes are unknown.
    """
    if trained is None:
        return ()
    known = {camera.camera_id: camera for camera in rig.used} if rig is not None else {}
    at_hand = [known.get(number, RigCamera(name, number, "")) for number, name in config.cameras]
    trained_by_id = {camera.camera_id: camera for camera in trained.used}
    ids = {camera.camera_id for camera in at_hand}
    sentences = [f"{camera.label} is missing" for camera in trained.used if camera.camera_id not in ids]
    if len(at_hand) == 1 and len(trained.used) > 1:
        sentences.append(f"a single camera, the model was trained with {len(trained.used)}")
    sentences += _frame_differences(config, trained)
    for camera in at_hand:
        if camera.camera_id not in trained_by_id:
            sentences.append(f"{camera.label} is new to the model, which was trained with ids {_ids(trained)}")
        elif rig is not None:
            sentences += _camera_differences(camera, trained_by_id[camera.camera_id], trained, config.frame_dt_s)
    if rig is None:
        sentences.append("lenses and fields of view are unknown, as no camera_rig is given")
    return tuple(sentences)


def image_differences(camera: RigCamera, width: int, height: int, trained: CameraRig | None) -> tuple[str, ...]:
    """What of a camera's image size is not as the model knows it."""
    if trained is None or trained.training is None:
        return ()
    view, sentences = trained.training, []
    # The training's images where their size is known, as their resized form is bent a little to fit whole patches.
    twin = next((each for each in trained.used if each.camera_id == camera.camera_id), None)
    wide, high = (twin.width or view.width, twin.height or view.height) if twin else (view.width, view.height)
    if abs(width / height / (wide / high) - 1) > ASPECT_TOLERANCE:
        sentences.append(
            f"{camera.label} has images of {width}x{height} ({width / height:.2f}:1), the model was trained with "
            f"{wide}x{high} ({wide / high:.2f}:1)"
        )
    if width * height < view.width * view.height:
        sentences.append(
            f"{camera.label} has images of {width}x{height}, fewer pixels than the {view.width}x{view.height} that the "
            "model was shown in training"
        )
    return tuple(sentences)


def _frame_differences(config: ObservationConfig, trained: CameraRig) -> list[str]:
    view = trained.training
    if view is None:
        return []
    sentences = []
    if config.num_frames != view.num_frames:
        sentences.append(f"{config.num_frames} frames a camera, the model was trained with {view.num_frames}")
    if abs(config.frame_dt_s - view.frame_dt_s) > 1e-6:
        sentences.append(f"frames {config.frame_dt_s:g} s apart, the model was trained with {view.frame_dt_s:g} s")
    return sentences


def _camera_differences(camera: RigCamera, twin: RigCamera, trained: CameraRig, frame_dt_s: float) -> list[str]:
    """Between a camera and the one of its id in training."""
    sentences = []
    if camera.intrinsics is None:
        sentences.append(f"{camera.label} has an unknown lens, its rig file gives no intrinsics")
    elif twin.intrinsics is not None and camera.intrinsics.model != twin.intrinsics.model:
        sentences.append(
            f"{camera.label} has a {LENS_NAMES[camera.intrinsics.model]} lens, the model was trained with "
            f"{LENS_NAMES[twin.intrinsics.model]}; images are passed on as they come"
        )
    fov_deg, trained_fov_deg = camera.horizontal_fov_deg, twin.horizontal_fov_deg
    if trained_fov_deg is not None and fov_deg is None:
        sentences.append(
            f"{camera.label} has an unknown field of view, the model was trained with {trained_fov_deg:.0f} deg"
        )
    elif trained_fov_deg is not None and fov_deg is not None and abs(fov_deg - trained_fov_deg) > FOV_TOLERANCE_DEG:
        sentences.append(f"{camera.label} sees {fov_deg:.0f} deg, the model was trained with {trained_fov_deg:.0f} deg")
    if camera.width is not None and camera.height is not None:
        sentences += image_differences(camera, camera.width, camera.height, trained)
    if camera.rate_hz is not None and camera.rate_hz * frame_dt_s < 1 - RATE_TOLERANCE:
        sentences.append(
            f"{camera.label} sends {camera.rate_hz:g} Hz, frames {frame_dt_s:g} s apart need {1 / frame_dt_s:g} Hz"
        )
    return sentences


def _ids(rig: CameraRig) -> str:
    return ", ".join(str(camera.camera_id) for camera in rig.used)
