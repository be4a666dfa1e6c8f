"""Rig files: what they say, what is refused, and how a rig differs from the one a model knows."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags.kitti import KITTI_CAMERA_HEIGHT_M
from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.planning import CameraFrames, Observation, ObservationConfig, Planner, PlannerSettings
from reasoning_vla_ros.planning.camera_rig import CameraRig, RigCamera, RigError, available_rigs
from reasoning_vla_ros.planning.lenses import Intrinsics
from reasoning_vla_ros.planning.rig_differences import image_differences, rig_differences, trained_frames, trained_rig

REPO = Path(__file__).resolve().parents[2]
NVIDIA = CameraRig.load("nvidia_4_camera")
MINE = {
    "name": "mine",
    "cameras": [
        {
            "name": "front",
            "camera_id": 1,
            "topic": "/front/image_raw",
            "width": 1920,
            "height": 1080,
            "intrinsics": {"model": "ftheta", "nominal_horizontal_fov_deg": 120.0},
            "extrinsics": {"xyz_m": [1.0, 0.0, 1.5], "rpy_rad": [-1.570796, 0.0, -1.570796]},
        },
        {"name": "left", "camera_id": 0, "topic": "/left/image_raw"},
    ],
}


def config_of(rig: CameraRig, **fields: float) -> ObservationConfig:
    return ObservationConfig(tuple((camera.camera_id, camera.name) for camera in rig.used), **fields)


def write(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def changed(field: str, value: object) -> dict:
    """MINE with another value; a field such as cameras.0.intrinsics.model. None takes it out."""
    document = copy.deepcopy(MINE)
    *way, last = [int(part) if part.isdecimal() else part for part in field.split(".")]
    place = document
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def forward_in_base(camera: RigCamera) -> np.ndarray:
    """Direction of the optical axis in base_link."""
    assert camera.extrinsics is not None
    if camera.extrinsics.quaternion_xyzw is not None:
        return Rotation.from_quat(camera.extrinsics.quaternion_xyzw).apply([0, 0, 1])
    return Rotation.from_euler("xyz", camera.extrinsics.rpy_rad).apply([0, 0, 1])


# Files --------------------------------------------------------------------------------------------------------------


def test_the_package_has_four_rigs_that_load() -> None:
    assert available_rigs() == ("autoware_sample_vehicle", "kitti", "nvidia_4_camera", "simulation", "turtlebot")
    for name in available_rigs():
        rig = CameraRig.load(name)
        assert (rig.name, bool(rig.description)) == (name, True)


def test_nvidia_rig_is_what_the_public_models_were_trained_with() -> None:
    assert NVIDIA.parameter == ("cross_left:0", "front_wide:1", "cross_right:2", "front_tele:6")
    assert [camera.horizontal_fov_deg for camera in NVIDIA.used] == [120.0, 120.0, 120.0, 30.0]
    assert {(camera.width, camera.height) for camera in NVIDIA.used} == {(1920, 1080)}
    view = NVIDIA.training
    assert view is not None
    assert (view.num_frames, view.frame_dt_s, view.width, view.height) == (4, 0.1, 576, 320)


def test_autoware_cameras_look_where_their_names_say() -> None:
    rig = CameraRig.load("autoware_sample_vehicle")
    assert rig.parameter == ("front_left:0", "front:1", "front_right:2")
    headings = {}
    for camera in rig.cameras:
        x, y, z = forward_in_base(camera)
        headings[camera.name] = round(np.degrees(np.arctan2(y, x)))
        assert -0.1 < -z < 0.4  # ahead or a little down
    assert headings == {
        "front_left": 57,
        "front": -2,
        "front_right": -62,
        "rear_left": 118,
        "rear": 177,
        "rear_right": -124,
    }


def test_kitti_rig_is_the_calibration_that_the_import_writes() -> None:
    camera = CameraRig.load("kitti").used[0]
    lens, pose = camera.intrinsics, camera.extrinsics
    assert lens is not None
    assert pose is not None
    # P2 of sequences 04 to 12
    projection = np.array(
        [[707.0912, 0, 601.8873, 46.88783], [0, 707.0912, 183.1104, 0.1178601], [0, 0, 1, 6.203223e-3]]
    )
    centre = -np.linalg.solve(projection[:, :3], projection[:, 3])
    assert [lens.fx, lens.fy, lens.cx, lens.cy] == projection[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    assert pose.xyz_m == pytest.approx((centre[2], -centre[0], KITTI_CAMERA_HEIGHT_M - centre[1]), abs=1e-4)
    assert forward_in_base(camera) == pytest.approx([1, 0, 0], abs=1e-5)


def test_rig_of_a_file(tmp_path: Path) -> None:
    rig = CameraRig.load(write(tmp_path, MINE))
    assert rig.parameter == ("left:0", "front:1")
    assert [camera.topic for camera in rig.used] == ["/left/image_raw", "/front/image_raw"]
    assert rig.used[0].horizontal_fov_deg is None
    assert rig.used[1].extrinsics.xyz_m == (1.0, 0.0, 1.5)


def test_unused_cameras_are_kept_but_not_given_to_the_model(tmp_path: Path) -> None:
    rig = CameraRig.load(write(tmp_path, changed("cameras.1.used", False)))
    assert rig.parameter == ("front:1",)
    assert len(rig.cameras) == 2


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cameras.0.topic", None, r"cameras\[0\] lacks topic"),
        ("cameras.0.fov", 90, r"cameras\[0\] has unknown fov, known are name, camera_id"),
        ("cameras.0.name", "front wide", r"cameras\[0\]\.name is 'front wide', needed pattern"),
        ("cameras.0.camera_id", -1, r"cameras\[0\]\.camera_id is -1, needed minimum 0"),
        ("cameras.0.topic", "/front image", r"cameras\[0\]\.topic is '/front image', needed pattern"),
        ("cameras.0.topic", "/a/image/compressed", r"cameras\[0\]\.topic is .*needed the raw images' topic"),
        ("cameras.0.width", "wide", r"cameras\[0\]\.width is 'wide', needed type integer, null"),
        ("cameras.0.rate_hz", 0, r"cameras\[0\]\.rate_hz is 0, needed exclusiveMinimum 0"),
        ("cameras.0.rate_hz", float("nan"), r"cameras\[0\]\.rate_hz is nan, needed a finite number"),
        ("cameras.0.intrinsics.model", "wide", r"intrinsics\.model is 'wide', needed enum pinhole, fisheye, ftheta"),
        ("cameras.0.intrinsics.distortion", [0.1], r"intrinsics: distortion has 1 coefficients, a ftheta lens needs"),
        ("cameras.0.extrinsics.xyz_m", [1.0, 2.0], r"extrinsics\.xyz_m is \[1\.0, 2\.0\], needed minItems 3"),
        ("cameras.0.extrinsics.rpy_rad", None, r"extrinsics: has neither of quaternion_xyzw and rpy_rad"),
        ("cameras.0.extrinsics.quaternion_xyzw", [0.0, 0.0, 0.0, 1.0], r"extrinsics: has both"),
        (
            "cameras.0.extrinsics",
            {"xyz_m": [0.0] * 3, "quaternion_xyzw": [0.0, 0.0, 0.0, 2.0]},
            r"norm 2\.0000, needed 1",
        ),
        ("cameras.0.camera_id", 0, r"camera front \(0\) and camera left \(0\) have the same camera_id 0"),
        ("cameras.0.name", "left", r"have the same name 'left'"),
        ("cameras.0.topic", "/left/image_raw", r"have the same topic '/left/image_raw'"),
        ("cameras", [], r"cameras is \[\], needed minItems 1"),
        ("cameras", [{**MINE["cameras"][0], "used": False}], r"cameras: none is used"),
    ],
)
def test_wrong_files_name_file_field_value_and_demand(tmp_path, field: str, value: object, message: str) -> None:
    path = write(tmp_path, changed(field, value))
    with pytest.raises(RigError, match=message) as caught:
        CameraRig.load(path)
    assert str(path) in str(caught.value)


def test_files_that_are_no_rig(tmp_path: Path) -> None:
    with pytest.raises(
        RigError, match=r"no rig has the name 'kitty', the package's are autoware_sample_vehicle, kitti"
    ):
        CameraRig.load("kitty")
    with pytest.raises(RigError, match=r"nowhere\.yaml cannot be read: No such file"):
        CameraRig.load(tmp_path / "nowhere.yaml")
    with pytest.raises(RigError, match=r"the file is \['a', 'list'\], needed type object"):
        CameraRig.load(write(tmp_path, ["a", "list"]))
    (tmp_path / "broken.yaml").write_text("cameras: [")
    with pytest.raises(RigError, match=r"broken\.yaml is no YAML"):
        CameraRig.load(tmp_path / "broken.yaml")


def test_schema_is_one() -> None:
    schema = json.loads((REPO / "schema/rig.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("variable", ["AMENT_PREFIX_PATH", ""])
def test_rigs_are_found_where_the_package_is_installed(tmp_path: Path, variable: str) -> None:
    """The module in an installation's site-packages, as colcon or pip leaves it, in a process of its own."""
    lib = tmp_path / "prefix/lib/python3.11/site-packages"
    if variable:  # as Debian's Python has it, where the prefix lies elsewhere
        lib = tmp_path / "prefix/local/lib/python3.11/dist-packages"
    shutil.copytree(REPO / "reasoning_vla_ros/planning", lib / "reasoning_vla_ros/planning")
    for folder in ("config", "schema"):
        shutil.copytree(REPO / folder, tmp_path / "prefix/share/reasoning_vla_ros" / folder)
    (lib / "reasoning_vla_ros/__init__.py").write_text("")
    code = (
        "import types, sys; package = types.ModuleType('reasoning_vla_ros.planning');"
        f"package.__path__ = [{str(lib / 'reasoning_vla_ros/planning')!r}];"
        "import reasoning_vla_ros; sys.modules['reasoning_vla_ros.planning'] = package;"
        "from reasoning_vla_ros.planning.package_share import share_path; print(share_path('config/rigs'))"
    )
    environment = {"PYTHONPATH": str(lib)} | ({variable: f"/none:{tmp_path / 'prefix'}"} if variable else {})
    run = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.strip() == str(tmp_path / "prefix/share/reasoning_vla_ros/config/rigs"), run.stderr


