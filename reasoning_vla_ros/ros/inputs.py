"""The node's inputs: messages in, planning requests out, without ROS.

Bad input never raises out of `on_image` and `on_odometry`; it is refused, counted and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.messages.images import ImageDecodeError, grey_encoding, image_to_rgb
from reasoning_vla_ros.messages.odometry import OdometryError, ego_pose_from_odometry
from reasoning_vla_ros.messages.stamps import ns_to_seconds, seconds_to_ns, stamp_to_ns
from reasoning_vla_ros.planning.errors import ObservationError, TimeJumpError
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.observation_builder import ObservationBuilder, ObservationConfig
from reasoning_vla_ros.ros.diagnostics import InputHealth, Status
from reasoning_vla_ros.ros.rig_health import RigHealth

# An input that lies this far behind the newest one, or two of its steps, has stopped; less may be on its way.
LEAST_MAX_LAG_S = 0.5


class InputLagError(ObservationError):
    """An input has stopped while others go on."""

    code = "input_lag"


class InputAgeError(ObservationError):
    """t0 lies too far from the node's clock."""

    code = "input_age"


@dataclass(frozen=True)
class PlanRequest:
    """An observation, and where its t0 lies in the odometry's frame."""

    observation: Observation
    ego_xyz_in_odom: NDArray[np.float64]
    ego_rot_in_odom: NDArray[np.float64]
    odom_frame: str


@dataclass(frozen=True)
class EgoMotion:
    """The vehicle at its newest odometry: stamp, pose [3] and [3, 3], speed along its x axis, heading rate."""

    stamp_ns: int
    xyz_in_odom: NDArray[np.float64]
    rot_in_odom: NDArray[np.float64]
    speed_mps: float
    heading_rate_rps: float


