from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.evaluation.calibration import Calibration, calibration_from_messages, pose_in_frame
from reasoning_vla_ros.evaluation.errors import EvaluationError

FORWARD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
CAMERA = Calibration(
    640,
    480,
    np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]),
    "plumb_bob",
    np.zeros(5),
    np.array([1.0, 0, 1.5]),
    FORWARD,
)


def test_projection_by_hand():
    # 10 m ahead of the camera, 2 m to the left, on the ground: 500 * -2 / 10 + 320, 500 * 1.5 / 10 + 240
    pixels, visible = CAMERA.project(np.array([[11.0, 2.0, 0.0]]), (640, 480))
    assert visible[0]
    np.testing.assert_allclose(pixels[0], [220.0, 315.0])
    halved, _ = CAMERA.project(np.array([[11.0, 2.0, 0.0]]), (320, 240))
    np.testing.assert_allclose(halved[0], [110.0, 157.5])


def test_points_behind_the_camera_are_not_visible():
    pixels, visible = CAMERA.project(np.array([[-5.0, 0, 0], [1.1, 0, 0], [5.0, 0, 0], [np.nan, 0, 0]]), (640, 480))
    assert visible.tolist() == [False, False, True, False]
    assert np.isnan(pixels[[0, 1, 3]]).all()


def test_barrel_distortion_draws_in_and_never_folds_back():
    barrel = replace(CAMERA, distortion=np.array([-0.3, 0.0, 0.0, 0.0, 0.0]))
    points = np.array([[11.0, y, 1.5] for y in np.linspace(0.1, 60, 300)])
    pixels, visible = barrel.project(points, (640, 480))
    offset = 320 - pixels[visible, 0]
    assert (np.diff(offset) > 0).all()
    assert not visible.all()
    r = 0.1 / 10
    assert offset[0] == pytest.approx(500 * r * (1 - 0.3 * r**2))


def test_fisheye_keeps_the_angle():
    fisheye = replace(CAMERA, model="equidistant", distortion=np.array([1e-12, 0, 0, 0]))
    pixels, _ = fisheye.project(np.array([[11.0, -10.0, 1.5]]), (640, 480))
    assert pixels[0, 0] == pytest.approx(320 + 500 * np.pi / 4)


def transforms():
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    return {
        "mount": ("base_link", (np.array([2.0, 0, 1.0]), turn)),
        "optical": ("mount", (np.array([0.5, 0, 0]), np.eye(3))),
        "imu": ("base_link", (np.array([0.0, 0, 0.3]), np.eye(3))),
        "lost": ("elsewhere", (np.zeros(3), np.eye(3))),
    }


def test_the_chain_of_transforms():
    xyz, _ = pose_in_frame("optical", "base_link", transforms())
    np.testing.assert_allclose(xyz, [2.0, 0.5, 1.0])
    xyz, _ = pose_in_frame("/optical", "imu", transforms())  # over the common parent
    np.testing.assert_allclose(xyz, [2.0, 0.5, 0.7])
    with pytest.raises(EvaluationError, match="no static transforms join its frame 'lost'"):
        pose_in_frame("lost", "base_link", transforms())


def test_a_circle_of_transforms_is_refused():
    circle = {"a": ("b", (np.zeros(3), np.eye(3))), "b": ("a", (np.zeros(3), np.eye(3)))}
    with pytest.raises(EvaluationError, match="circle"):
        pose_in_frame("a", "base_link", circle)


def info(model="plumb_bob", d=(0.1, 0, 0, 0, 0), k=500.0):
    return SimpleNamespace(
        header=SimpleNamespace(frame_id="optical"),
        width=640,
        height=480,
        distortion_model=model,
        d=np.array(d),
        k=np.array([k, 0, 320, 0, k, 240, 0, 0, 1.0]),
        r=np.eye(3).reshape(-1),
        p=np.array([450.0, 0, 300, 0, 0, 450, 200, 0, 0, 0, 1, 0]),
    )


def test_rectified_images_take_p_and_raw_ones_k_and_d():
    raw = calibration_from_messages(info(), transforms(), "base_link", is_rectified=False)
    rectified = calibration_from_messages(info(), transforms(), "base_link", is_rectified=True)
    assert (raw.matrix[0, 0], raw.distortion[0]) == (500, 0.1)
    assert (rectified.matrix[0, 0], rectified.distortion.size) == (450, 0)


def test_unusable_camera_infos_say_why():
    with pytest.raises(EvaluationError, match="distortion model 'odd'"):
        calibration_from_messages(info(model="odd"), transforms(), "base_link", is_rectified=False)
    with pytest.raises(EvaluationError, match="no focal length"):
        calibration_from_messages(info(k=0.0), transforms(), "base_link", is_rectified=False)