# Lenses -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lens", "degrees"),
    [
        (Intrinsics("pinhole", fx=500.0, cx=500.0), 90.0),
        (Intrinsics("pinhole", fx=500.0, cx=500.0, nominal_horizontal_fov_deg=60.0), 90.0),
        (Intrinsics("pinhole", cx=500.0, nominal_horizontal_fov_deg=60.0), 60.0),
        (Intrinsics("pinhole"), None),
        # r = f * angle
        (Intrinsics("fisheye", fx=1000 / np.pi, cx=500.0, distortion=(0.0, 0.0, 0.0, 0.0)), 180.0),
        # r = f * (angle + angle^3 / 10): 90 degrees either side
        (Intrinsics("fisheye", fx=500 / 1.9583784, cx=500.0, distortion=(0.1, 0.0, 0.0, 0.0)), 180.0),
        # a lens whose model turns back at 1 / sqrt(0.3) rad, narrower than the image
        (Intrinsics("fisheye", fx=100.0, cx=500.0, distortion=(-0.1, 0.0, 0.0, 0.0)), 2 * np.degrees(0.3**-0.5)),
        (Intrinsics("fisheye", fx=300.0, cx=500.0), None),
        (Intrinsics("ftheta", cx=400.0, distortion=(0.0, 0.002)), np.degrees(2.0)),
        (Intrinsics("ftheta", nominal_horizontal_fov_deg=120.0), 120.0),
    ],
)
def test_horizontal_field_of_view(lens: Intrinsics, degrees: float | None) -> None:
    fov_deg = RigCamera("front", 1, "/image", width=1000, intrinsics=lens).horizontal_fov_deg
    assert fov_deg == (None if degrees is None else pytest.approx(degrees, abs=0.05))


