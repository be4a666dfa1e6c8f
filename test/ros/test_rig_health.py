"""The rig in diagnostics and among the parameters, without ROS."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as PilImage

from reasoning_vla_ros.bags import types
from reasoning_vla_ros.messages.images import rgb_to_image_fields
from reasoning_vla_ros.planning import Planner, PlannerSettings
from reasoning_vla_ros.planning.camera_rig import CameraRig, RigError
from reasoning_vla_ros.planning.observation_builder import ObservationConfig
from reasoning_vla_ros.ros.diagnostics import Level
from reasoning_vla_ros.ros.inputs import Inputs
from reasoning_vla_ros.ros.model_loading import trained_rig_of
from reasoning_vla_ros.ros.parameters import ParameterError, PlannerParameters
from reasoning_vla_ros.ros.rig_health import RigHealth

NVIDIA, KITTI = CameraRig.load("nvidia_4_camera"), CameraRig.load("kitti")
FRONT = ObservationConfig(cameras=((1, "front"),))
FOUR = ObservationConfig(cameras=tuple((camera.camera_id, camera.name) for camera in NVIDIA.used))


def odometry(step: int) -> object:
    x = 0.8 * step
    pose = types.Pose(position=types.Point(x=x, y=0.0, z=0.0), orientation=types.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0))
    zero = types.Vector3(x=0.0, y=0.0, z=0.0)
    return types.Odometry(
        header=types.Header(stamp=types.Time(sec=100 + step // 10, nanosec=step % 10 * 10**8), frame_id="odom"),
        child_frame_id="base_link",
        pose=types.PoseWithCovariance(pose=pose, covariance=np.zeros(36)),
        twist=types.TwistWithCovariance(twist=types.Twist(linear=zero, angular=zero), covariance=np.zeros(36)),
    )


def image(step: int, width: int, height: int, grey: bool = False) -> object:
    pixels = np.full((height, width) if grey else (height, width, 3), 50, np.uint8)
    header = types.Header(stamp=types.Time(sec=100 + step // 10, nanosec=step % 10 * 10**8), frame_id="camera")
    return types.Image(header=header, **rgb_to_image_fields(pixels))


def compressed(step: int, mode: str, kind: str) -> object:
    data = io.BytesIO()
    PilImage.new(mode, (1226, 370)).save(data, kind)
    header = types.Header(stamp=types.Time(sec=100, nanosec=step * 10**8), frame_id="camera")
    return types.CompressedImage(header=header, format=kind, data=np.frombuffer(data.getvalue(), np.uint8))


def test_as_trained() -> None:
    health = RigHealth(FOUR, NVIDIA, NVIDIA)
    assert all(health.see(camera.name, 1920, 1080, "") == "" for camera in NVIDIA.used)
    status = health.report()
    assert (status.name, status.level, status.message) == ("camera rig", Level.OK, "as trained")
    assert status.values == {"camera_rig": "nvidia_4_camera", "trained_with": "nvidia_4_camera"}


def test_a_model_without_a_rig_is_no_warning() -> None:
    health = RigHealth(FRONT, None, None)
    assert health.see("front", 64, 48, "") == ""
    status = health.report()
    assert (status.level, status.values) == (Level.OK, {"camera_rig": "", "trained_with": ""})
    assert "names no rig" in status.message


def test_one_value_a_difference() -> None:
    status = RigHealth(FRONT, KITTI, NVIDIA).report()
    assert status.level == Level.WARN
    assert status.message == "camera cross_left (0) is missing (and 6 more)"
    assert [key for key in status.values if key.startswith("difference")] == [f"difference_{n}" for n in range(1, 8)]
    assert status.values["difference_6"] == "camera front (1) sees 82 deg, the model was trained with 120 deg"


def test_image_size_is_compared_with_the_rig_file_once_a_change() -> None:
    inputs = Inputs(FRONT, RigHealth(FRONT, KITTI, None))
    assert inputs.on_image("front", image(0, 1226, 370)) == ""
    problem = "camera front (1) sends images of 1242x375, its rig file says 1226x370"
    assert inputs.on_image("front", image(1, 1242, 375)) == problem
    assert inputs.on_image("front", image(2, 1242, 375)) == ""
    camera, _, rig = inputs.report()
    assert (camera.level, camera.message) == (Level.WARN, problem)
    assert (rig.level, rig.values["difference_1"]) == (Level.WARN, problem)
    camera, _, rig = inputs.report()
    assert camera.level == Level.OK  # told once, while the rig's status goes on telling it
    assert rig.level == Level.WARN
    assert inputs.on_image("front", image(3, 1226, 370)) == ""
    assert inputs.report()[-1].level == Level.OK


def test_without_a_rig_file_images_are_compared_with_the_training() -> None:
    health = RigHealth(FRONT, None, NVIDIA)
    assert health.see("front", 320, 240, "") == (
        "camera front (1) has images of 320x240 (1.33:1), the model was trained with 1920x1080 (1.78:1); "
        "camera front (1) has images of 320x240, fewer pixels than the 576x320 that the model was shown in training"
    )
    assert "lenses and fields of view are unknown, as no camera_rig is given" in health.report().values.values()


@pytest.mark.parametrize(
    ("msg", "encoding"),
    [
        (image(0, 1226, 370, grey=True), "mono8"),
        (compressed(0, "L", "jpeg"), "grey JPEG"),
        (compressed(0, "I;16", "png"), "grey PNG"),
        (compressed(0, "RGB", "jpeg"), ""),
        (compressed(0, "RGBA", "png"), ""),
    ],
)
def test_grey_images_are_told(msg: object, encoding: str) -> None:
    inputs = Inputs(FRONT, RigHealth(FRONT, KITTI, None))
    sentence = f"camera front (1) sends grey images ({encoding}), models are trained with colour"
    assert inputs.on_image("front", msg) == (sentence if encoding else "")
    assert inputs.builder.frames["front"].at(100 * 10**9, 0.1)[1].shape == (370, 1226, 3)


@pytest.fixture(scope="module")
def planner(small_model_dir: Path) -> Planner:
    return Planner.from_pretrained(str(small_model_dir), device="cpu", settings=PlannerSettings(max_reasoning_tokens=2))


@pytest.mark.parametrize(
    "forms",
    [
        {"front": (96, 64, True)},
        {"front_wide": (128, 72, False), "front_tele": (64, 64, True)},
        {
            "cross_left": (64, 48, False),
            "front_wide": (160, 90, False),
            "cross_right": (33, 127, True),
            "front_tele": (96, 64, False),
        },
    ],
)
def test_messages_of_any_rig_become_a_plan(planner: Planner, forms: dict[str, tuple[int, int, bool]]) -> None:
    """Fewer cameras, of different sizes, some of them grey."""
    ids = {camera.name: camera.camera_id for camera in NVIDIA.used} | {"front": 1}
    config = ObservationConfig(cameras=tuple((ids[name], name) for name in forms), num_frames=2)
    inputs = Inputs(config, RigHealth(config, None, NVIDIA))
    for step in range(17):
        inputs.on_odometry(odometry(step))
        for name, (width, height, grey) in forms.items():
            inputs.on_image(name, image(step, width, height, grey))
    request = inputs.next_request(0, 0.0, 0.0, "", "car")
    assert request is not None
    shapes = [camera.images.shape for camera in request.observation.cameras]
    assert shapes == [(2, height, width, 3) for width, height, _ in forms.values()]
    plan = planner.plan(request.observation, num_samples=2, seed=3)
    assert plan.xyz.shape == (2, 64, 3)
    assert np.isfinite(plan.xyz).all()
    told = " ".join(inputs.report()[-1].values.values())
    assert told.count("grey images (mono8)") == sum(grey for _, _, grey in forms.values())


def test_rig_gives_the_cameras() -> None:
    parameters = PlannerParameters(camera_rig="nvidia_4_camera")
    assert parameters.observation_config().cameras == FOUR.cameras
    assert PlannerParameters().rig() is None
    assert PlannerParameters(camera_rig="kitti", cameras=("front:1",)).rig() == KITTI
    assert PlannerParameters(camera_rig="nvidia_4_camera", cameras=NVIDIA.parameter).rig() == NVIDIA


def test_rig_against_cameras_names_both() -> None:
    parameters = PlannerParameters(camera_rig="kitti", cameras=("left:0", "front:1"))
    with pytest.raises(
        ParameterError, match=r"cameras is \['left:0', 'front:1'\], but camera_rig 'kitti' has \['front:1'\]"
    ):
        parameters.observation_config()


def test_rig_that_is_missing_or_wrong(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="camera_rig: no rig has the name 'kitty'"):
        PlannerParameters(camera_rig="kitty").observation_config()
    (tmp_path / "rig.yaml").write_text("name: mine")
    with pytest.raises(ParameterError, match=r"camera_rig: rig file .*rig\.yaml: the file lacks cameras"):
        PlannerParameters(camera_rig=str(tmp_path / "rig.yaml")).rig()


def test_trained_rig_of_planners() -> None:
    assert trained_rig_of(SimpleNamespace()) is None  # a planner without a model
    assert trained_rig_of(SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(model_type="x")))) is None
    config = SimpleNamespace(model_type="alpamayo_r1")
    assert trained_rig_of(SimpleNamespace(model=SimpleNamespace(config=config))) == NVIDIA
    config.trained_rig = "nowhere"
    with pytest.raises(RigError, match="no rig has the name 'nowhere'"):
        trained_rig_of(SimpleNamespace(model=SimpleNamespace(config=config)))
