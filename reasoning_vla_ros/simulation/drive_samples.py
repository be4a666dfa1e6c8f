"""Training samples from drives: what was seen, said and driven, drawn when a sample is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.datasets.training_samples import TrainingSample
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.planning.observation import CameraFrames, Observation
from reasoning_vla_ros.simulation.drives import DT_S, Drive, DriveSettings
from reasoning_vla_ros.simulation.expert import relative_to
from reasoning_vla_ros.simulation.kept_pictures import KeptPictures
from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView

EPISODE_NS = 10**12  # stamps of different episodes lie so far apart
PictureAt = Callable[[int], NDArray[np.uint8]]  # the picture of a step


class DriveSamples:
    """Samples of many drives.

    Pictures are drawn when a sample is asked for, and kept.

    Args:
        drives: see :func:`simulation.drives.make_drives`.
        settings: that they were made with.
        view: the front camera.

    Raises:
        ValueError: drives without a single sample.
    """

    def __init__(
        self, drives: Sequence[Drive], settings: DriveSettings | None = None, view: SceneView | None = None
    ) -> None:
        self.drives = list(drives)
        self.settings = settings or DriveSettings()
        self.view = view or SceneView(FRONT_CAMERA)
        self.index = [(drive, step) for drive, made in enumerate(self.drives) for step in made.sample_steps]
        self.pictures = KeptPictures(self._draw)
        if not self.index:
            raise ValueError(f"{len(self.drives)} drives of {self.settings.episode_s} s gave not one sample")

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int, /) -> TrainingSample:
        """The sample of that index; its `t0_ns` tells the drive and the step."""
        number, step = self.index[index]
        return sample_at(self.drives[number], step, self.settings, lambda at: self.pictures[number, at], number)

    def _draw(self, key: tuple[int, int]) -> NDArray[np.uint8]:
        number, step = key
        return self.view.render(self.drives[number].moments[step].state)

    def texts(self) -> list[str]:
        """All texts of the samples: reasons, meta actions, navigation."""
        moments = (self.drives[drive].moments[step] for drive, step in self.index)
        return [text for each in moments for text in (each.reasoning, each.meta_action, each.navigation)]


def sample_at(
    drive: Drive, step: int, settings: DriveSettings, view: SceneView | PictureAt, number: int = 0
) -> TrainingSample:
    """The sample of a step of a drive; see :func:`observation_at`."""
    moment = drive.moments[step]
    x, y, yaw = (float(value) for value in drive.poses_in_map[step])
    future = drive.future(step, settings.horizon)
    future_xyz, future_yaw = relative_to(future, (x, y), yaw)
    return TrainingSample(
        observation_at(drive, step, settings, view, number),
        future_xyz.astype(np.float32),
        yaw_to_matrix(future_yaw).astype(np.float32),
        moment.reasoning,
        moment.meta_action,
    )


def observation_at(
    drive: Drive, step: int, settings: DriveSettings, view: SceneView | PictureAt, number: int = 0
) -> Observation:
    """What is seen at a step of a drive, from :attr:`DriveSettings.first_step` on.

    Args:
        drive, step, settings: as said.
        view: the front camera, or what gives its picture of a step.
        number: tells the stamps of drives apart.
    """
    x, y, yaw = (float(value) for value in drive.poses_in_map[step])
    history = drive.poses_in_map[step - settings.num_history + 1 : step + 1]
    history_xyz, history_yaw = relative_to(history, (x, y), yaw)
    steps = [step - back * settings.frame_step for back in range(settings.num_frames - 1, -1, -1)]
    picture = view if callable(view) else lambda at: view.render(drive.moments[at].state)
    images = np.stack([picture(each) for each in steps])
    return Observation(
        t0_ns=_stamp_ns(number, step),
        cameras=(CameraFrames(1, "front", images, tuple(_stamp_ns(number, each) for each in steps)),),
        history_xyz=history_xyz.astype(np.float32),
        history_rot=yaw_to_matrix(history_yaw).astype(np.float32),
        dt_s=DT_S,
        instruction=drive.moments[step].navigation,
    )


def _stamp_ns(drive: int, step: int) -> int:
    return (drive + 1) * EPISODE_NS + round(step * DT_S * 1e9)