# Differences --------------------------------------------------------------------------------------------------------


def test_the_trained_rig_has_no_differences() -> None:
    assert rig_differences(config_of(NVIDIA), NVIDIA, NVIDIA) == ()


def test_kitti_differs_in_cameras_lens_width_and_shape() -> None:
    kitti = CameraRig.load("kitti")
    assert rig_differences(config_of(kitti), NVIDIA, kitti) == (
        "camera cross_left (0) is missing",
        "camera cross_right (2) is missing",
        "camera front_tele (6) is missing",
        "a single camera, the model was trained with 4",
        "camera front (1) has a pinhole lens, the model was trained with f-theta; images are passed on as they come",
        "camera front (1) sees 82 deg, the model was trained with 120 deg",
        "camera front (1) has images of 1226x370 (3.31:1), the model was trained with 1920x1080 (1.78:1)",
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"intrinsics": Intrinsics("fisheye", nominal_horizontal_fov_deg=120.0)},
         "has a fisheye lens, the model was trained with f-theta; images are passed on as they come"),
        ({"intrinsics": Intrinsics("ftheta", nominal_horizontal_fov_deg=64.0)},
         "sees 64 deg, the model was trained with 120 deg"),
        ({"intrinsics": Intrinsics("ftheta")}, "has an unknown field of view, the model was trained with 120 deg"),
        ({"width": 480, "height": 270},
         "has images of 480x270, fewer pixels than the 576x320 that the model was shown in training"),
        ({"width": 1440, "height": 1080},
         "has images of 1440x1080 (1.33:1), the model was trained with 1920x1080 (1.78:1)"),
        ({"rate_hz": 5.0}, "sends 5 Hz, frames 0.1 s apart need 10 Hz"),
    ],
)  # fmt: skip
def test_one_camera_that_differs(change: dict, sentence: str) -> None:
    cameras = tuple(replace(each, **change) if each.camera_id == 1 else each for each in NVIDIA.cameras)
    rig = replace(NVIDIA, cameras=cameras)
    assert rig_differences(config_of(rig), NVIDIA, rig) == (f"camera front_wide (1) {sentence}",)