class Inputs:
    """Buffers the inputs and finds the next instant to plan at. Not thread-safe.

    Args:
        config: what an observation consists of.
        rig: takes note of how the images differ from the rig file and from the model's training; None for no notes.
    """

    def __init__(self, config: ObservationConfig, rig: RigHealth | None = None) -> None:
        self.builder = ObservationBuilder(config)
        self.rig = rig
        self.odom_frame = ""
        self.restarts = 0  # how often time or the frame started anew
        self.cameras = {name: InputHealth(f"camera {name}") for _, name in config.cameras}
        self.odometry = InputHealth("odometry")
        self.max_lag_s = max(LEAST_MAX_LAG_S, 2 * config.frame_dt_s, 2 * config.history_dt_s)
        self._attempted_ns: int | None = None
        self._overtaken = 0

    def on_image(self, camera: str, msg: Any) -> str:
        """Takes a sensor_msgs/Image or CompressedImage. Returns what is wrong with it, empty when nothing is."""
        health = self.cameras[camera]
        try:
            frame = image_to_rgb(msg)
        except ImageDecodeError as error:
            health.refuse(str(error))
            return str(error)
        stamp_ns = stamp_to_ns(msg.header.stamp)
        health.details["size"] = f"{frame.shape[1]}x{frame.shape[0]}"
        health.accept(stamp_ns)
        problem = ""
        if self.rig is not None:
            problem = self.rig.see(camera, frame.shape[1], frame.shape[0], grey_encoding(msg))
        if problem:
            health.note(problem)
        try:
            self.builder.add_frame(camera, stamp_ns, frame)
        except TimeJumpError as error:
            return self._restart(health, str(error))
        return problem

    def on_odometry(self, msg: Any) -> str:
        """Takes a nav_msgs/Odometry. Returns what is wrong with it, empty when nothing is."""
        try:
            pose = ego_pose_from_odometry(msg)
        except OdometryError as error:
            self.odometry.refuse(str(error))
            return str(error)
        self.odometry.accept(pose.stamp_ns)
        self.odometry.details["frame_id"] = pose.frame_id
        self.odometry.details["child_frame_id"] = pose.child_frame_id
        problem = ""
        if self.odom_frame not in ("", pose.frame_id):
            self.builder.clear()
            problem = self._restart(
                self.odometry,
                f"the odometry's frame_id changed from {self.odom_frame!r} to {pose.frame_id!r}; it must stay the "
                "same, so all inputs start anew",
            )
        self.odom_frame = pose.frame_id
        try:
            self.builder.add_pose(pose.stamp_ns, pose.xyz, pose.quat_xyzw)
        except TimeJumpError as error:
            problem = self._restart(self.odometry, str(error))
        return problem

    def next_request(
        self, now_ns: int, max_age_s: float, min_period_s: float, instruction: str, embodiment: str
    ) -> PlanRequest | None:
        """The observation at the newest instant that was not tried before; None while there is none.

        Args:
            now_ns: the node's clock.
            max_age_s: how far t0 may lie from that clock; 0 for no check.
            min_period_s: instants closer than this to the one before are passed over, with a tenth of tolerance for
                the jitter of stamps.

        Raises:
            ObservationError: there is a new instant, and its inputs do not suffice; or an input has stopped.
        """
        self._require_all_going()
        t0_ns = self.builder.newest_t0_ns()
        if t0_ns is None or (self._attempted_ns is not None and t0_ns <= self._attempted_ns):
            return None
        if self._attempted_ns is not None and t0_ns - self._attempted_ns < 0.9 * min_period_s * 1e9:
            return None
        self._overtaken += self._between(t0_ns)
        self._attempted_ns = t0_ns
        _require_age(now_ns, t0_ns, max_age_s)
        observation = self.builder.build(t0_ns, instruction, embodiment)
        xyz, rot = self.builder.pose_in_odom(t0_ns)
        return PlanRequest(observation, xyz, rot, self.odom_frame)

    def take_overtaken(self) -> int:
        """Instants since the last call that were never planned at, because a newer one had come."""
        overtaken, self._overtaken = self._overtaken, 0
        return overtaken

    def ego_motion(self) -> EgoMotion | None:
        """Pose and motion at the newest odometry; None before there are two poses one history step apart."""
        newest_ns = self.builder.poses.newest_ns
        if newest_ns is None:
            return None
        dt_s = self.builder.config.history_dt_s
        try:
            stamps_ns = np.array([newest_ns - seconds_to_ns(dt_s), newest_ns], np.int64)
            xyz, rot = self.builder.poses.poses_in_odom(stamps_ns)
        except ObservationError:
            return None
        turn = rot[0].T @ rot[1]
        speed_mps = float((rot[1].T @ (xyz[1] - xyz[0]))[0] / dt_s)
        return EgoMotion(newest_ns, xyz[1], rot[1], speed_mps, float(np.arctan2(turn[1, 0], turn[0, 0]) / dt_s))

    def report(self) -> list[Status]:
        """One status a camera, one for the odometry and one for the rig, since the last report."""
        lags = self._lags_s()
        statuses = [
            health.report(self._lag_problem(health.name, lags.get(health.name))) for health in self.cameras.values()
        ]
        statuses.append(self.odometry.report(self._lag_problem("odometry", lags.get("odometry"))))
        return statuses if self.rig is None else [*statuses, self.rig.report()]

    def _restart(self, health: InputHealth, problem: str) -> str:
        health.note(problem)
        self.restarts += 1
        self._attempted_ns = None
        for other in (*self.cameras.values(), self.odometry):
            if other is not health:
                other.newest_ns = None
        return problem

    def _lags_s(self) -> dict[str, float]:
        """Seconds that each input that has delivered lies behind the newest one."""
        newest = {
            health.name: health.newest_ns
            for health in (*self.cameras.values(), self.odometry)
            if health.newest_ns is not None
        }
        ahead = max(newest.values(), default=0)
        return {name: ns_to_seconds(ahead - stamp_ns) for name, stamp_ns in newest.items()}

    def _require_all_going(self) -> None:
        for name, lag_s in self._lags_s().items():
            if problem := self._lag_problem(name, lag_s):
                raise InputLagError(problem)

    def _lag_problem(self, name: str, lag_s: float | None) -> str:
        if lag_s is None or lag_s <= self.max_lag_s:
            return ""
        return f"{name} lies {lag_s:.3f} s behind the newest input; at most {self.max_lag_s:.3f} s are allowed"

    def _between(self, t0_ns: int) -> int:
        if self._attempted_ns is None:
            return 0
        stamps_ns = next(iter(self.builder.frames.values())).stamps_ns
        return sum(self._attempted_ns < stamp_ns < t0_ns for stamp_ns in stamps_ns)


def _require_age(now_ns: int, t0_ns: int, max_age_s: float) -> None:
    age_s = ns_to_seconds(now_ns - t0_ns)
    if not max_age_s or abs(age_s) <= max_age_s:
        return
    where = f"{age_s:.3f} s old" if age_s > 0 else f"{-age_s:.3f} s ahead"
    raise InputAgeError(
        f"the newest input is {where} by the node's clock, max_input_age_s allows {max_age_s:.3f} s; "
        "a bag needs use_sim_time and /clock, or max_input_age_s 0"
    )
