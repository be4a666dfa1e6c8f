"""The driving world's ego as the simulator node's vehicle."""

from __future__ import annotations

import numpy as np
import pytest

from reasoning_vla_ros.ros.simulated_vehicle import VelocityTarget
from reasoning_vla_ros.ros.simulator_parameters import SimulatorParameters
from reasoning_vla_ros.simulation.world_vehicle import WorldVehicle


def vehicle(**values: object) -> WorldVehicle:
    return WorldVehicle(SimulatorParameters(**{"image_width": 64, "image_height": 32, **values}))  # type: ignore[arg-type]


def test_drives_by_itself_and_sees() -> None:
    ego = vehicle(scenario="curves", seed=2, cameras=("front:0", "left:60"))
    before = ego.motion
    for _ in range(20):
        ego.step(None, 0.05)
    assert np.hypot(*np.subtract(ego.motion.xyz[:2], before.xyz[:2])) > 2.0
    assert ego.end == ""
    assert "km/h" in ego.instruction
    assert [camera.name for camera in ego.cameras] == ["front", "left"]
    front, left = ego.image("front"), ego.image("left")
    assert front.shape == left.shape == (32, 64, 3)
    assert (front != left).any()
    # The left camera's optical axis points 60 degrees to the left.
    np.testing.assert_allclose(ego.cameras[1].camera_in_base[:3, 2], [0.5, np.sqrt(0.75), 0.0], atol=1e-9)


def test_shows_what_is_around_it() -> None:
    ego = vehicle(scenario="intersection", seed=7, cameras=("front:0", "view:0:96x40"))
    assert ego.image("view").shape == (40, 96, 3)
    assert (ego.cameras[1].width, ego.cameras[1].intrinsics[0, 2]) == (96, 48)
    state = ego.world.state()
    assert len(ego.things) == len(state.things)
    assert ego.things[0].xy == state.things[0].xy
    # The lane that the ego is on lies under it.
    away_m = np.hypot(*(ego.road.asphalt.mean(axis=1) - np.array(state.ego.xy)).T)
    assert away_m.min() < 2.5
    assert len(ego.road.paint) > 50


def test_takes_up_a_target_speed_in_its_response_time() -> None:
    ego = vehicle(scenario="curves", response_s=0.5)
    speed_mps = ego.motion.speed_mps
    ego.step(VelocityTarget(speed_mps - 1.0, 0.0), 0.05)
    assert ego.motion.speed_mps == pytest.approx(speed_mps - 0.1)
    ego.step(VelocityTarget(speed_mps, 0.01 * speed_mps), 0.05)
    assert ego.motion.yaw_rate_rps == pytest.approx(0.01 * ego.motion.speed_mps)
    for _ in range(40):
        ego.step(VelocityTarget(-5.0, 0.3), 0.2)
    assert ego.motion.speed_mps == pytest.approx(0.0, abs=0.05)  # and never backwards


def test_tells_how_it_ends() -> None:
    ego = vehicle(scenario="curves")
    for _ in range(200):
        ego.step(VelocityTarget(12.0, 3.0), 0.05)
        if ego.end:
            break
    assert ego.end in ("left the road", "collision")


def test_unknown_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="no scenario 'nowhere'; there are highway"):
        vehicle(scenario="nowhere")
