"""The driving world's ego as the vehicle that the simulator node drives."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.scene_markers import SceneThing
from reasoning_vla_ros.ros.simulated_vehicle import SimulatedCamera, SimulatedMotion, VelocityTarget
from reasoning_vla_ros.ros.simulator_parameters import SimulatorParameters, parse_cameras
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.navigation_text import navigation_text
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scene_things import road_of, things_of
from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand

# A slower target has no curvature of its own: yaw rate over speed is then noise.
LEAST_TARGET_MPS = 0.05


class WorldVehicle:
    """The ego of a :class:`World`; a `ros.simulated_vehicle.SimulatedVehicle`. By itself it drives as the expert does.

    Args:
        parameters: scenario, seed, cameras and response.

    Raises:
        ValueError: a scenario that there is none of.
    """

    def __init__(self, parameters: SimulatorParameters) -> None:
        self.world = World(parameters.scenario, parameters.seed)
        self._response_s = parameters.response_s
        self._expert = ExpertDriver()
        self._curvature = 0.0
        size = (parameters.image_width, parameters.image_height)
        fov_deg, xyz_in_base = parameters.horizontal_fov_deg, FRONT_CAMERA.xyz_in_base
        self._views = {
            name: SceneView(PinholeCamera(*(entry.size or size), fov_deg, xyz_in_base), entry.yaw_rad)
            for name, entry in parse_cameras(parameters.cameras).items()
        }
        self.cameras = tuple(
            SimulatedCamera(name, view.camera.width, view.camera.height, view.intrinsics, view.camera_in_base)
            for name, view in self._views.items()
        )
        self.road = road_of(self.world.lanes)

    @property
    def motion(self) -> SimulatedMotion:
        ego = self.world.ego
        return SimulatedMotion((*ego.xy, 0.0), ego.yaw_rad, ego.speed_mps, ego.yaw_rate_rps)

    @property
    def instruction(self) -> str:
        return navigation_text(self.world.state())

    @property
    def things(self) -> tuple[SceneThing, ...]:
        return things_of(self.world.state())

    @property
    def end(self) -> str:
        if self.world.has_collided:
            return "collision"
        if self.world.has_left_road:
            return "left the road"
        return "route driven" if self.world.is_finished else ""

    def step(self, target: VelocityTarget | None, dt_s: float) -> None:
        """Moves the world on; a target speed is taken up at an even acceleration, in the response time."""
        self.world.step(self._expert.drive(self.world) if target is None else self._command(target, dt_s), dt_s)

    def image(self, camera: str) -> NDArray[np.uint8]:
        return self._views[camera].render(self.world.state())

    def _command(self, target: VelocityTarget, dt_s: float) -> EgoCommand:
        speed_mps = max(target.speed_mps, 0.0)
        if speed_mps > LEAST_TARGET_MPS and math.isfinite(target.yaw_rate_rps / speed_mps):
            self._curvature = target.yaw_rate_rps / speed_mps
        acceleration = (speed_mps - self.world.ego.speed_mps) / max(self._response_s, dt_s)
        return EgoCommand(acceleration, self._curvature)
