"""Drives of the expert through worlds: what it saw, said and drove, step by step."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.expert import ExpertDriver, relative_to
from reasoning_vla_ros.simulation.facts import Decision
from reasoning_vla_ros.simulation.navigation_text import navigation_text
from reasoning_vla_ros.simulation.pushes import Pushes
from reasoning_vla_ros.simulation.reasons import reason_text
from reasoning_vla_ros.simulation.scenarios import SCENARIOS, ScenarioSettings
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import WorldState

DT_S = 0.1
# How far the ego is put aside, one standard deviation, and at most; lanes are 4 m wide and cars 2 m.
LEFT_M, MOST_LEFT_M, TURN_RAD = 0.6, 1.4, 0.06


@dataclass(frozen=True)
class DriveSettings:
    """What samples are made of.

    Attributes:
        scenarios: by name; all by default, in equal shares.
        episode_s: length of a drive.
        num_frames, frame_dt_s: frames of the front camera and their step, a multiple of 0.1 s.
        num_history: ego poses at 0.1 s.
        horizon: waypoints of the future at 0.1 s.
        stride: steps of 0.1 s between samples.
        disturbed_share: of the drives in which the ego is pushed off its way now and then, so that the expert shows
            how to come back.
        displaced_share: of the drives in which it is put beside its way now and then, with all of its past; the others
            are disturbed or not, in the shares that are told.
        settings: of the scenarios.
    """

    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    episode_s: float = 30.0
    num_frames: int = 2
    frame_dt_s: float = 0.8
    num_history: int = 16
    horizon: int = 64
    stride: int = 1
    disturbed_share: float = 0.5
    displaced_share: float = 0.0
    settings: ScenarioSettings = ScenarioSettings()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.scenarios if name not in SCENARIOS]:
            raise ValueError(f"no scenarios {unknown}; there are {sorted(SCENARIOS)}")
        if not self.scenarios:
            raise ValueError("at least one scenario is needed, got none")
        if abs(self.frame_step * DT_S - self.frame_dt_s) > 1e-9 or self.frame_step < 1:
            raise ValueError(f"frame_dt_s must be a multiple of {DT_S} s, got {self.frame_dt_s}")
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}")
        for name in ("disturbed_share", "displaced_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.episode_s <= (self.first_step + self.horizon) * DT_S:
            least = (self.first_step + self.horizon) * DT_S
            raise ValueError(f"episode_s must be more than {least:.1f} s, history and horizon, got {self.episode_s}")

    @property
    def frame_step(self) -> int:
        """Steps of the world between frames."""
        return round(self.frame_dt_s / DT_S)

    @property
    def first_step(self) -> int:
        """The first step that has its whole history and all its frames."""
        return max(self.num_history - 1, (self.num_frames - 1) * self.frame_step)


@dataclass(frozen=True)
class Moment:
    """What of a step a sample needs: the state without what is not drawn, texts, and whether it may be learned."""

    state: WorldState
    reasoning: str
    meta_action: str
    navigation: str
    is_pushed: bool = False

    @staticmethod
    def of(state: WorldState, decision: Decision, rng: np.random.Generator, is_pushed: bool = False) -> Moment:
        """The moment of a state with the expert's decision, worded as `rng` draws."""
        drawn = replace(state, route=state.route[:0], side_routes={"left": None, "right": None})
        return Moment(drawn, reason_text(decision, rng), str(decision.meta_action), navigation_text(state), is_pushed)


@dataclass(frozen=True)
class Drive:
    """A drive, and what the expert says and does along it.

    Attributes:
        scenario, seed: of the world.
        moments: of each step.
        poses_in_map: x, y, yaw of base_link at each step and after the last, float64 [N + 1, 3].
        sample_steps: the steps that are samples.
        corrections: where another than the expert drove: what the expert would have driven from those steps on, poses
            in the map [horizon, 3] by step.
    """

    scenario: str
    seed: int
    moments: tuple[Moment, ...]
    poses_in_map: NDArray[np.float64]
    sample_steps: tuple[int, ...]
    corrections: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)

    def future(self, step: int, horizon: int) -> NDArray[np.float64]:
        """Poses in the map [horizon, 3] that the expert drives after a step that is a sample, or would have driven."""
        if step in self.corrections:
            return self.corrections[step][:horizon]
        return self.poses_in_map[step + 1 : step + 1 + horizon]


