"""What an evaluation in the driving world consists of."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.simulation.drives import DT_S, DriveSettings
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scenarios import SCENARIOS
from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView

# What the shipped model sees: one camera, a frame now and one 0.8 s ago.
FRONT_OBSERVATION = ObservationConfig(((1, "front"),), num_frames=2, frame_dt_s=0.8)
HORIZON = 64


@dataclass(frozen=True)
class EvaluationSettings:
    """How much of what is driven and planned; with the same settings and planner the scores are the same.

    Attributes:
        episodes: closed-loop drives a scenario; as many held-out drives of the expert are planned on, and a quarter
            of it are driven blind and planned on with pushes.
        seed: of the worlds; see :mod:`closed_loop.seeds`.
        scenarios: by name.
        episode_s: of scene time that the planner drives.
        observation: what the planner sees; one camera.
        camera: that sees it.
        plan_period_s, latency_s: of scene time between plans, and until a plan takes effect.
        num_samples: candidates a plan.
        drive_s: length of the expert's drives that are planned on.
        stride_s: of these drives between plans.
        ego_mlp_drives, ego_mlp_steps: what the ego-history baseline is trained on, and how long.
        ego_mlp_disturbed_share: of these drives; as of those that the shipped model was trained on.
    """

    episodes: int = 20
    seed: int = 0
    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    episode_s: float = 20.0
    observation: ObservationConfig = FRONT_OBSERVATION
    camera: PinholeCamera = FRONT_CAMERA
    plan_period_s: float = 0.5
    latency_s: float = 0.2
    num_samples: int = 1
    drive_s: float = 30.0
    stride_s: float = 2.0
    ego_mlp_drives: int = 400
    ego_mlp_steps: int = 3000
    ego_mlp_disturbed_share: float = 0.8

    def __post_init__(self) -> None:
        for name in ("episodes", "num_samples", "ego_mlp_drives", "ego_mlp_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("episode_s", "plan_period_s", "stride_s"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= DT_S):
                raise ValueError(f"{name} must be at least {DT_S} s and finite, got {getattr(self, name)}")
        if len(self.observation.cameras) != 1:
            names = [name for _, name in self.observation.cameras]
            raise ValueError(f"the world is seen through one front camera, the observation has {names}")
        if self.observation.history_dt_s != DT_S:
            raise ValueError(f"history_dt_s must be {DT_S} s, the world's step, got {self.observation.history_dt_s}")
        self.drives(0.0)  # checks scenarios, frames and lengths

    @property
    def fewer_episodes(self) -> int:
        """Drives a scenario where a rough figure will do: a quarter, at least one."""
        return math.ceil(self.episodes / 4)

    def drives(self, disturbed_share: float) -> DriveSettings:
        """Drives of the expert to plan on."""
        return DriveSettings(
            scenarios=self.scenarios,
            episode_s=self.drive_s,
            num_frames=self.observation.num_frames,
            frame_dt_s=self.observation.frame_dt_s,
            num_history=self.observation.num_history,
            horizon=HORIZON,
            disturbed_share=disturbed_share,
        )

    def view(self) -> SceneView:
        """The camera's view."""
        return SceneView(self.camera)

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)
