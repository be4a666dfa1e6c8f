"""Camera rigs: which cameras there are, where their images come from, how they see and where they sit.

A rig is a YAML file, checked by schema/rig.schema.json; docs/rigs.md says how to write one. The package's own lie in
config/rigs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from reasoning_vla_ros.planning.lenses import Intrinsics, horizontal_fov_deg
from reasoning_vla_ros.planning.package_share import share_path

RIGS_FOLDER = "config/rigs"
SCHEMA_FILE = "schema/rig.schema.json"
# Quaternions in files are rounded; five digits leave the norm within this.
_NORM_TOLERANCE = 1e-3
_LONGEST_VALUE = 80


class RigError(ValueError):
    """A rig file that is missing or wrong; the message names the file, the field, its value and what it needed."""


@dataclass(frozen=True)
class Extrinsics:
    """Pose of a camera's optical frame (x right, y down, z forward, REP-103) in base_link.

    Attributes:
        xyz_m: of the optical centre, metres.
        quaternion_xyzw: a unit quaternion; None where `rpy_rad` is given.
        rpy_rad: roll, pitch and yaw about fixed axes as in URDF, radians; None where `quaternion_xyzw` is given.

    Raises:
        ValueError: both rotations or none, or a quaternion whose norm is not 1.
    """

    xyz_m: tuple[float, float, float]
    quaternion_xyzw: tuple[float, float, float, float] | None = None
    rpy_rad: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if (self.quaternion_xyzw is None) == (self.rpy_rad is None):
            given = "both" if self.rpy_rad is not None else "neither"
            raise ValueError(f"has {given} of quaternion_xyzw and rpy_rad, needed one of them")
        if self.quaternion_xyzw is not None:
            norm = math.hypot(*self.quaternion_xyzw)
            if abs(norm - 1) > _NORM_TOLERANCE:
                raise ValueError(f"quaternion_xyzw has norm {norm:.4f}, needed 1")


@dataclass(frozen=True)
class RigCamera:
    """One camera; None is unknown.

    Attributes:
        name: part of the node's topic ~/input/<name>/image.
        camera_id: by which the model knows the camera; orders the cameras in the prompt.
        topic: of its raw images; the compressed ones come on <topic>/compressed.
        used: whether the model is given its images.
        width, height: of its images, pixels.
        rate_hz: images per second.
        intrinsics, extrinsics: its lens, and its place on the vehicle.
    """

    name: str
    camera_id: int
    topic: str
    used: bool = True
    width: int | None = None
    height: int | None = None
    rate_hz: float | None = None
    intrinsics: Intrinsics | None = None
    extrinsics: Extrinsics | None = None

    @property
    def label(self) -> str:
        """As messages name it: "camera front (1)"."""
        return f"camera {self.name} ({self.camera_id})"

    @property
    def horizontal_fov_deg(self) -> float | None:
        """How wide it sees, degrees; see `lenses.horizontal_fov_deg`."""
        return None if self.intrinsics is None else horizontal_fov_deg(self.intrinsics, self.width)


@dataclass(frozen=True)
class TrainingView:
    """What a model that was trained with a rig was shown: frames a camera, their step, and their size in pixels."""

    num_frames: int
    frame_dt_s: float
    width: int
    height: int


@dataclass(frozen=True)
class CameraRig:
    """The cameras of a vehicle or robot.

    Attributes:
        name: of the rig.
        cameras: all there are, ids ascending.
        description: which vehicle it is.
        training: for rigs that models were trained with.

    Raises:
        ValueError: no camera is used, or two have the same name, id or topic.
    """

    name: str
    cameras: tuple[RigCamera, ...]
    description: str = ""
    training: TrainingView | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", tuple(sorted(self.cameras, key=lambda camera: camera.camera_id)))
        for field in ("camera_id", "name", "topic"):
            owners: dict[Any, RigCamera] = {}
            for camera in self.cameras:
                other = owners.setdefault(getattr(camera, field), camera)
                if other is not camera:
                    raise ValueError(
                        f"{other.label} and {camera.label} have the same {field} {getattr(camera, field)!r}, "
                        "needed one of its own for each"
                    )
        if not self.used:
            raise ValueError("cameras: none is used, needed at least one")

    @property
    def used(self) -> tuple[RigCamera, ...]:
        """The cameras that the model is given, ids ascending."""
        return tuple(camera for camera in self.cameras if camera.used)

    @property
    def parameter(self) -> tuple[str, ...]:
        """The cameras used as the node's parameter `cameras` has them, such as "front:1"."""
        return tuple(f"{camera.name}:{camera.camera_id}" for camera in self.used)

    @classmethod
    def load(cls, name_or_path: str | Path) -> CameraRig:
        """The rig of a file, or one of the package's by its name.

        Args:
            name_or_path: a text without a slash is the name of a file in the package's config/rigs, as in "kitti"; all
                else is the path of a file.

        Raises:
            RigError: there is no such rig, or the file is wrong.
        """
        path = _named(name_or_path) if "/" not in str(name_or_path) else Path(name_or_path).expanduser()
        document = _read(path)
        try:
            return _rig(document)
        except ValueError as error:
            raise RigError(f"rig file {path}: {error}") from error


