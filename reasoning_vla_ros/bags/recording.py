"""Messages of a drive, as the KITTI import and the rendered drive record them.

Frames after REP-103 and REP-105: odom → base_link (on the ground, x forward, y left, z up) → a camera's optical
frame (x right, y down, z forward).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.bags.writer import BagWriter
from reasoning_vla_ros.messages.images import rgb_to_image_fields
from reasoning_vla_ros.messages.stamps import ns_to_stamp

ODOM_FRAME = "odom"
BASE_FRAME = "base_link"
ODOMETRY_TOPIC = "/odometry"
TF_TOPIC = "/tf"
TF_STATIC_TOPIC = "/tf_static"

# Columns: the optical axes (right, down, forward) in base_link axes (forward, left, up).
OPTICAL_IN_BASE = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class CameraMount:
    """A rectified camera looking along base_link's x axis.

    Attributes:
        name: topic part, as "front" in /camera/front/image.
        projection: float64 [3, 4], CameraInfo's P, pixels.
        xyz_in_base: float64 [3], optical centre in base_link, metres.
    """

    name: str
    projection: NDArray[np.float64]
    xyz_in_base: NDArray[np.float64]

    @property
    def frame_id(self) -> str:
        return f"camera_{self.name}_optical_frame"

    @property
    def image_topic(self) -> str:
        return f"/camera/{self.name}/image"

    @property
    def info_topic(self) -> str:
        return f"/camera/{self.name}/camera_info"


class DriveRecorder:
    """Writes a drive's messages into a bag, header stamp = log time. One call a message keeps time order simple."""

    def __init__(self, writer: BagWriter, cameras: tuple[CameraMount, ...], start_ns: int) -> None:
        """Writes /tf_static at `start_ns`."""
        self._writer = writer
        transforms = [
            _transform(start_ns, BASE_FRAME, camera.frame_id, camera.xyz_in_base, Rotation.from_matrix(OPTICAL_IN_BASE))
            for camera in cameras
        ]
        writer.write(TF_STATIC_TOPIC, t.TFMessage(transforms=transforms), start_ns)

    def write_pose(
        self,
        stamp_ns: int,
        xyz_in_odom: NDArray[np.float64],
        rot_in_odom: Rotation,
        linear_in_base: NDArray[np.float64],
        angular_in_base: NDArray[np.float64],
    ) -> None:
        """/odometry and /tf: base_link's pose in odom (metres), twist in base_link (m/s, rad/s), float64 [3] each."""
        unknown = np.zeros(36)  # the covariances
        qx, qy, qz, qw = (float(value) for value in rot_in_odom.as_quat())
        pose = t.Pose(position=t.Point(*_floats(xyz_in_odom)), orientation=t.Quaternion(qx, qy, qz, qw))
        twist = t.Twist(linear=t.Vector3(*_floats(linear_in_base)), angular=t.Vector3(*_floats(angular_in_base)))
        odometry = t.Odometry(
            header=_header(stamp_ns, ODOM_FRAME),
            child_frame_id=BASE_FRAME,
            pose=t.PoseWithCovariance(pose=pose, covariance=unknown),
            twist=t.TwistWithCovariance(twist=twist, covariance=unknown),
        )
        self._writer.write(ODOMETRY_TOPIC, odometry, stamp_ns)
        transform = _transform(stamp_ns, ODOM_FRAME, BASE_FRAME, xyz_in_odom, rot_in_odom)
        self._writer.write(TF_TOPIC, t.TFMessage(transforms=[transform]), stamp_ns)

    def write_image(self, camera: CameraMount, stamp_ns: int, pixels: NDArray[np.uint8]) -> None:
        """A frame, uint8 [H, W, 3] (rgb8) or [H, W] (mono8), with its CameraInfo."""
        header = _header(stamp_ns, camera.frame_id)
        fields = rgb_to_image_fields(pixels)
        self._writer.write(camera.image_topic, t.Image(header=header, **fields), stamp_ns)
        info = _camera_info(header, camera.projection, fields["width"], fields["height"])
        self._writer.write(camera.info_topic, info, stamp_ns)


def _camera_info(header: Any, projection: NDArray[np.float64], width: int, height: int) -> Any:
    return t.CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=projection[:, :3].reshape(-1).copy(),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1).copy(),
        binning_x=0,
        binning_y=0,
        roi=t.RegionOfInterest(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def _transform(stamp_ns: int, parent: str, child: str, xyz: NDArray[np.float64], rotation: Rotation) -> Any:
    qx, qy, qz, qw = (float(value) for value in rotation.as_quat())
    return t.TransformStamped(
        header=_header(stamp_ns, parent),
        child_frame_id=child,
        transform=t.Transform(translation=t.Vector3(*_floats(xyz)), rotation=t.Quaternion(qx, qy, qz, qw)),
    )


def _header(stamp_ns: int, frame_id: str) -> Any:
    return t.Header(stamp=ns_to_stamp(stamp_ns, t.Time), frame_id=frame_id)


def _floats(xyz: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(xyz[0]), float(xyz[1]), float(xyz[2])
