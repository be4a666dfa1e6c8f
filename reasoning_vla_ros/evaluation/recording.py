"""A bag as an evaluation sees it: ground truth, calibration, and one observation after the other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.bags import BagReader, BagTruncatedError
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.evaluation.calibration import (
    Calibration,
    Pose,
    calibration_from_messages,
    static_transforms,
)
from reasoning_vla_ros.evaluation.cameras import IMAGE_TYPES, CameraTopic, as_recorded, find_cameras, info_topic_of
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.ground_truth import GroundTruth
from reasoning_vla_ros.messages.images import ImageDecodeError, image_to_rgb
from reasoning_vla_ros.messages.odometry import OdometryError, StampedPose, ego_pose_from_odometry
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.planning.errors import CameraSkewError, ObservationError, TimeJumpError
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.observation_builder import TIME_JUMP_S, ObservationBuilder, ObservationConfig

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
TF_STATIC_TOPIC = "/tf_static"
INSTRUCTION_TYPE, INSTRUCTION_NAME = "std_msgs/msg/String", "instruction"
# The camera to show when none has a calibration, the first that there is.
_FRONT_NAMES = ("front_wide", "front")


@dataclass(frozen=True)
class Moment:
    """One instant to plan at: the observation and the ego pose (xyz [3], rotation [3, 3]) in the odometry's frame."""

    t0_ns: int
    observation: Observation
    pose_in_odom: Pose


class _EndOfRecording(Exception):
    """What follows is not continuous with what was read; the reason stands in the notes."""


