"""A planner at the wheel, without ROS: the loop of planner node, follower node and simulator in one process.

The planner sees what `planning.ObservationBuilder` makes of frames and poses by their stamps, as in the node; a plan
takes effect a latency after its instant, and PlanFollower drives by the newest one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from reasoning_vla_ros.messages.stamps import seconds_to_ns
from reasoning_vla_ros.planning.errors import ObservationError
from reasoning_vla_ros.planning.followed_path import FollowedPath, PathRefusedError
from reasoning_vla_ros.planning.observation_builder import ObservationBuilder, ObservationConfig
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.plan_follower import FollowCommand, FollowerSettings, PlanFollower, VehicleMotion
from reasoning_vla_ros.planning.seeds import plan_seed
from reasoning_vla_ros.ros.model_loading import PlannerLike
from reasoning_vla_ros.simulation.episode import EpisodeResult, Sensed, run_episode
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.navigation_text import navigation_text
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand

# Stamps begin here, so that none of the history is before time zero.
START_NS = 1_000 * 10**9


class PlannerDriver:
    """Drives by the plans of a planner; a `simulation.episode.Driver`.

    With a fixed latency the same world, planner and seed give the same drive, as far as the planner's plans are the
    same for the same seed.

    Attributes:
        text, meta_action: reasoning behind the plan that is followed, and its manoeuvre.
        num_plans, num_invalid, num_late: plans made, those without a valid candidate, and instants at which a plan was
            due while the one before had not yet taken effect.
        problem: why there was no plan at the newest instant that one was due, empty when there was.
        followed: the newest command; its reason tells why the vehicle stops.

    Args:
        planner: `planning.Planner`, or what plans as it does.
        config: what an observation consists of; its cameras' names are those of the pictures.
        follower: how plans are followed; a command takes effect half a step late in the mean, see `delay_s`.
        plan_period_s: of scene time between plans.
        latency_s: until a plan takes effect; None takes the seconds that it took.
        num_samples, deadline_s: of each plan.
        seed: base of the plans' seeds.

    Raises:
        ValueError: a period that is not positive or a negative latency.
    """

    def __init__(
        self,
        planner: PlannerLike,
        config: ObservationConfig,
        *,
        follower: FollowerSettings | None = None,
        plan_period_s: float = 0.5,
        latency_s: float | None = 0.2,
        num_samples: int = 1,
        deadline_s: float | None = None,
        seed: int = 0,
    ) -> None:
        if not plan_period_s > 0 or (latency_s is not None and not latency_s >= 0):
            raise ValueError(
                f"plan_period_s must be positive and latency_s at least 0, got {plan_period_s} and {latency_s}"
            )
        self.planner, self.config, self.seed = planner, config, seed
        self.plan_period_s, self.latency_s = plan_period_s, latency_s
        self.num_samples, self.deadline_s = num_samples, deadline_s
        self.follower = PlanFollower(follower or FollowerSettings())
        self.text, self.meta_action, self.problem = "", "", ""
        self.num_plans = self.num_invalid = self.num_late = 0
        self.followed: FollowCommand | None = None
        self._inputs = ObservationBuilder(config)
        self._coming: tuple[int, FollowedPath | None, str, str] | None = None
        self._planned_ns: int | None = None
        self._sensed_ns: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a plan to drive by."""
        return self.follower.path is not None

    @property
    def path(self) -> FollowedPath | None:
        """The plan that is followed, in the map; None while there is none."""
        return self.follower.path

    def sense(self, sensed: Sensed) -> None:
        """Takes what is sensed at an instant, and plans where it is time to; the vehicle is driven by another."""
        now_ns = START_NS + seconds_to_ns(sensed.time_s)
        if now_ns == self._sensed_ns:
            return
        self._sensed_ns = now_ns
        x, y = sensed.ego.xy
        half = sensed.ego.yaw_rad / 2
        self._inputs.add_pose(now_ns, [x, y, 0.0], [0.0, 0.0, math.sin(half), math.cos(half)])
        for _, name in self.config.cameras:
            self._inputs.add_frame(name, now_ns, sensed.images[name])
        self._take_effect(now_ns)
        if self._planned_ns is None or now_ns - self._planned_ns >= seconds_to_ns(self.plan_period_s) - 1:
            self._plan(now_ns, sensed.navigation)
        self._take_effect(now_ns)

    def command(self, sensed: Sensed) -> EgoCommand:
        """The command for this instant; a comfortable stop where there is no plan to follow."""
        self.sense(sensed)
        now_ns = START_NS + seconds_to_ns(sensed.time_s)
        ego = sensed.ego
        self.followed = self.follower.command(VehicleMotion(now_ns, ego.xy, ego.yaw_rad, ego.speed_mps), now_ns)
        return EgoCommand(self.followed.acceleration_mps2, self.followed.curvature_1pm)

    def _plan(self, now_ns: int, navigation: str) -> None:
        """Latest wins: while a plan is on its way none is begun."""
        if self._coming is not None:
            self.num_late += 1
            return
        try:
            observation = self._inputs.build(now_ns, navigation)
        except ObservationError as error:
            self.problem = f"{error.code}: {error}"
            return
        self._planned_ns = now_ns
        plan = self.planner.plan(
            observation, self.num_samples, deadline_s=self.deadline_s, seed=plan_seed(self.seed, now_ns)
        )
        self.num_plans += 1
        latency_s = plan.seconds.total if self.latency_s is None else self.latency_s
        self._coming = (
            now_ns + seconds_to_ns(latency_s),
            self._path(plan),
            plan.reasoning[plan.shown],
            plan.meta_actions[plan.shown],
        )

    def _path(self, plan: Plan) -> FollowedPath | None:
        try:
            path = FollowedPath.from_plan(plan, *self._inputs.pose_in_odom(plan.t0_ns))
        except PathRefusedError as error:
            self.num_invalid += 1
            self.problem = str(error)
            return None
        self.problem = ""
        return path

    def _take_effect(self, now_ns: int) -> None:
        if self._coming is None or now_ns < self._coming[0]:
            return
        _, path, text, meta_action = self._coming
        self._coming = None
        if path is not None:
            self.follower.take(path)
            self.text, self.meta_action = text, meta_action


