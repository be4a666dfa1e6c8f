"""Training samples from bags."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.bags import BagReader, BagTruncatedWarning
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.datasets.training_samples import TrainingSample
from reasoning_vla_ros.messages.images import image_to_rgb
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.planning.observation import CameraFrames, Observation
from reasoning_vla_ros.training.errors import TrainingError
from reasoning_vla_ros.training.texts import Texts


class DrivenRecording(Protocol):
    """What is needed of a recording; `evaluation.recording.Recording` is one."""

    path: Path
    cameras: Any  # with `name` and `topic`
    truth: Any  # with `future(t0_ns, times_s)`
    skipped: Skips

    def moments(self, *, stride: int = 1, instruction: str = "", embodiment: str = "car") -> Iterator[Any]:
        """Observations, as a planner gets them, in order of time."""
        ...


@dataclass(frozen=True)
class _Entry:
    """A sample whose images stay in the bag; they are found by camera and stamp."""

    sample: TrainingSample
    stamps_ns: tuple[tuple[int, ...], ...]


class BagSamples:
    """Every instant of a recording that a planner could plan at, with the future that was driven.

    The observations are those of the evaluation and of the live node, made by the same ObservationBuilder. The
    recording is read through once; images are then read from the bag again whenever a sample is asked for, so memory
    holds none. Instants whose future the odometry does not cover are left out.

    Args:
        recording: an opened `evaluation.recording.Recording`.
        times_s: [T], the waypoints' seconds after t0.
        stride: every so many frames of the first camera.
        instruction: navigation text of every observation; by default what the recording's own topic of them says.
        texts: reasoning texts.
        missing_reasoning: reasoning of instants that have no text in `texts`; see `TrainingSample.reasoning`.
        on_sample: called with the number of samples found so far.

    Attributes:
        t0_ns: int64 [N], the instants, ascending.
        notes: what was left out, how often and why.

    Raises:
        TrainingError: not one sample; the message says why.
    """

    def __init__(
        self,
        recording: DrivenRecording,
        times_s: NDArray[np.float64],
        *,
        stride: int = 1,
        instruction: str = "",
        texts: Texts | None = None,
        missing_reasoning: str | None = None,
        on_sample: Callable[[int], None] | None = None,
    ) -> None:
        self.path = Path(recording.path)
        self._topics = {camera.name: camera.topic for camera in recording.cameras}
        skipped = Skips()
        self._entries: list[_Entry] = []
        for moment in recording.moments(stride=stride, instruction=instruction):
            future = recording.truth.future(moment.t0_ns, times_s)
            if not future.valid.all():
                skipped.add(
                    "future_not_driven",
                    f"t0 {moment.t0_ns * 1e-9:.3f} s: the odometry covers {int(future.valid.sum())} of {len(times_s)} "
                    f"waypoints up to {times_s[-1]:.1f} s later",
                )
                continue
            text = None if texts is None else texts.at(moment.t0_ns)
            sample = TrainingSample(
                observation=_without_images(moment.observation),
                future_xyz=future.xyz.astype(np.float32),
                future_rot=future.rot.astype(np.float32),
                reasoning=missing_reasoning if text is None else text.reasoning,
                meta_action="" if text is None else text.meta_action,
            )
            self._entries.append(_Entry(sample, tuple(camera.stamps_ns for camera in moment.observation.cameras)))
            if on_sample is not None:
                on_sample(len(self._entries))
        self.notes = (*skipped.lines(), *recording.skipped.lines())
        if not self._entries:
            why = "; ".join(self.notes) or "it has no images"
            raise TrainingError(f"bag {self.path} gives no training sample: {why}")
        self.t0_ns = np.array([entry.sample.observation.t0_ns for entry in self._entries], np.int64)
        self._logged_ns = self._log_times()

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int, /) -> TrainingSample:
        entry = self._entries[index]
        frames = self._frames(entry)
        return replace(entry.sample, observation=replace(entry.sample.observation, cameras=frames))

    def _frames(self, entry: _Entry) -> tuple[CameraFrames, ...]:
        """The images of a sample, read from the bag."""
        cameras = entry.sample.observation.cameras
        wanted = {
            (self._topics[camera.name], stamp)
            for camera, stamps in zip(cameras, entry.stamps_ns, strict=True)
            for stamp in stamps
        }
        times_ns = [self._logged_ns[key] for key in wanted]
        found: dict[tuple[str, int], NDArray[np.uint8]] = {}
        for topic, _, message in self._messages(min(times_ns), max(times_ns)):
            key = (topic, stamp_to_ns(message.header.stamp))
            if key in wanted:
                found.setdefault(key, image_to_rgb(message))
        return tuple(
            replace(
                camera,
                images=np.stack([found[self._topics[camera.name], stamp] for stamp in stamps]),
                stamps_ns=stamps,
            )
            for camera, stamps in zip(cameras, entry.stamps_ns, strict=True)
        )

    def _log_times(self) -> dict[tuple[str, int], int]:
        """When each image was recorded, by topic and stamp: a bag is searched by that time. The first counts."""
        logged: dict[tuple[str, int], int] = {}
        for topic, time_ns, message in self._messages():
            logged.setdefault((topic, stamp_to_ns(message.header.stamp)), time_ns)
        return logged

    def _messages(self, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[tuple[str, int, Any]]:
        with BagReader(self.path, on_truncated="warn") as reader, warnings.catch_warnings():
            warnings.simplefilter("ignore", BagTruncatedWarning)  # the recording's notes say so
            yield from reader.messages(list(self._topics.values()), start_ns=start_ns, end_ns=end_ns)


def split_by_time(
    t0_ns: NDArray[np.int64], held_out: float, gap_s: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to evaluate on: the last share of the instants, and those well before it.

    Args:
        t0_ns: int64 [N], ascending.
        held_out: share of the instants to evaluate on, in [0, 1).
        gap_s: instants closer than this before the first held-out one are in neither part. To share no waypoint with
            the held-out part it must be at least as long as history and future together.

    Raises:
        TrainingError: nothing is left to train on.
    """
    if held_out == 0:
        return np.arange(len(t0_ns)), np.arange(0)
    first = len(t0_ns) - max(round(held_out * len(t0_ns)), 1)
    train = np.flatnonzero(t0_ns[:first] <= t0_ns[first] - round(gap_s * 1e9)) if first else np.arange(0)
    if not len(train):
        raise TrainingError(
            f"{len(t0_ns)} instants over {(t0_ns[-1] - t0_ns[0]) * 1e-9:.1f} s leave nothing to train on when "
            f"{held_out:.0%} are held out behind a gap of {gap_s} s; needed more data, data.evaluation_bags, or a "
            "smaller data.held_out_gap_s"
        )
    return train, np.arange(first, len(t0_ns))


def _without_images(observation: Observation) -> Observation:
    """The observation with one black pixel a camera in place of its images."""
    pixel = np.zeros((1, 1, 1, 3), np.uint8)
    cameras: Sequence[CameraFrames] = [
        replace(camera, images=pixel, stamps_ns=camera.stamps_ns[-1:]) for camera in observation.cameras
    ]
    return replace(observation, cameras=tuple(cameras))
