"""The moments of an episode in one process, without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reasoning_vla_ros.messages.scene_markers import SceneRoad
from reasoning_vla_ros.planning.followed_path import FollowedPath
from reasoning_vla_ros.simulation.episode import Step
from reasoning_vla_ros.simulation.film.moment import Moment, PlannedWay
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scene_things import road_of, things_of
from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView

# The front camera's view, in the size that a page shows.
VIEW_CAMERA = PinholeCamera(800, 400, FRONT_CAMERA.horizontal_fov_deg, FRONT_CAMERA.xyz_in_base)
DRIVEN_STEPS = 100


def moments_of_steps(
    steps: Sequence[Step], title: str, scenario: str, *, legs: Sequence[str] = (), leg: int = 0, start_s: float = 0.0
) -> Iterator[Moment]:
    """A moment for each step that was kept; the pictures are drawn anew, larger than the driver's.

    Args:
        steps: of `episode.run_episode` or `planner_driver.drive_by_plans` with `keep_steps`.
        title: who drives.
        scenario: its name.
        legs, leg: the scenarios of a longer film, and which of them this is; this one alone where there are none.
        start_s: of the film, where these steps begin.
    """
    view = SceneView(VIEW_CAMERA)
    road: SceneRoad | None = None
    driven = np.array([step.state.ego.xy for step in steps], np.float64).reshape(-1, 2)
    for number, step in enumerate(steps):
        state, ego = step.state, step.state.ego
        road = road or road_of(state.lanes)
        yield Moment(
            time_s=start_s + state.time_s - steps[0].state.time_s,
            title=title,
            legs=tuple(legs) or (scenario,),
            leg=leg,
            image=view.render(state),
            intrinsics=view.intrinsics,
            camera_in_base=view.camera_in_base,
            xy=ego.xy,
            yaw_rad=ego.yaw_rad,
            speed_mps=ego.speed_mps,
            speed_limit_mps=state.speed_limit_mps,
            instruction=step.navigation,
            text=step.text,
            meta_action=str(step.decision.meta_action) if step.decision is not None else step.meta_action,
            plan=None if step.path is None else _way(step.path),
            things=things_of(state),
            road=road,
            driven=driven[max(number - DRIVEN_STEPS, 0) : number + 1],
        )


def _way(path: FollowedPath) -> PlannedWay:
    speed = np.interp(path.s_m, path.at_s_m, path.speed_mps)
    speed[-1] = path.speed_mps[-1]  # it may stand at its end
    return PlannedWay(path.xy, speed, path.xy[0])
