"""What the simulator node needs of a simulated vehicle; the package's driving world and test stubs are such."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.scene_markers import SceneRoad, SceneThing
from reasoning_vla_ros.ros.simulator_parameters import SimulatorParameters


@dataclass(frozen=True, eq=False)
class SimulatedCamera:
    """A camera without distortion.

    Attributes:
        name: part of its topics.
        width, height: of its images, pixels.
        intrinsics: CameraInfo's K, float64 [3, 3].
        camera_in_base: pose of its optical frame (x right, y down, z forward) in base_link, float64 [4, 4].
    """

    name: str
    width: int
    height: int
    intrinsics: NDArray[np.float64]
    camera_in_base: NDArray[np.float64]

    @property
    def frame_id(self) -> str:
        return f"camera_{self.name}_optical_frame"


@dataclass(frozen=True)
class SimulatedMotion:
    """base_link in the world's fixed frame: metres, radians; speed along its x axis and yaw rate."""

    xyz: tuple[float, float, float]
    yaw_rad: float
    speed_mps: float
    yaw_rate_rps: float


@dataclass(frozen=True)
class VelocityTarget:
    """What a Twist asks for: speed along base_link's x axis, and yaw rate; together an arc."""

    speed_mps: float
    yaw_rate_rps: float


class SimulatedVehicle(Protocol):
    """A vehicle in its world, from the start of one scenario to its end."""

    @property
    def cameras(self) -> tuple[SimulatedCamera, ...]:
        """The same at all times."""

    @property
    def motion(self) -> SimulatedMotion:
        """As it is now."""

    @property
    def instruction(self) -> str:
        """Navigation text that holds now; may be empty."""

    @property
    def end(self) -> str:
        """Why the scenario is over, such as "collision"; empty while it goes on."""

    @property
    def road(self) -> SceneRoad:
        """The same at all times."""

    @property
    def things(self) -> tuple[SceneThing, ...]:
        """What is around the vehicle now."""

    def step(self, target: VelocityTarget | None, dt_s: float) -> None:
        """Moves the world on by `dt_s` seconds; without a target the vehicle drives by itself."""

    def image(self, camera: str) -> NDArray[np.uint8]:
        """What a camera sees now, uint8 [H, W, 3], RGB."""


# Raises ValueError for a scenario that there is none of.
VehicleFactory = Callable[[SimulatorParameters], SimulatedVehicle]
