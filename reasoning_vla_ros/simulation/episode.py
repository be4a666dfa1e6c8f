"""A driver at the wheel of a world, in one process: the closed loop and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.planning.followed_path import FollowedPath
from reasoning_vla_ros.simulation.expert import ExpertDriver, relative_to
from reasoning_vla_ros.simulation.facts import Decision
from reasoning_vla_ros.simulation.navigation_text import navigation_text
from reasoning_vla_ros.simulation.reasons import reason_text
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand, EgoState, WorldState


@dataclass(frozen=True)
class Sensed:
    """What a driver gets to know at an instant.

    Attributes:
        time_s: since the start.
        images: by camera, uint8 [H, W, 3], RGB.
        ego: the newest state of the ego, map frame.
        past_poses: poses of base_link up to now, oldest first, one a step: x, y, yaw, float64 [N, 3], map frame.
        navigation: the instruction with the speed limit.
    """

    time_s: float
    images: Mapping[str, NDArray[np.uint8]]
    ego: EgoState
    past_poses: NDArray[np.float64]
    navigation: str


class Driver(Protocol):
    """Who drives by what is sensed. `text` after a call is the reason for its command, empty for none."""

    text: str

    def command(self, sensed: Sensed) -> EgoCommand:
        """The command for this instant."""
        ...


@dataclass(frozen=True)
class Step:
    """One instant of an episode; `decision` is the expert's, where it drives, `path` and `meta_action` a planner's."""

    state: WorldState
    command: EgoCommand
    text: str
    navigation: str
    images: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    decision: Decision | None = None
    path: FollowedPath | None = None
    meta_action: str = ""


@dataclass(frozen=True)
class EpisodeResult:
    """What came of a drive.

    Attributes:
        has_collided, has_left_road: the drive ends there.
        has_finished: the route's end was reached.
        duration_s: of the drive.
        progress_m: along the route.
        min_gap_m: the nearest that the ego's footprint came to another, at most 40 m.
        rms_acceleration_mps2, rms_lateral_acceleration_mps2, rms_jerk_mps3: comfort.
        texts: reasons with the times at which they were given.
        poses_in_map: x, y, yaw of base_link at each step and after the last, float64 [N + 1, 3].
        steps: all of them where `keep_steps` was asked for.
    """

    has_collided: bool
    has_left_road: bool
    has_finished: bool
    duration_s: float
    progress_m: float
    min_gap_m: float
    rms_acceleration_mps2: float
    rms_lateral_acceleration_mps2: float
    rms_jerk_mps3: float
    texts: tuple[tuple[float, str], ...]
    poses_in_map: NDArray[np.float64]
    steps: tuple[Step, ...] = ()

    def future(self, index: int, num_points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What was driven after step `index`: xyz [T, 3] and yaw [T] in base_link of that instant.

        Raises:
            ValueError: the drive ends before.
        """
        if not 0 <= index <= len(self.poses_in_map) - 1 - num_points:
            most = len(self.poses_in_map) - 1 - num_points
            raise ValueError(f"{num_points} points after step {index} are not there; the last step with them is {most}")
        x, y, yaw = (float(value) for value in self.poses_in_map[index])
        return relative_to(self.poses_in_map[index + 1 : index + 1 + num_points], (x, y), yaw)


def run_episode(
    world: World,
    driver: Driver | ExpertDriver,
    duration_s: float = 20.0,
    *,
    dt_s: float = 0.1,
    views: Mapping[str, SceneView] | None = None,
    keep_steps: bool = False,
    on_step: Callable[[Step], None] | None = None,
) -> EpisodeResult:
    """Let a driver drive a world until the time is up, the route ends, or something is hit.

    Args:
        world: is moved on.
        driver: the expert, or one that drives by images, ego history and navigation.
        duration_s, dt_s: at most, and of a step.
        views: the cameras by name; a driver other than the expert needs what it looks through.
        keep_steps: keep states, texts and images.
        on_step: called with each step before the world moves.

    Raises:
        ValueError: a duration that is not positive.
    """
    if not duration_s > 0:
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    poses = [(*world.ego.xy, world.ego.yaw_rad)]
    egos: list[EgoState] = []
    texts: list[tuple[float, str]] = []
    steps: list[Step] = []
    start_m, start_s, min_gap_m = world.progress_m, world.time_s, world.min_gap_m()
    for number in range(round(duration_s / dt_s)):
        step = _step(world, driver, views or {}, np.array(poses), number)
        if step.text:
            texts.append((step.state.time_s, step.text))
        if keep_steps:
            steps.append(step)
        if on_step is not None:
            on_step(step)
        world.step(step.command, dt_s)
        poses.append((*world.ego.xy, world.ego.yaw_rad))
        egos.append(world.ego)
        min_gap_m = min(min_gap_m, world.min_gap_m())
        if world.has_collided or world.has_left_road or world.is_finished:
            break
    acceleration = np.array([ego.acceleration_mps2 for ego in egos])
    lateral = np.array([ego.speed_mps**2 * ego.curvature_1pm for ego in egos])
    jerk = np.diff(acceleration) / dt_s
    return EpisodeResult(
        has_collided=world.has_collided,
        has_left_road=world.has_left_road,
        has_finished=world.is_finished,
        duration_s=world.time_s - start_s,
        progress_m=world.progress_m - start_m,
        min_gap_m=min_gap_m,
        rms_acceleration_mps2=_rms(acceleration),
        rms_lateral_acceleration_mps2=_rms(lateral),
        rms_jerk_mps3=_rms(jerk),
        texts=tuple(texts),
        poses_in_map=np.array(poses),
        steps=tuple(steps),
    )


def _step(
    world: World,
    driver: Driver | ExpertDriver,
    views: Mapping[str, SceneView],
    poses: NDArray[np.float64],
    number: int,
) -> Step:
    state = world.state()
    images = {name: view.render(state) for name, view in views.items()}
    navigation = navigation_text(state)
    if isinstance(driver, ExpertDriver):
        decision = driver.decide(world, state)
        text = reason_text(decision, np.random.default_rng([world.seed, number]))
        return Step(state, decision.command, text, navigation, images, decision)
    command = driver.command(Sensed(state.time_s, images, state.ego, poses, navigation))
    path, meta_action = getattr(driver, "path", None), getattr(driver, "meta_action", "")
    return Step(state, command, driver.text, navigation, images, path=path, meta_action=meta_action)


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0