class Recording:
    """Opens a bag for evaluation: finds its topics, and reads the odometry and the calibration, but no image.

    Args:
        path: the bag.
        cameras: which topics are which camera; by default every image topic, see `find_cameras`. The compressed
            topic beside a given one is taken where the bag has that one alone.
        odometry_topic: by default the only one of type nav_msgs/Odometry.
        observation_options: fields of ObservationConfig other than `cameras`.
        need_cameras: refuse a bag without images.

    Attributes:
        truth: the ground truth.
        calibrations: by camera name, of the cameras that have one.
        odom_frame, ego_frame: frames of the odometry.
        instruction_topic: the only topic of texts whose name ends in "instruction"; None without one.
        skipped: reasons for which instants or messages were passed over, counted while reading, with the first message.
        notes: what a reader of the report should know about this bag.

    Raises:
        EvaluationError: topics are missing or ambiguous; the message lists what the bag has.
        BagError: the bag can't be read.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        cameras: Sequence[CameraTopic] = (),
        odometry_topic: str | None = None,
        observation_options: Mapping[str, Any] | None = None,
        need_cameras: bool = True,
    ) -> None:
        self.path = Path(path)
        self.skipped = Skips()
        self.notes: list[str] = []
        with BagReader(self.path) as reader:
            self.topics = dict(reader.topics)
            self.cameras = self._choose_cameras(cameras, need_cameras)
            self.odometry_topic = self._choose_odometry(odometry_topic)
            self.instruction_topic = self._find_instructions()
        self.config = ObservationConfig(
            cameras=tuple((camera.camera_id, camera.name) for camera in self.cameras) or ((0, "none"),),
            **dict(observation_options or {}),
        )
        self.odom_frame = self.ego_frame = ""
        self.truth = GroundTruth(self._read_odometry(), self.config.max_odometry_gap_s)
        self.notes += self.truth.jumps
        self.calibrations = self._read_calibrations()

    def count_moments(self, stride: int = 1, max_plans: int | None = None) -> int:
        """Upper bound of how many moments `moments` gives."""
        count = -(-self.topics[self.cameras[0].topic].count // stride) if self.cameras else 0
        return count if max_plans is None else min(count, max_plans)

    def moments(
        self, *, stride: int = 1, max_plans: int | None = None, instruction: str = "", embodiment: str = "car"
    ) -> Iterator[Moment]:
        """Observations in order of time, read as they are asked for.

        Messages go in log order through the same ObservationBuilder as in the live node. Every `stride`-th new t0 is
        taken, `max_plans` observations at most; a t0 without an observation is counted in `skipped` by its reason.
        Reading stops where time jumps back or the odometry changes its frames.

        Args:
            stride, max_plans: as said.
            instruction: of every observation; by default the newest that `instruction_topic` has told until then.
            embodiment: of every observation.
        """
        if stride < 1:
            raise ValueError(f"stride must be at least 1, got {stride}")
        builder = ObservationBuilder(self.config)
        last_ns, seen, given = -1, 0, 0
        skewed_ns = -1
        topics = [self.odometry_topic, *(camera.topic for camera in self.cameras)]
        told = None if instruction else self.instruction_topic
        for topic, message in self._messages([*topics, *([told] if told else [])]):
            if given == max_plans:
                return
            if topic == told:
                instruction = str(message.data).strip()
                continue
            try:
                if not self._add(builder, topic, message):
                    continue
                t0_ns = builder.newest_t0_ns()
            except _EndOfRecording:
                return
            except CameraSkewError as error:
                newest = builder.frames[self.cameras[0].name].newest_ns or 0
                if newest > skewed_ns:  # once a frame of the first camera, as a t0 would be
                    skewed_ns = newest
                    self.skipped.add(error.code, error)
                continue
            if t0_ns is None or t0_ns <= last_ns:
                continue
            last_ns, seen = t0_ns, seen + 1
            if (seen - 1) % stride:
                continue
            try:
                observation = builder.build(t0_ns, instruction, embodiment)
                moment = Moment(t0_ns, observation, builder.pose_in_odom(t0_ns))
            except ObservationError as error:
                self.skipped.add(error.code, error)
                continue
            given += 1
            yield moment

    def front_camera(self) -> CameraTopic | None:
        """The camera for pictures: of those with a calibration the one that looks ahead most, else the one whose name
        says that it does, else the first."""
        known = [camera for camera in self.cameras if camera.name in self.calibrations]
        if known:
            return max(known, key=lambda camera: self.calibrations[camera.name].forwardness)
        named = [camera for name in _FRONT_NAMES for camera in self.cameras if camera.name == name]
        return next(iter([*named, *self.cameras]), None)

    def images(self, stamps_ns: Collection[int], camera: CameraTopic) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(stamp, RGB image uint8 [H, W, 3]) of a camera's frames with the given header stamps."""
        wanted = set(stamps_ns)
        for _, message in self._messages([camera.topic]):
            stamp_ns = stamp_to_ns(message.header.stamp)
            if stamp_ns in wanted:
                yield stamp_ns, image_to_rgb(message)

    def _add(self, builder: ObservationBuilder, topic: str, message: Any) -> bool:
        """Gives a message to the builder; False where it can't be used, which is counted.

        Raises:
            _EndOfRecording: time jumps back, or the odometry's frames change.
        """
        stamp_ns = stamp_to_ns(message.header.stamp)
        if stamp_ns == 0:
            if topic != self.odometry_topic:  # the odometry's were counted when it was read
                self.skipped.add("no_stamp", f"an image of {topic} has a header stamp of 0")
            return False
        try:
            if topic == self.odometry_topic:
                pose = ego_pose_from_odometry(message)
                if (pose.frame_id, pose.child_frame_id) != (self.odom_frame, self.ego_frame):
                    raise _EndOfRecording  # noted when the odometry was read
                builder.add_pose(pose.stamp_ns, pose.xyz, pose.quat_xyzw)
            else:
                name = next(camera.name for camera in self.cameras if camera.topic == topic)
                builder.add_frame(name, stamp_ns, image_to_rgb(message))
        except OdometryError:
            return False  # counted when the odometry was read
        except ImageDecodeError as error:
            self.skipped.add("image_decode", f"{topic}: {error}")
            return False
        except TimeJumpError as error:
            self._note_once(f"reading stopped early: {error}")
            raise _EndOfRecording from error
        return True

    def _choose_cameras(self, given: Sequence[CameraTopic], need_cameras: bool) -> tuple[CameraTopic, ...]:
        known = [as_recorded(camera, self.topics) for camera in given]
        cameras = tuple(sorted(known, key=lambda camera: camera.camera_id)) or find_cameras(self.topics)
        by_topic: dict[str, CameraTopic] = {}
        for camera in cameras:
            other = by_topic.setdefault(camera.topic, camera)
            if other is not camera:
                raise EvaluationError(
                    f"cameras {other.name!r} (id {other.camera_id}) and {camera.name!r} (id {camera.camera_id}) have "
                    f"the same topic {camera.topic}; each camera needs a topic of its own"
                )
        for camera in cameras:
            info = self.topics.get(camera.topic)
            if info is None or info.msg_type not in IMAGE_TYPES:
                has = "is missing" if info is None else f"holds {info.msg_type}"
                raise EvaluationError(
                    f"bag {self.path}: topic {camera.topic} of camera {camera.name!r} {has}, needed "
                    f"{' or '.join(IMAGE_TYPES)}. {self._describe_topics()}"
                )
        if not cameras and need_cameras:
            raise EvaluationError(
                f"bag {self.path} has no camera images, needed a topic of {' or '.join(IMAGE_TYPES)}. "
                f"{self._describe_topics()}"
            )
        return cameras

    def _choose_odometry(self, given: str | None) -> str:
        found = sorted(topic for topic, info in self.topics.items() if info.msg_type == ODOMETRY_TYPE and info.count)
        if given is not None:
            if given not in found:
                raise EvaluationError(
                    f"bag {self.path} has no {ODOMETRY_TYPE} messages on {given}. {self._describe_topics()}"
                )
            return given
        if not found:
            raise EvaluationError(
                f"bag {self.path} has no odometry, needed a topic of {ODOMETRY_TYPE}. {self._describe_topics()}"
            )
        if len(found) > 1:
            raise EvaluationError(
                f"bag {self.path} has {len(found)} odometry topics, name the one to use: {', '.join(found)}"
            )
        return found[0]

    def _find_instructions(self) -> str | None:
        texts = [topic for topic, info in self.topics.items() if info.msg_type == INSTRUCTION_TYPE]
        found = sorted(topic for topic in texts if topic.rsplit("/", 1)[-1] == INSTRUCTION_NAME)
        if len(found) > 1:
            self.notes.append(f"instructions are not read: there are {len(found)} topics of them, {', '.join(found)}")
        return found[0] if len(found) == 1 else None

    def _read_odometry(self) -> list[StampedPose]:
        poses: list[StampedPose] = []
        for _, message in self._messages([self.odometry_topic]):
            try:
                pose = ego_pose_from_odometry(message)
            except OdometryError as error:
                self.skipped.add("bad_odometry", error)
                continue
            if pose.stamp_ns == 0:
                self.skipped.add("odometry_no_stamp", f"a message of {self.odometry_topic} has a header stamp of 0")
                continue
            if poses and _frames(pose) != _frames(poses[0]):
                self._note_once(
                    f"the odometry's frames change from {_frames(poses[0])} to {_frames(pose)} at "
                    f"{pose.stamp_ns * 1e-9:.3f} s; its poses do not go on from those before; what follows is left out"
                )
                break
            if poses and poses[-1].stamp_ns - pose.stamp_ns > TIME_JUMP_S * 1e9:
                self._note_once(
                    f"odometry jumps back from {poses[-1].stamp_ns * 1e-9:.3f} s to {pose.stamp_ns * 1e-9:.3f} s; "
                    "what follows is left out"
                )
                break
            poses.append(pose)
        if len(poses) < 2:
            reasons = "; ".join([*self.skipped.lines(), *self.notes]) or "none dropped"
            raise EvaluationError(
                f"bag {self.path}: {self.odometry_topic} gives {len(poses)} usable poses, needed at least 2 ({reasons})"
            )
        self.odom_frame, self.ego_frame = poses[0].frame_id, poses[0].child_frame_id
        return poses

    def _read_calibrations(self) -> dict[str, Calibration]:
        wanted = {info_topic_of(camera.topic): camera for camera in self.cameras}
        wanted = {topic: camera for topic, camera in wanted.items() if topic in self.topics}
        transforms = {}
        if TF_STATIC_TOPIC in self.topics:
            transforms = static_transforms(message for _, message in self._messages([TF_STATIC_TOPIC]))
        infos: dict[str, Any] = {}
        for topic in wanted:
            _, infos[topic] = next(self._messages([topic]))
        result = {}
        for camera in self.cameras:
            topic = info_topic_of(camera.topic)
            try:
                if topic not in infos:
                    raise EvaluationError(f"there is no CameraInfo on {topic}")
                is_rectified = re.search(r"rect", camera.topic) is not None
                result[camera.name] = calibration_from_messages(infos[topic], transforms, self.ego_frame, is_rectified)
            except EvaluationError as error:
                self.notes.append(f"plans are not drawn into the pictures of camera {camera.name!r}: {error}")
        return result

    def _messages(self, topics: Collection[str]) -> Iterator[tuple[str, Any]]:
        with BagReader(self.path) as reader:
            try:
                for topic, _, message in reader.messages(topics=topics):
                    yield topic, message
            except BagTruncatedError as error:
                self._note_once(f"the bag is damaged, only its readable part counts: {error.damage}")

    def _note_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _describe_topics(self) -> str:
        listed = ", ".join(f"{topic} [{info.msg_type}] x{info.count}" for topic, info in self.topics.items())
        return f"It has: {listed}"


def _frames(pose: StampedPose) -> str:
    return f"{pose.frame_id!r} -> {pose.child_frame_id!r}"
