"""Points of the ego frame in a camera's picture, by CameraInfo and the static transforms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.geometry.frames import compose, invert
from reasoning_vla_ros.geometry.rotations import quaternion_to_matrix

Pose = tuple[NDArray[np.float64], NDArray[np.float64]]
# Nearer points blow up in the projection.
MIN_DEPTH_M = 0.3
_POLYNOMIAL_MODELS = ("plumb_bob", "rational_polynomial", "")
_FISHEYE_MODELS = ("equidistant", "fisheye")


@dataclass(frozen=True)
class Calibration:
    """A camera: pinhole or fisheye lens and its mount.

    Attributes:
        width, height: of the image that the calibration is for, pixels.
        matrix: [3, 3], pixels.
        model: distortion model of sensor_msgs/CameraInfo.
        distortion: its coefficients; none means an ideal lens.
        xyz_in_ego, rot_in_ego: pose of the optical frame (x right, y down, z forward) in the ego frame.
    """

    width: int
    height: int
    matrix: NDArray[np.float64]
    model: str
    distortion: NDArray[np.float64]
    xyz_in_ego: NDArray[np.float64]
    rot_in_ego: NDArray[np.float64]

    @property
    def forwardness(self) -> float:
        """Cosine of the angle between the optical axis and the vehicle's x axis."""
        return float(self.rot_in_ego[0, 2])

    def project(
        self, points_in_ego: NDArray[np.floating], image_size: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Pixels [N, 2] of points [N, 3] in an image of (width, height), and whether each lies before the camera.

        Points behind the camera, or so far aside that the lens model folds them back, are not visible and NaN. Visible
        points may lie outside the image.
        """
        points = np.asarray(points_in_ego, np.float64)
        in_optical = (points - self.xyz_in_ego) @ self.rot_in_ego
        visible = np.isfinite(in_optical).all(axis=1) & (np.nan_to_num(in_optical[:, 2]) > MIN_DEPTH_M)
        plane = np.full((len(points), 2), np.nan)
        plane[visible] = in_optical[visible, :2] / in_optical[visible, 2:]
        bent = self._distort(plane)
        visible &= np.isfinite(bent).all(axis=1)
        pixels = bent @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        scale = np.array(
            [image_size[0] / (self.width or image_size[0]), image_size[1] / (self.height or image_size[1])]
        )
        return np.where(visible[:, None], pixels * scale, np.nan), visible

    def _distort(self, plane: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.distortion.any():
            return plane
        radius = np.linalg.norm(plane, axis=1)
        stretch = self._radial(radius)
        # Beyond the radius where the model turns back, a point would show up mirrored into the picture.
        grid = np.linspace(0.0, 10.0, 1001)
        turns_back = np.diff(grid * self._radial(grid)) <= 0
        limit = grid[int(turns_back.argmax())] if turns_back.any() else np.inf
        bent = plane * stretch[:, None]
        if self.model not in _FISHEYE_MODELS:
            p1, p2 = _padded(self.distortion, 8)[2:4]
            x, y = plane[:, 0], plane[:, 1]
            square = radius**2
            bent = bent + np.stack(
                [2 * p1 * x * y + p2 * (square + 2 * x * x), p1 * (square + 2 * y * y) + 2 * p2 * x * y], axis=-1
            )
        return np.where((radius <= limit)[:, None], bent, np.nan)

    def _radial(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distorted over undistorted radius."""
        if self.model in _FISHEYE_MODELS:
            angle = np.arctan(radius)
            k1, k2, k3, k4 = _padded(self.distortion, 4)
            bent = angle * (1 + k1 * angle**2 + k2 * angle**4 + k3 * angle**6 + k4 * angle**8)
            return np.divide(bent, radius, out=np.ones_like(radius), where=radius != 0)
        k1, k2, _, _, k3, k4, k5, k6 = _padded(self.distortion, 8)
        square = radius**2
        above = 1 + square * (k1 + square * (k2 + square * k3))
        return np.asarray(above / (1 + square * (k4 + square * (k5 + square * k6))))


def calibration_from_messages(
    info: Any, transforms: Mapping[str, tuple[str, Pose]], ego_frame: str, is_rectified: bool
) -> Calibration:
    """A camera's calibration from its sensor_msgs/CameraInfo and the static transforms.

    Args:
        info: CameraInfo, of rclpy or rosbags.
        transforms: parent and pose in the parent by child frame.
        ego_frame: frame of the vehicle, the odometry's child frame.
        is_rectified: the images are rectified, so P counts and there is no distortion; else K and D do.

    Raises:
        EvaluationError: no chain of transforms to the ego frame, an unknown distortion model, or no focal length.
    """
    xyz, rot = pose_in_frame(info.header.frame_id, ego_frame, transforms)
    matrix = np.array(info.k, np.float64).reshape(3, 3)
    distortion = np.array(info.d, np.float64)
    projection = np.array(info.p, np.float64).reshape(3, 4)
    if is_rectified and projection[0, 0] > 0:
        matrix, distortion = projection[:, :3], np.zeros(0)
        rot = rot @ np.array(info.r, np.float64).reshape(3, 3).T
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise EvaluationError(f"its CameraInfo has no focal length: K is {matrix.reshape(-1).tolist()}")
    if distortion.any() and info.distortion_model not in _POLYNOMIAL_MODELS + _FISHEYE_MODELS:
        raise EvaluationError(
            f"its distortion model {info.distortion_model!r} is none of plumb_bob, rational_polynomial, equidistant"
        )
    return Calibration(int(info.width), int(info.height), matrix, str(info.distortion_model), distortion, xyz, rot)


def static_transforms(messages: Iterable[Any]) -> dict[str, tuple[str, Pose]]:
    """Parent frame and pose in it, by child frame, of tf2_msgs/TFMessage messages; the last one of a frame counts."""
    result = {}
    for message in messages:
        for each in message.transforms:
            move, turn = each.transform.translation, each.transform.rotation
            rot = quaternion_to_matrix(np.array([turn.x, turn.y, turn.z, turn.w], np.float64))
            result[_bare(each.child_frame_id)] = (
                _bare(each.header.frame_id),
                (np.array([move.x, move.y, move.z]), rot),
            )
    return result


def pose_in_frame(frame: str, target: str, transforms: Mapping[str, tuple[str, Pose]]) -> Pose:
    """Pose of `frame` in `target` along the tree of static transforms.

    Raises:
        EvaluationError: no chain joins the two frames.
    """
    of_frame, of_target = _chain(_bare(frame), transforms), _chain(_bare(target), transforms)
    shared = next((name for name in of_frame if name in of_target), None)
    if shared is None:
        raise EvaluationError(f"no static transforms join its frame {frame!r} to the vehicle's frame {target!r}")
    return compose(*invert(*of_target[shared]), *of_frame[shared])


def _chain(frame: str, transforms: Mapping[str, tuple[str, Pose]]) -> dict[str, Pose]:
    """Pose of the frame in itself and in each of its ancestors, nearest first."""
    pose: Pose = (np.zeros(3), np.eye(3))
    poses = {frame: pose}
    while frame in transforms:
        parent, step = transforms[frame]
        if parent in poses:
            raise EvaluationError(f"the static transforms run in a circle at frame {parent!r}")
        pose = compose(*step, *pose)
        poses[parent] = pose
        frame = parent
    return poses


def _bare(frame: str) -> str:
    return frame.lstrip("/")


def _padded(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.concatenate([values, np.zeros(count)])[:count]
