"""The moments of a recorded drive."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.bags.reader import BagReader
from reasoning_vla_ros.geometry.rotations import quaternion_to_matrix
from reasoning_vla_ros.messages.images import image_to_rgb
from reasoning_vla_ros.messages.odometry import ego_pose_from_odometry
from reasoning_vla_ros.messages.scene_markers import SceneRoad, road_in, scenario_of, things_in
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.simulation.drive_log import DriveLog, gap_text
from reasoning_vla_ros.simulation.film.moment import Moment, PlannedWay

DRIVEN_POSES = 200
KEPT_TRAFFIC = 20
PLAN_TOPIC = "/planner_node/output/plan"


def read_log(bag: Path | str) -> DriveLog:
    """What came of a recorded drive.

    Raises:
        BagError: it cannot be read, or is no recording of a drive.
    """
    log = DriveLog()
    with BagReader(bag) as reader:
        _require_drive(reader)
        for topic, time_ns, message in reader.messages():
            log.take(topic, message, time_ns)
    return log


def moments_of_bag(bag: Path | str, title: str, camera: str = "view") -> Iterator[Moment]:
    """A moment for each image of a camera from the first plan of each leg on.

    Args:
        bag: what `ros.drive.run_drive` recorded.
        title: who drives.
        camera: that is looked through.

    Raises:
        BagError: it cannot be read, or is no recording of a drive.
    """
    with BagReader(bag) as reader:
        _require_drive(reader, camera)
        legs = tuple(scenario_of(message)[0] for _, _, message in reader.messages(["/map_markers"]))
        yield from _Reel(title, legs, camera).moments(reader)


def _require_drive(reader: BagReader, camera: str | None = None) -> None:
    topics = {"/odometry": "nav_msgs/msg/Odometry", "/map_markers": "visualization_msgs/msg/MarkerArray"}
    if camera is not None:
        topics[f"/camera/{camera}/image"] = "sensor_msgs/msg/CompressedImage"
        topics[f"/camera/{camera}/camera_info"] = "sensor_msgs/msg/CameraInfo"
    reader.require_topics(topics)


class _Reel:
    """Collects what belongs to an image; it is complete when the next image comes."""

    def __init__(self, title: str, legs: tuple[str, ...], camera: str) -> None:
        self._title, self._legs = title, legs
        self._image_topic, self._info_topic = f"/camera/{camera}/image", f"/camera/{camera}/camera_info"
        self._frame_id = f"camera_{camera}_optical_frame"
        self._log = DriveLog()
        self._camera_in_base: NDArray[np.float64] | None = None
        self._intrinsics: NDArray[np.float64] | None = None
        self._road: SceneRoad | None = None
        self._image: Any = None
        self._plan: PlannedWay | None = None
        self._traffic: dict[int, Any] = {}
        self._poses: deque[tuple[int, float, float, float, float]] = deque(maxlen=DRIVEN_POSES)
        self._driven_s = 0.0

    def moments(self, reader: BagReader) -> Iterator[Moment]:
        for topic, time_ns, message in reader.messages():
            if topic in (self._image_topic, "/map_markers"):
                if (moment := self._moment()) is not None:
                    yield moment
                self._image = None
            self._log.take(topic, message, time_ns)
            self._take(topic, message)
        if (moment := self._moment()) is not None:
            yield moment

    def _take(self, topic: str, message: Any) -> None:
        if topic == self._image_topic:
            self._image = message
        elif topic == self._info_topic:
            self._intrinsics = np.array(message.k, np.float64).reshape(3, 3)
        elif topic == "/map_markers":
            self._road = road_in(message)
            self._poses.clear()
            self._traffic.clear()
            self._plan = None
        elif topic == "/traffic":
            self._traffic[stamp_to_ns(message.markers[0].header.stamp)] = message
            while len(self._traffic) > KEPT_TRAFFIC:
                del self._traffic[next(iter(self._traffic))]
        elif topic == "/odometry":
            pose = ego_pose_from_odometry(message)
            self._poses.append((pose.stamp_ns, *self._log.xy, self._log.yaw_rad, self._log.speed_mps))
        elif topic == PLAN_TOPIC:
            self._plan = self._way(message) or self._plan
        elif topic == "/tf_static":
            found = [each for each in message.transforms if each.child_frame_id == self._frame_id]
            self._camera_in_base = _pose(found[0].transform) if found else self._camera_in_base

    def _way(self, plan: Any) -> PlannedWay | None:
        """The selected candidate; None where there is none, or the leg in which it was made is over."""
        pose = self._pose_at(stamp_to_ns(plan.header.stamp))
        if plan.selected < 0 or pose is None:
            return None
        points = plan.candidates[plan.selected].points
        return PlannedWay(
            np.array([(point.pose.position.x, point.pose.position.y) for point in points]),
            np.array([point.longitudinal_velocity_mps for point in points], np.float64),
            np.array(pose[1:3]),
        )

    def _pose_at(self, stamp_ns: int) -> tuple[int, float, float, float, float] | None:
        found = [pose for pose in self._poses if pose[0] == stamp_ns]
        return found[0] if found else None

    def _moment(self) -> Moment | None:
        """The moment of the image at hand; None before the first plan of a leg, or where something is missing."""
        leg, image = self._log.leg, self._image
        if leg is None or leg.planned_ns is None or image is None or self._road is None:
            return None
        stamp_ns = stamp_to_ns(image.header.stamp)
        pose, traffic = self._pose_at(stamp_ns), self._traffic.get(stamp_ns)
        if pose is None or self._intrinsics is None or self._camera_in_base is None or stamp_ns < leg.planned_ns:
            return None
        before_s = sum(each.duration_s for each in self._log.legs[:-1])
        return Moment(
            time_s=before_s + (stamp_ns - leg.planned_ns) * 1e-9,
            title=self._title,
            legs=self._legs,
            leg=len(self._log.legs) - 1,
            image=image_to_rgb(image),
            intrinsics=self._intrinsics,
            camera_in_base=self._camera_in_base,
            xy=(pose[1], pose[2]),
            yaw_rad=pose[3],
            speed_mps=pose[4],
            speed_limit_mps=self._log.limit_mps,
            instruction=self._log.instruction,
            text=self._log.text,
            meta_action=self._log.meta_action,
            plan=self._plan,
            things=things_in(traffic) if traffic is not None else (),
            road=self._road,
            driven=np.array([(x, y) for at_ns, x, y, _, _ in self._poses if at_ns <= stamp_ns]),
            figures=(
                ("plan time", f"{leg.plan_seconds[-1]:.2f} s"),
                ("plans", str(leg.num_plans)),
                ("smallest gap", gap_text(leg.min_gap_m)),
                ("driven", f"{leg.distance_m:.0f} m"),
            ),
            alarm=leg.end if leg.has_collided or leg.has_left_road else "",
        )


def _pose(transform: Any) -> NDArray[np.float64]:
    rotation, shift = transform.rotation, transform.translation
    pose = np.eye(4)
    pose[:3, :3] = quaternion_to_matrix(np.array([rotation.x, rotation.y, rotation.z, rotation.w]))
    pose[:3, 3] = (shift.x, shift.y, shift.z)
    return pose
