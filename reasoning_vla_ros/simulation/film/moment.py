"""One instant of a drive, with all that is drawn of it; made from a bag or from the steps of an episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.messages.scene_markers import SceneRoad, SceneThing


@dataclass(frozen=True, eq=False)
class PlannedWay:
    """The plan that is followed, in the map frame.

    Attributes:
        xy: waypoints, float64 [T, 2], metres; T >= 1.
        speed_mps: at them, float64 [T].
        made_at_xy: where the vehicle was at t0, [2].
    """

    xy: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    made_at_xy: NDArray[np.float64]

    @property
    def has_stop(self) -> bool:
        """Whether it ends in standing."""
        return bool(self.speed_mps[-1] < 0.5)

    def ahead_of(self, xy: tuple[float, float], yaw_rad: float) -> NDArray[np.float64]:
        """What is left of it before a vehicle at that pose, in its frame, float64 [N, 2], a point every 0.5 m."""
        way = np.concatenate([self.made_at_xy[None], self.xy]) - np.array(xy)
        way = way @ yaw_to_matrix(np.asarray(yaw_rad, np.float64))[:2, :2]
        nearest = int(np.hypot(*way.T).argmin())
        way = np.concatenate([np.zeros((1, 2)), way[nearest:][way[nearest:, 0] > 0.3]])
        s_m = np.append(0.0, np.cumsum(np.hypot(*np.diff(way, axis=0).T)))
        at_m = np.arange(0.0, s_m[-1] + 0.25, 0.5)
        return np.stack([np.interp(at_m, s_m, way[:, axis]) for axis in (0, 1)], axis=1)


@dataclass(frozen=True, eq=False)
class Moment:
    """An instant of a drive, in the map frame: metres, radians, seconds.

    Attributes:
        time_s: since the drive began.
        title: who drives.
        legs: the scenarios of the drive in their order, and `leg`, the one that this is.
        image: what the camera sees, uint8 [H, W, 3], RGB.
        intrinsics: CameraInfo's K for that image, float64 [3, 3].
        camera_in_base: pose of its optical frame in base_link, float64 [4, 4].
        xy, yaw_rad, speed_mps: the vehicle's.
        speed_limit_mps: None where nobody says.
        instruction, text, meta_action: what it was told, why it does what it does, and what that is.
        plan: None while there is none.
        things, road: around it.
        driven: where it has been, oldest first, float64 [N, 2].
        figures: label and value of what else is told.
        alarm: such as "collision"; empty while all is well.
    """

    time_s: float
    title: str
    legs: tuple[str, ...]
    leg: int
    image: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    camera_in_base: NDArray[np.float64]
    xy: tuple[float, float]
    yaw_rad: float
    speed_mps: float
    speed_limit_mps: float | None
    instruction: str
    text: str
    meta_action: str
    plan: PlannedWay | None
    things: tuple[SceneThing, ...]
    road: SceneRoad
    driven: NDArray[np.float64]
    figures: tuple[tuple[str, str], ...] = ()
    alarm: str = ""
