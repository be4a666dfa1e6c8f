"""A small recording and a planner that needs no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags import BagReader, BagWriter
from reasoning_vla_ros.bags.recording import CameraMount, DriveRecorder
from reasoning_vla_ros.evaluation.baselines import ConstantVelocity
from reasoning_vla_ros.planning import Plan, StageSeconds

START_NS = 1_700_000_000_000_000_000
PROJECTION = np.array([[80.0, 0, 80, 0], [0, 80.0, 45, 0], [0, 0, 1, 0]])


def write_drive(path: Path, *, seconds: float, image_seconds: float, speed_mps=8.0, yaw_rate_rps=0.05) -> Path:
    """A drive on a circle: odometry at 20 Hz, a small image at 10 Hz."""
    camera = CameraMount("front", PROJECTION, np.array([1.0, 0.0, 1.5]))
    pixels = np.full((90, 160, 3), 120, np.uint8)
    radius = speed_mps / yaw_rate_rps
    with BagWriter(path) as writer:
        recorder = DriveRecorder(writer, (camera,), START_NS)
        for step in range(round(seconds * 20)):
            t, stamp_ns = step * 0.05, START_NS + step * 50_000_000
            yaw = yaw_rate_rps * t
            xyz = np.array([radius * np.sin(yaw), radius * (1 - np.cos(yaw)), 0.0])
            twist = np.array([speed_mps, 0, 0]), np.array([0, 0, yaw_rate_rps])
            recorder.write_pose(stamp_ns, xyz, Rotation.from_euler("z", yaw), *twist)
            if step % 2 == 0 and t < image_seconds:
                recorder.write_image(camera, stamp_ns, pixels)
    return path


def rewritten(source: Path, target: Path, change) -> Path:
    """A copy of a bag; `change(topic, message, time)` gives the (topic, message, time) triples to write instead."""
    with BagReader(source) as reader, BagWriter(target) as writer:
        for topic, time_ns, message in reader.messages():
            for each in change(topic, message, time_ns):
                writer.write(*each)
    return target


class StubPlanner:
    """Constant velocity with seeded noise; every `invalid_every`-th plan has no valid candidate."""

    def __init__(self, text: str = "Keep the lane. The road ahead is clear.", invalid_every: int = 0) -> None:
        self.text = text
        self.invalid_every = invalid_every
        self.calls: list[tuple[int, int]] = []

    def plan(self, observation, num_samples=1, deadline_s=None, on_text=None, seed=None) -> Plan:
        self.calls.append((observation.t0_ns, seed))
        valid = not (self.invalid_every and len(self.calls) % self.invalid_every == 0)
        times = np.arange(1, 65) * 0.1
        xyz, rot = ConstantVelocity().predict(observation.history_xyz, observation.history_rot, 0.1, times)
        noise = np.random.default_rng(seed).normal(0, 0.3, (num_samples, 1, 3)) * times[:, None] * [1, 0.3, 0]
        speed = np.linalg.norm(np.diff(xyz, axis=0, prepend=0), axis=-1) / 0.1
        return Plan(
            t0_ns=observation.t0_ns,
            xyz=(xyz + noise).astype(np.float32),
            rot=np.tile(rot, (num_samples, 1, 1, 1)).astype(np.float32),
            speed_mps=np.tile(speed, (num_samples, 1)).astype(np.float32),
            dt_s=0.1,
            score=-np.arange(num_samples, dtype=np.float32),
            valid=np.full(num_samples, valid),
            invalid_reasons=("" if valid else "speed of 99 m/s, at most 60 m/s",) * num_samples,
            selected=0 if valid else -1,
            reasoning=(self.text,) * num_samples,
            meta_actions=("keep lane",) * num_samples,
            reasoning_complete=(True,) * num_samples,
            num_reasoning_tokens=(9,) * num_samples,
            seconds=StageSeconds(0.01, 0.02, 0.03, 0.04, 0.11),
            seed=seed or 0,
        )


@pytest.fixture(scope="session")
def drive(tmp_path_factory) -> Path:
    """40 s of odometry, 4 s of images."""
    return write_drive(tmp_path_factory.mktemp("bags") / "drive.mcap", seconds=40, image_seconds=4.05)


@pytest.fixture(scope="session")
def stub_planner() -> type[StubPlanner]:
    return StubPlanner


@pytest.fixture(scope="session")
def drive_writer():
    return write_drive


@pytest.fixture(scope="session")
def bag_rewriter():
    return rewritten
