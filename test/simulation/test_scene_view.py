"""The camera: things are where they project to, and what the expert acts on shows in a small picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.planning.camera_rig import CameraRig
from reasoning_vla_ros.simulation.scene_view import FRONT_CAMERA, SceneView
from reasoning_vla_ros.simulation.world_state import Conditions


@pytest.fixture(scope="module")
def view() -> SceneView:
    return SceneView()


def redness(picture: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return np.asarray(red - np.maximum(green, blue))


def test_a_truck_covers_the_pixels_that_its_corners_project_to(
    view: SceneView, make_state: Any, make_vehicle: Any
) -> None:
    truck = make_vehicle(24.5, 0.0, kind="truck", length_m=9.0, width_m=2.5)
    state = make_state(truck)
    rear = np.array([[20.0, y, z] for y in (1.25, -1.25) for z in (0.0, 3.2)])
    pixels = view.project(rear, state)
    middle, horizon = FRONT_CAMERA.width / 2, FRONT_CAMERA.height // 2
    focal = middle / np.tan(np.deg2rad(50))
    np.testing.assert_allclose(pixels[:, 2], 18.4)
    np.testing.assert_allclose(pixels[0], [middle - focal * 1.25 / 18.4, horizon + focal * 1.4 / 18.4, 18.4])
    changed = (view.render(state) != view.render(make_state())).any(axis=-1)
    rows, columns = (
        np.flatnonzero(changed.any(axis=1)),
        np.flatnonzero(changed[:horizon].any(axis=0)),
    )  # without its shadow
    left, right = pixels[:, 0].min(), pixels[:, 0].max()
    assert columns[0] == pytest.approx(left, abs=1.5)
    assert columns[-1] == pytest.approx(right, abs=1.5)
    assert rows[0] == pytest.approx(pixels[:, 1].min(), abs=1.5)
    assert rows[-1] == pytest.approx(pixels[:, 1].max(), abs=2.0)


def test_the_optical_frame_projects_as_the_picture_does(make_state: Any) -> None:
    for yaw in (0.0, 0.9, -0.9):
        view = SceneView(yaw_in_base_rad=yaw)
        direction = np.array([np.cos(yaw + 0.2), np.sin(yaw + 0.2)])
        point_in_base = np.array([*(np.array([1.6, 0.0]) + 20 * direction), 0.5])
        optical = np.linalg.inv(view.camera_in_base) @ np.append(point_in_base, 1.0)
        u, v, w = view.intrinsics @ optical[:3]
        np.testing.assert_allclose(view.project(point_in_base, make_state())[:2], [u / w, v / w])


@pytest.mark.parametrize("light", ["day", "dusk", "night"])
@pytest.mark.parametrize("kind", ["car", "truck"])
def test_brake_lights_show_at_40_m(view: SceneView, make_state: Any, make_vehicle: Any, light: Any, kind: Any) -> None:
    pictures = [
        redness(view.render(make_state(make_vehicle(45.0, kind=kind, is_braking=on), conditions=Conditions(light))))
        for on in (True, False)
    ]
    assert pictures[0].max() > 110
    assert pictures[0].max() > pictures[1].max() + 40
    assert (pictures[0] > 60).sum() >= 3


@pytest.mark.parametrize("color_id", range(7))
def test_a_car_40_m_ahead_stands_out(view: SceneView, make_state: Any, make_vehicle: Any, color_id: int) -> None:
    with_car = view.render(make_state(make_vehicle(45.0, id=color_id))).astype(int)
    difference = np.abs(with_car - view.render(make_state())).max(axis=-1)
    assert (difference > 25).sum() >= 10


def test_fog_takes_contrast_from_what_is_far(view: SceneView, make_state: Any, make_vehicle: Any) -> None:
    def contrast(conditions: Conditions, x: float) -> float:
        with_car = view.render(make_state(make_vehicle(x), conditions=conditions)).astype(float)
        return float(np.abs(with_car - view.render(make_state(conditions=conditions))).max())

    fog = Conditions("day", "fog", 70.0)
    assert contrast(fog, 60.0) < 0.75 * contrast(Conditions(), 60.0)
    assert contrast(fog, 60.0) > 30
    assert contrast(fog, 15.0) > 1.5 * contrast(fog, 60.0)


def test_night_is_darker_than_day(view: SceneView, make_state: Any) -> None:
    means = [view.render(make_state(conditions=Conditions(light))).mean() for light in ("day", "dusk", "night")]
    assert means[0] > 1.2 * means[1] > 1.8 * means[2]


def test_pictures_have_the_camera_s_size_and_repeat(view: SceneView, make_state: Any, make_vehicle: Any) -> None:
    state = make_state(make_vehicle(12.0), conditions=Conditions("dusk", "rain"))
    first = view.render(state)
    assert first.shape == (FRONT_CAMERA.height, FRONT_CAMERA.width, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, SceneView().render(state))


def test_a_vehicle_through_the_near_plane_draws(view: SceneView, make_state: Any, make_vehicle: Any) -> None:
    beside = view.render(make_state(make_vehicle(3.0, 2.4, kind="truck", length_m=9.0)))
    assert (beside[:, :64] != view.render(make_state())[:, :64]).any(axis=-1).mean() > 0.3


def test_only_what_shows_changes_the_picture(view: SceneView, make_state: Any, make_vehicle: Any) -> None:
    one = view.render(make_state(make_vehicle(20.0, speed_mps=3.0, acceleration_mps2=-0.2, lane_id=0)))
    other = view.render(make_state(make_vehicle(20.0, speed_mps=14.0, acceleration_mps2=1.5, lane_id=3)))
    np.testing.assert_array_equal(one, other)


def test_no_oversampling_below_one() -> None:
    with pytest.raises(ValueError, match="oversampling must be at least 1, got 0"):
        SceneView(oversampling=0)


def test_the_simulation_s_rig_file_is_this_camera() -> None:
    (camera,) = CameraRig.load("simulation").cameras
    view = SceneView(FRONT_CAMERA)
    assert (camera.width, camera.height) == (FRONT_CAMERA.width, FRONT_CAMERA.height)
    assert camera.intrinsics is not None
    assert camera.extrinsics is not None
    lens = [getattr(camera.intrinsics, name) for name in ("fx", "fy", "cx", "cy")]
    assert lens == pytest.approx(view.intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]], abs=1e-3)
    pose = view.camera_in_base
    assert camera.extrinsics.xyz_m == pytest.approx(pose[:3, 3])
    rotation = Rotation.from_euler("xyz", camera.extrinsics.rpy_rad).as_matrix()
    assert rotation == pytest.approx(pose[:3, :3], abs=1e-6)