def drive_by_plans(
    world: World,
    driver: PlannerDriver,
    views: Mapping[str, SceneView],
    duration_s: float = 20.0,
    *,
    dt_s: float = 0.1,
    warm_up_s: float = 8.0,
    keep_steps: bool = False,
) -> EpisodeResult:
    """The expert drives until the first plan takes effect, then the planner; the result is of its part alone.

    Args:
        world: is moved on.
        driver: has not driven before.
        views: the cameras by name.
        duration_s, dt_s: of the planner's part at most, and of a step.
        warm_up_s: how long the expert drives at most; then the planner is at the wheel, with a plan or without.
        keep_steps: keep states, texts and images.
    """
    drive_until_first_plan(world, driver, views, dt_s=dt_s, warm_up_s=warm_up_s)
    return run_episode(world, driver, duration_s, dt_s=dt_s, views=views, keep_steps=keep_steps)


def drive_until_first_plan(
    world: World,
    driver: PlannerDriver,
    views: Mapping[str, SceneView],
    *,
    dt_s: float = 0.1,
    warm_up_s: float = 8.0,
) -> ExpertDriver:
    """The first part of :func:`drive_by_plans`, with its arguments; gives the expert that has driven it."""
    expert = ExpertDriver()
    poses = [(*world.ego.xy, world.ego.yaw_rad)]
    for _ in range(round(warm_up_s / dt_s)):
        state = world.state()
        images = {name: view.render(state) for name, view in views.items()}
        driver.sense(Sensed(state.time_s, images, state.ego, np.array(poses), navigation_text(state)))
        if driver.is_ready or world.has_collided or world.has_left_road or world.is_finished:
            break
        world.step(expert.drive(world, state), dt_s)
        poses.append((*world.ego.xy, world.ego.yaw_rad))
    return expert
