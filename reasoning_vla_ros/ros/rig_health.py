"""What diagnostics tell of the camera rig: how it differs from its file and from what the model was trained with."""

from __future__ import annotations

from reasoning_vla_ros.planning.camera_rig import CameraRig, RigCamera
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.planning.rig_differences import image_differences, rig_differences
from reasoning_vla_ros.ros.diagnostics import Level, Status


class RigHealth:
    """Record of the rig: what is known from the start, and what the images show.

    Args:
        config: cameras and frames that the model is given.
        rig: what the rig file says of those cameras; None without one.
        trained: the rig that the model was trained with; None where it names none.
    """

    def __init__(self, config: ObservationConfig, rig: CameraRig | None, trained: CameraRig | None) -> None:
        self.rig, self.trained = rig, trained
        self.known = rig_differences(config, trained, rig)
        cameras = rig.used if rig is not None else [RigCamera(name, number, "") for number, name in config.cameras]
        self._cameras = {camera.name: camera for camera in cameras}
        self._forms: dict[str, tuple[int, int, str]] = {}
        self._seen: dict[str, tuple[str, ...]] = {}

    def see(self, camera: str, width: int, height: int, grey_encoding: str) -> str:
        """Takes note of an image. Returns what is off about it when that is new, else an empty text.

        Args:
            camera: its name.
            width, height: of the image, pixels.
            grey_encoding: the encoding of an image without colour, else empty.
        """
        form = width, height, grey_encoding
        if self._forms.get(camera) == form:
            return ""
        self._forms[camera] = form
        self._seen[camera] = self._sentences(self._cameras[camera], *form)
        return "; ".join(self._seen[camera])

    def report(self) -> Status:
        """One value a difference; those that images show are those of each camera's newest image."""
        seen = [sentence for sentences in self._seen.values() for sentence in sentences]
        differences = list(dict.fromkeys([*self.known, *seen]))
        if differences:
            more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
            level, message = Level.WARN, f"{differences[0]}{more}"
        elif self.trained is not None:
            level, message = Level.OK, "as trained"
        else:
            level, message = Level.OK, "nothing to compare with: the model names no rig that it was trained with"
        values = {
            "camera_rig": self.rig.name if self.rig is not None else "",
            "trained_with": self.trained.name if self.trained is not None else "",
            **{f"difference_{index}": sentence for index, sentence in enumerate(differences, start=1)},
        }
        return Status("camera rig", level, message, values)

    def _sentences(self, camera: RigCamera, width: int, height: int, grey_encoding: str) -> tuple[str, ...]:
        sentences = []
        if (camera.width or width, camera.height or height) != (width, height):
            says = f"{camera.width or 'any'}x{camera.height or 'any'}"
            sentences.append(f"{camera.label} sends images of {width}x{height}, its rig file says {says}")
        if grey_encoding:
            sentences.append(f"{camera.label} sends grey images ({grey_encoding}), models are trained with colour")
        return (*sentences, *image_differences(camera, width, height, self.trained))
