"""What a planner sees at one instant."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CameraFrames:
    """The frames of one camera, oldest first.

    Attributes:
        camera_id: number that orders the cameras in the prompt; Alpamayo's are cross_left 0, front_wide 1,
            cross_right 2, front_tele 6.
        name: human-readable camera name.
        images: uint8 [F, H, W, 3], RGB.
        stamps_ns: F capture stamps in nanoseconds, non-decreasing.
    """

    camera_id: int
    name: str
    images: NDArray[np.uint8]
    stamps_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or 0 in shape:
            raise ValueError(
                f"camera {self.name!r}: images must be uint8 [F, H, W, 3] without empty axes, "
                f"got {self.images.dtype} {list(shape)}"
            )
        if len(self.stamps_ns) != shape[0]:
            raise ValueError(f"camera {self.name!r}: {shape[0]} frames need as many stamps, got {len(self.stamps_ns)}")
        if any(later < earlier for earlier, later in zip(self.stamps_ns, self.stamps_ns[1:], strict=False)):
            raise ValueError(f"camera {self.name!r}: stamps must run oldest to newest, got {list(self.stamps_ns)} ns")


@dataclass(frozen=True)
class Observation:
    """Input of :meth:`Planner.plan`; immutable, with every pose in the ego frame at t0 (REP-103 axes).

    Attributes:
        t0_ns: the instant that the plan starts from, nanoseconds.
        cameras: one entry a camera, camera ids ascending.
        history_xyz: float32 [T, 3], ego positions in metres in the ego frame at t0, oldest first; the last is zero.
        history_rot: float32 [T, 3, 3], ego rotations in the ego frame at t0; the last is the identity.
        dt_s: step of the history in seconds.
        instruction: navigation text for a car ("Turn left in 30 m"), a task for an arm; may be empty.
        embodiment: what carries out the plan, "car" or the name of a robot.
    """

    t0_ns: int
    cameras: tuple[CameraFrames, ...]
    history_xyz: NDArray[np.float32]
    history_rot: NDArray[np.float32]
    dt_s: float = 0.1
    instruction: str = ""
    embodiment: str = "car"
    camera_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        ids = [camera.camera_id for camera in self.cameras]
        if ids != sorted(set(ids)):
            raise ValueError(f"camera ids must be distinct and ascending, got {ids}")
        steps = self.history_xyz.shape[0]
        if self.history_xyz.shape != (steps, 3) or self.history_rot.shape != (steps, 3, 3) or steps == 0:
            raise ValueError(
                "the ego history must be xyz [T, 3] and rot [T, 3, 3] with T >= 1, "
                f"got {list(self.history_xyz.shape)} and {list(self.history_rot.shape)}"
            )
        if not (np.isfinite(self.history_xyz).all() and np.isfinite(self.history_rot).all()):
            raise ValueError("the ego history must be finite, it holds NaN or infinity")
        if not self.dt_s > 0:
            raise ValueError(f"dt_s must be positive, got {self.dt_s}")
        object.__setattr__(self, "camera_names", tuple(camera.name for camera in self.cameras))

    @property
    def speed_mps(self) -> float | None:
        """Speed at t0 along the vehicle's x axis, from the last two poses; None with a single pose."""
        if len(self.history_xyz) < 2:
            return None
        return float(-self.history_xyz[-2, 0] / self.dt_s)