def make_drives(
    num_drives: int,
    seed: int,
    settings: DriveSettings | None = None,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Drive]:
    """Drives of the expert; the same arguments give the same drives.

    Args:
        num_drives: how many; drive i is of scenario i modulo their number.
        seed: the drives' seeds are seed * 1,000,000 + i.
        settings: see :class:`DriveSettings`.
        jobs: processes that make them.
        on_progress: called with drives made and drives in all.

    Raises:
        ValueError: less than one drive or process.
    """
    for name, value in (("num_drives", num_drives), ("jobs", jobs)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    settings = settings or DriveSettings()
    names = settings.scenarios
    scenarios = [names[index % len(names)] for index in range(num_drives)]
    seeds = [seed * 1_000_000 + index for index in range(num_drives)]
    drives = []
    for drive in _in_order(jobs, scenarios, seeds, settings):
        drives.append(drive)
        if on_progress is not None:
            on_progress(len(drives), num_drives)
    return drives


def _in_order(jobs: int, scenarios: list[str], seeds: list[int], settings: DriveSettings) -> Iterator[Drive]:
    """The drives, in the order of their seeds."""
    if jobs == 1:
        yield from map(make_drive, scenarios, seeds, repeat(settings))
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(make_drive, scenarios, seeds, repeat(settings), chunksize=4)


class Displacements:
    """Puts the ego of a drive beside its way now and then, its past with it: what it would see had it come there.

    A push moves the ego by decimetres; this shows the expert's way back from further off, at once.

    Args:
        rng: of when, and how far.
        settings: of the drive.
    """

    def __init__(self, rng: np.random.Generator, settings: DriveSettings) -> None:
        self.rng = rng
        self.steps: set[int] = set()
        if rng.random() >= settings.displaced_share:
            return
        step = settings.first_step + int(rng.integers(0, 20))
        while step < round(settings.episode_s / DT_S) - settings.horizon:
            self.steps.add(step)
            # A horizon later nothing of this is in any future, and a history later in no past.
            step += settings.horizon + settings.first_step + int(rng.integers(0, 10))

    def move(
        self, world: World, past: Sequence[Moment], poses: Sequence[tuple[float, float, float]]
    ) -> tuple[list[Moment], list[tuple[float, float, float]]] | None:
        """Moves the ego, and gives its past as it would have been: moments, and poses up to now. None without room."""
        before = world.ego
        if not world.displace(
            float(np.clip(self.rng.normal(0.0, LEFT_M), -MOST_LEFT_M, MOST_LEFT_M)),
            float(self.rng.normal(0.0, TURN_RAD)),
        ):
            return None
        xyz, turn = relative_to(np.array(poses), before.xy, before.yaw_rad)
        cos, sin = np.cos(world.ego.yaw_rad), np.sin(world.ego.yaw_rad)
        xy = xyz[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + np.array(world.ego.xy)
        moved = [(float(x), float(y), float(yaw)) for (x, y), yaw in zip(xy, turn + world.ego.yaw_rad, strict=True)]
        moments = []
        for moment, (x, y, yaw) in zip(past, moved[:-1], strict=True):
            ego = replace(moment.state.ego, xy=(x, y), yaw_rad=yaw)
            moments.append(replace(moment, state=replace(moment.state, ego=ego)))
        return moments, moved


def make_drive(
    scenario: str,
    seed: int,
    settings: DriveSettings,
    on_step: Callable[[int, World, ExpertDriver], None] | None = None,
) -> Drive:
    """The expert drives one world; drives in which it fails keep what lies well before that.

    Args:
        scenario, seed, settings: of the world and the drive.
        on_step: called with each step, and the world and the expert as they are before it.
    """
    world, driver = World(scenario, seed, settings.settings), ExpertDriver()
    rng = np.random.default_rng([seed, 11])
    pushes = Pushes(rng, settings.episode_s if rng.random() < settings.disturbed_share else 0.0)
    displacements = Displacements(np.random.default_rng([seed, 17]), settings)
    if displacements.steps:
        pushes = Pushes(rng, 0.0)
    poses = [(*world.ego.xy, world.ego.yaw_rad)]
    moments: list[Moment] = []
    seams: list[int] = []
    for step in range(round(settings.episode_s / DT_S)):
        if on_step is not None:
            on_step(step, world, driver)
        if step in displacements.steps and len(moments) >= settings.first_step:
            moved = displacements.move(world, moments[-settings.first_step :], poses[-settings.first_step - 1 :])
            if moved is not None:
                seams.append(len(moments))
                past, past_poses = moved
                moments += past
                poses = [*poses[:-1], *past_poses]
        state = world.state()
        decision = driver.decide(world, state)
        command, is_pushed = pushes.disturb(decision.command, state)
        moments.append(Moment.of(state, decision, np.random.default_rng([seed, step]), is_pushed))
        world.step(command, DT_S)
        poses.append((*world.ego.xy, world.ego.yaw_rad))
        if world.has_collided or world.has_left_road or world.is_finished:
            break
    failed = world.has_collided or world.has_left_road
    return Drive(scenario, seed, tuple(moments), np.array(poses), _sample_steps(moments, settings, failed, seams))


def _sample_steps(
    moments: Sequence[Moment], settings: DriveSettings, failed: bool, seams: Sequence[int] = ()
) -> tuple[int, ...]:
    """Steps whose whole future the expert drove undisturbed, that did not lead to a failure, and whose past and future
    lie between two seams."""
    last = len(moments) - settings.horizon - (settings.horizon if failed else 0)
    pushed = np.array([moment.is_pushed for moment in moments], bool)
    return tuple(
        step
        for step in range(settings.first_step, last + 1, settings.stride)
        if not pushed[step : step + settings.horizon].any()
        and not any(step - settings.first_step < seam <= step + settings.horizon for seam in seams)
    )