def available_rigs() -> tuple[str, ...]:
    """Names of the package's own rigs. Raises RigError where they are not installed."""
    try:
        folder = share_path(RIGS_FOLDER)
    except FileNotFoundError as error:
        raise RigError(str(error)) from error
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def _named(name: str | Path) -> Path:
    stem = str(name).removesuffix(".yaml")
    known = available_rigs()
    if stem not in known:
        raise RigError(
            f"no rig has the name {str(name)!r}, the package's are {', '.join(known)}; a file of your own needs a path "
            "with a slash, as in ./my_rig.yaml"
        )
    return share_path(f"{RIGS_FOLDER}/{stem}.yaml")


def _read(path: Path) -> dict[str, Any]:
    """The file's content, once it fits the schema. Raises RigError with everything that does not."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RigError(f"rig file {path} cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RigError(f"rig file {path} is no YAML: {error}") from error
    schema = json.loads(share_path(SCHEMA_FILE).read_text(encoding="utf-8"))
    errors = sorted(
        jsonschema.Draft7Validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path))
    )
    if errors:
        raise RigError(f"rig file {path}: {'; '.join(map(_problem, errors))}")
    _require_finite(path, "", document)
    return dict(document)


def _problem(error: jsonschema.ValidationError) -> str:
    """Field, value and demand of what a schema refused."""
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    field = field or "the file"
    rule = error.validator
    demand: Any = error.validator_value
    content: Any = error.instance
    if rule == "required":
        missing = [name for name in demand if name not in content]
        return f"{field} lacks {', '.join(missing)}"
    if rule == "additionalProperties":
        schema: Any = error.schema
        known = schema["properties"]
        unknown = [str(name) for name in content if name not in known]
        return f"{field} has unknown {', '.join(unknown)}, known are {', '.join(known)}"
    value = repr(content)
    short = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}..."
    allowed = ", ".join(map(str, demand)) if isinstance(demand, list) else demand
    return f"{field} is {short}, needed {rule} {allowed}"


def _require_finite(path: Path, field: str, value: Any) -> None:
    """JSON schema lets NaN and infinity pass as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        raise RigError(f"rig file {path}: {field} is {value}, needed a finite number")
    if isinstance(value, dict):
        for key, entry in value.items():
            _require_finite(path, f"{field}.{key}".lstrip("."), entry)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _require_finite(path, f"{field}[{index}]", entry)


def _rig(document: dict[str, Any]) -> CameraRig:
    training = document.get("training")
    return CameraRig(
        document["name"],
        tuple(_camera(index, entry) for index, entry in enumerate(document["cameras"])),
        document.get("description", ""),
        None if training is None else TrainingView(**training),
    )


def _camera(index: int, entry: dict[str, Any]) -> RigCamera:
    if entry["topic"].endswith("/compressed"):
        raise ValueError(
            f"cameras[{index}].topic is {entry['topic']!r}, needed the raw images' topic, without /compressed; "
            "image_transport chooses which of the two is taken"
        )
    plain = {key: value for key, value in entry.items() if key not in ("intrinsics", "extrinsics")}
    parts: dict[str, Any] = {}
    for field, kind in (("intrinsics", Intrinsics), ("extrinsics", Extrinsics)):
        values = entry.get(field)
        try:
            parts[field] = None if values is None else kind(**_with_tuples(values))
        except ValueError as error:
            raise ValueError(f"cameras[{index}].{field}: {error}") from error
    return RigCamera(**plain, **parts)


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