@pytest.mark.parametrize(
    "change",
    [
        {"intrinsics": Intrinsics("ftheta", nominal_horizontal_fov_deg=123.0)},
        {"width": 3840, "height": 2160},
        {"rate_hz": 9.99},
    ],
)
def test_small_deviations_are_none(change: dict) -> None:
    rig = replace(NVIDIA, cameras=tuple(replace(each, **change) for each in NVIDIA.cameras if each.camera_id != 6))
    rig = replace(rig, cameras=(*rig.cameras, NVIDIA.cameras[-1]))
    assert rig_differences(config_of(rig), NVIDIA, rig) == ()


def test_frames_and_new_cameras_differ() -> None:
    rear = RigCamera("rear", 4, "/rear")
    rig = replace(NVIDIA, cameras=(*NVIDIA.cameras, rear))
    assert rig_differences(config_of(rig, num_frames=3, frame_dt_s=0.2), NVIDIA, rig) == (
        "3 frames a camera, the model was trained with 4",
        "frames 0.2 s apart, the model was trained with 0.1 s",
        "camera rear (4) is new to the model, which was trained with ids 0, 1, 2, 6",
    )


def test_without_a_rig_file_lenses_are_unknown() -> None:
    sentences = rig_differences(config_of(NVIDIA), NVIDIA)
    assert sentences == ("lenses and fields of view are unknown, as no camera_rig is given",)


