"""Trajectories from the odometry or the joint states of a bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reasoning_vla_ros.bags import BagReader, BagTruncatedError
from reasoning_vla_ros.datasets.errors import DataError
from reasoning_vla_ros.datasets.skips import Skips
from reasoning_vla_ros.datasets.trajectory_set import TrajectorySet
from reasoning_vla_ros.datasets.windows import Floats, Track, Windows, cut_joints, cut_poses
from reasoning_vla_ros.messages.joint_states import JointStateError, joints_from_message
from reasoning_vla_ros.messages.odometry import OdometryError, ego_pose_from_odometry
from reasoning_vla_ros.planning.observation_builder import TIME_JUMP_S

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
JOINTS_TYPE = "sensor_msgs/msg/JointState"
TYPES = {"odometry": ODOMETRY_TYPE, "joints": JOINTS_TYPE}

# (stamp, what must stay the same within a stretch, values [D])
Sample = tuple[int, tuple[str, ...], Floats]


def from_bag(
    path: str | Path,
    *,
    kind: Literal["auto", "odometry", "joints"] = "auto",
    topic: str | None = None,
    history_steps: int = 16,
    future_steps: int | None = None,
    dt_s: float | None = None,
    stride_s: float = 0.5,
    max_gap_s: float = 0.25,
) -> TrajectorySet:
    """Windows of a bag's odometry in the ego frame at t0, or of its joint states.

    Samples are interpolated by their header stamps, never over a gap or over a jump faster than anything moves. A
    message no newer than the one before adds nothing; where the clock jumps back by more than 0.5 s, or frames or
    joints change, a new stretch begins. What was left out, and why, stands in the set's notes.

    Args:
        path: a rosbag2 folder, .mcap or .db3.
        kind: "auto" takes odometry where there is any, else joint states.
        topic: by default the only one of that type.
        history_steps: poses up to t0.
        future_steps: waypoints after t0; 64, or 50 joint positions, by default.
        dt_s: seconds between them; 0.1, or 0.02 for joints, by default.
        stride_s: seconds between neighbouring t0.
        max_gap_s: the widest gap that is interpolated over.

    Raises:
        DataError: no such topic, several of them, or no window; the message says what there is.
        BagError: the bag can't be read.
    """
    skipped = Skips()
    with BagReader(path) as reader:
        topic, chosen = _choose(reader, kind, topic)
        samples = _samples(reader, topic, _pose if chosen == "odometry" else _joints, skipped)
        tracks = _tracks(samples, skipped)
    is_driving = chosen == "odometry"
    windows = Windows(
        history_steps, future_steps or (64 if is_driving else 50), dt_s or (0.1 if is_driving else 0.02), stride_s,
        max_gap_s,
    )  # fmt: skip
    name = f"{Path(path).name} {topic}"
    if is_driving:
        return cut_poses(tracks, windows, skipped, name)
    return cut_joints(_most_common(tracks, skipped), windows, skipped, name)


def _choose(reader: BagReader, kind: str, topic: str | None) -> tuple[str, str]:
    """The topic to read and its kind."""
    if kind not in ("auto", *TYPES):
        raise DataError(f"kind must be one of {['auto', *TYPES]}, got {kind!r}")
    wanted = TYPES if kind == "auto" else {kind: TYPES[kind]}
    has = ", ".join(f"{name} [{info.msg_type}] x{info.count}" for name, info in reader.topics.items())
    for found_kind, msg_type in wanted.items():
        found = sorted(name for name, info in reader.topics.items() if info.msg_type == msg_type and info.count)
        if topic is not None:
            found = [name for name in found if name == topic]
        if len(found) > 1:
            raise DataError(
                f"bag {reader.path} has {len(found)} topics of {msg_type}, name the one to use: {', '.join(found)}"
            )
        if found:
            return found[0], found_kind
    on = "" if topic is None else f" on {topic}"
    raise DataError(f"bag {reader.path} has no {' or '.join(wanted.values())}{on}. It has: {has}")


def _samples(reader: BagReader, topic: str, read: Callable[[Any], Sample], skipped: Skips) -> Iterator[Sample]:
    try:
        for _, _, message in reader.messages(topics=[topic]):
            try:
                sample = read(message)
            except (OdometryError, JointStateError) as error:
                skipped.add("bad message", error)
                continue
            if sample[0] == 0:
                skipped.add("message without a stamp", f"a message of {topic} has a header stamp of 0")
                continue
            yield sample
    except BagTruncatedError as error:
        skipped.add("damaged bag, read up to the damage", error)


def _pose(message: Any) -> Sample:
    pose = ego_pose_from_odometry(message)
    return pose.stamp_ns, (pose.frame_id, pose.child_frame_id), np.concatenate([pose.xyz, pose.quat_xyzw])


def _joints(message: Any) -> Sample:
    joints = joints_from_message(message)
    return joints.stamp_ns, joints.names, joints.positions


def _tracks(samples: Iterator[Sample], skipped: Skips) -> list[Track]:
    """Continuous stretches, at least two samples each."""
    open_stretches: dict[tuple[str, ...], list[Sample]] = {}
    done: list[list[Sample]] = []
    for sample in samples:
        stamp_ns, names, _ = sample
        stretch = open_stretches.setdefault(names, [])
        if stretch and stamp_ns <= stretch[-1][0]:
            back_s = (stretch[-1][0] - stamp_ns) * 1e-9
            if back_s <= TIME_JUMP_S:
                skipped.add("message no newer than the one before", f"{back_s:.3f} s older at {stamp_ns} ns")
                continue
            skipped.add("clock jumps back, a new stretch begins", f"{back_s:.3f} s back to {stamp_ns * 1e-9:.3f} s")
            done.append(stretch)
            stretch = open_stretches[names] = []
        stretch.append(sample)
    tracks = []
    for stretch in [*done, *open_stretches.values()]:
        if len(stretch) < 2:
            skipped.add("stretch of a single message", f"at {stretch[0][0]} ns")
            continue
        stamps_ns = np.array([sample[0] for sample in stretch], np.int64)
        tracks.append(Track(stamps_ns, np.stack([sample[2] for sample in stretch]), stretch[0][1]))
    return tracks


def _most_common(tracks: list[Track], skipped: Skips) -> list[Track]:
    """Tracks of the joints that most messages hold; others cannot stand in one set with them."""
    counts: Counter[tuple[str, ...]] = Counter()
    for track in tracks:
        counts[track.names] += len(track.stamps_ns)
    if not counts:
        return tracks
    (names, _), *others = counts.most_common()
    for other, count in others:
        skipped.add("joints other than those of most messages", f"{count} messages of {', '.join(other)}")
    return [track for track in tracks if track.names == names]