def test_a_model_that_names_no_rig_is_not_compared_with() -> None:
    assert rig_differences(config_of(NVIDIA), None, CameraRig.load("kitti")) == ()
    assert image_differences(NVIDIA.cameras[0], 10, 10, None) == ()


def test_trained_rig_of_a_model() -> None:
    assert trained_rig(SimpleNamespace(model_type="alpamayo_r1")) == NVIDIA
    assert trained_rig(SimpleNamespace(model_type="alpamayo1_5")) == NVIDIA
    assert trained_rig(SimpleNamespace(model_type="alpamayo_reasoning_vla")) is None
    assert trained_rig(SimpleNamespace(model_type="alpamayo_r1", untrained=True)) is None
    assert trained_rig(SimpleNamespace(model_type="mine", trained_rig="kitti")) == CameraRig.load("kitti")
    assert trained_rig(SimpleNamespace(model_type="alpamayo_r1", trained_rig=None)) is None
    for name in ("../../etc/rig.yaml", 3):
        with pytest.raises(RigError, match="needed the name of one of the package's rigs"):
            trained_rig(SimpleNamespace(trained_rig=name))


# Any rig plans ------------------------------------------------------------------------------------------------------


def view(camera: RigCamera, height: int, width: int) -> CameraFrames:
    rng = np.random.default_rng(camera.camera_id)
    images = rng.integers(0, 255, (2, height, width, 3), np.uint8)
    return CameraFrames(camera.camera_id, camera.name, images, (0, 100_000_000))


@pytest.fixture(scope="module")
def trained_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model whose config names the rig of its training."""
    folder = tmp_path_factory.mktemp("trained_model")
    build_small_model(folder, seed=0, hidden_size=64, num_layers=2)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"trained_rig": "nvidia_4_camera"}))
    return folder


@pytest.fixture(scope="module")
def planner(trained_model_dir: Path) -> Planner:
    return Planner.from_pretrained(
        str(trained_model_dir), device="cpu", settings=PlannerSettings(max_reasoning_tokens=4)
    )


def test_a_checkpoint_says_what_it_was_trained_with(planner: Planner) -> None:
    assert trained_rig(planner.model.config) == NVIDIA


@pytest.mark.parametrize("sizes", [[(64, 96)], [(37, 125), (64, 64)], [(48, 64), (64, 96), (90, 160), (33, 250)]])
def test_fewer_cameras_of_any_size_give_a_plan(planner: Planner, sizes: list[tuple[int, int]]) -> None:
    cameras = tuple(view(camera, *size) for camera, size in zip(NVIDIA.cameras, sizes, strict=False))
    history = np.zeros((16, 3), np.float32)
    history[:, 0] = np.arange(-15, 1)
    plan = planner.plan(
        Observation(10**18, cameras, history, np.tile(np.eye(3, dtype=np.float32), (16, 1, 1))), num_samples=2, seed=1
    )
    assert plan.xyz.shape == (2, 64, 3)
    assert np.isfinite(plan.xyz).all()
    assert plan.num_prompt_tokens > 2 * len(sizes)


@pytest.mark.parametrize(
    ("fields", "frames"),
    [
        ({"trained_rig": "simulation"}, (2, 0.8)),
        ({"trained_rig": None}, (4, 0.1)),
        ({"model_type": "alpamayo_r1"}, (4, 0.1)),
        ({"trained_rig": "kitti"}, (4, 0.1)),
    ],
)
def test_frames_are_those_of_the_training(fields: dict[str, str | None], frames: tuple[int, float]) -> None:
    assert trained_frames(SimpleNamespace(**fields)) == frames
