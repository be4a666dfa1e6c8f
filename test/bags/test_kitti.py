"""KITTI sequences as bags: the real one, and made-up folders with every fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage
from scipy.spatial.transform import Rotation

from reasoning_vla_ros.bags import BagError, BagReader
from reasoning_vla_ros.bags.kitti import DEFAULT_START_NS, KittiError, KittiImport, import_kitti
from reasoning_vla_ros.messages.images import image_to_rgb
from reasoning_vla_ros.messages.odometry import StampedPose, ego_pose_from_odometry
from reasoning_vla_ros.messages.stamps import stamp_to_ns

FOCAL_PX, BASELINE_M, COLOR_OFFSET_M = 50.0, 0.5, 0.06


def messages(path: Path, *topics: str) -> list[Any]:
    with BagReader(path) as reader:
        return [msg for _, _, msg in reader.messages(topics or None)]


def poses(path: Path) -> list[StampedPose]:
    return [ego_pose_from_odometry(msg) for msg in messages(path, "/odometry")]


@pytest.fixture(scope="module")
def real_import(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> KittiImport:
    return import_kitti(test_data / "kitti_06_head", tmp_path_factory.mktemp("kitti") / "kitti_06.mcap")


def test_real_sequence_is_complete(real_import: KittiImport) -> None:
    with BagReader(real_import.path) as reader:
        counts = {topic: info.count for topic, info in reader.topics.items()}
    assert counts == {
        "/camera/front/image": 51,
        "/camera/front/camera_info": 51,
        "/odometry": 1101,
        "/tf": 1101,
        "/tf_static": 1,
    }
    assert (real_import.num_images, real_import.num_right_images, real_import.num_poses) == (51, 0, 1101)
    assert real_import.start_ns == DEFAULT_START_NS
    assert 1200 < real_import.length_m < 1250  # KITTI gives 1.2 km for sequence 06


def test_real_sequence_drives_forward_along_x(real_import: KittiImport) -> None:
    track = poses(real_import.path)
    xyz = np.array([pose.xyz for pose in track])
    np.testing.assert_allclose(xyz[0], 0.0, atol=1e-9)
    np.testing.assert_allclose(track[0].quat_xyzw, [0, 0, 0, 1], atol=1e-9)
    assert (np.diff(xyz[:50, 0]) > 1.0).all()  # more than 10 m/s
    assert np.abs(xyz[:50, 1]).max() < 0.05 * xyz[49, 0]
    speeds = np.array([msg.twist.twist.linear.x for msg in messages(real_import.path, "/odometry")])
    steps = np.linalg.norm(xyz[2:] - xyz[:-2], axis=1)
    seconds = (
        np.array([later.stamp_ns - earlier.stamp_ns for earlier, later in zip(track, track[2:], strict=False)]) / 1e9
    )
    np.testing.assert_allclose(speeds[1:-1], steps / seconds, rtol=0.02)


def test_real_poses_agree_with_the_published_ones(real_import: KittiImport, test_data: Path) -> None:
    published = np.loadtxt(test_data / "kitti_06_head" / "poses_full_06.txt").reshape(-1, 3, 4)
    xyz = np.array([pose.xyz for pose in poses(real_import.path)])
    rotations = Rotation.from_quat([pose.quat_xyzw for pose in poses(real_import.path)])
    camera = xyz + rotations.apply([0.0, 0.0, 1.65]) - [0.0, 0.0, 1.65]
    np.testing.assert_allclose(camera[:, 0], published[:, 2, 3], atol=1e-4)
    np.testing.assert_allclose(camera[:, 1], -published[:, 0, 3], atol=1e-4)
    np.testing.assert_allclose(camera[:, 2], -published[:, 1, 3], atol=1e-4)


def test_real_left_turns_raise_the_yaw(real_import: KittiImport, test_data: Path) -> None:
    published = np.loadtxt(test_data / "kitti_06_head" / "poses_full_06.txt").reshape(-1, 3, 4)
    # The forward axis of the camera turning towards its -x is a turn to the left.
    yaw = np.unwrap(np.arctan2(-published[:, 0, 2], published[:, 2, 2]))
    rates = np.array([msg.twist.twist.angular.z for msg in messages(real_import.path, "/odometry")])
    times_s = np.array([pose.stamp_ns for pose in poses(real_import.path)]) / 1e9
    expected = np.gradient(yaw, times_s - times_s[0])
    assert np.abs(expected).max() > 0.3
    assert np.corrcoef(rates, expected)[0, 1] > 0.99


def test_real_ground_ahead_lies_in_the_lower_half_of_the_picture(real_import: KittiImport) -> None:
    (transform,) = messages(real_import.path, "/tf_static")[0].transforms
    info = messages(real_import.path, "/camera/front/camera_info")[0]
    assert (transform.header.frame_id, transform.child_frame_id) == ("base_link", info.header.frame_id)
    q, p = transform.transform.rotation, transform.transform.translation
    camera_in_base = Rotation.from_quat([q.x, q.y, q.z, q.w])
    columns, rows = [], []
    for forward_m, left_m in ((10.0, 0.0), (10.0, 2.0), (30.0, 0.0)):
        point = camera_in_base.inv().apply(np.array([forward_m, left_m, 0.0]) - [p.x, p.y, p.z])
        u, v, w = info.p.reshape(3, 4) @ [*point, 1.0]
        columns.append(u / w)
        rows.append(v / w)
    assert info.height / 2 < rows[2] < rows[0] < info.height
    assert 0 < columns[1] < columns[0] < info.width  # left of base_link is left in the picture


def test_real_pictures_are_grey_and_stamped(real_import: KittiImport, test_data: Path) -> None:
    images = messages(real_import.path, "/camera/front/image")
    track = poses(real_import.path)
    assert [stamp_to_ns(msg.header.stamp) for msg in images] == [pose.stamp_ns for pose in track[:51]]
    assert {(msg.encoding, msg.width, msg.height) for msg in images} == {("mono8", 1226, 370)}
    with PilImage.open(test_data / "kitti_06_head" / "image_l" / "000050.png") as expected:
        np.testing.assert_array_equal(image_to_rgb(images[50])[..., 1], np.asarray(expected))


def projection(offset_m: float) -> str:
    """P of a camera `offset_m` to the right of camera 0, as a row of text."""
    matrix = [FOCAL_PX, 0, 20, -FOCAL_PX * offset_m, 0, FOCAL_PX, 10, 0, 0, 0, 1, 0]
    return " ".join(f"{value:.6e}" for value in matrix)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A made-up sequence: a left turn of 0.1 rad a frame at 1 m a frame, colour stereo, labelled calibration."""

    def make(left: str = "image_2", right: str | None = "image_3", mode: str = "RGB", frames: int = 3) -> Path:
        folder = tmp_path / "sequences" / "07"
        for number, name in enumerate(name for name in (left, right) if name):
            (folder / name).mkdir(parents=True)
            for frame in range(frames):
                pixels = np.full((20, 40, 3), 60 * number + frame, np.uint8)
                PilImage.fromarray(pixels).convert(mode).save(folder / name / f"{frame:06d}.png")
        offsets = (0.0, BASELINE_M, -COLOR_OFFSET_M, BASELINE_M - COLOR_OFFSET_M)
        lines = [f"P{number}: {projection(offset_m)}" for number, offset_m in enumerate(offsets)]
        (folder / "calib.txt").write_text("\n".join([*lines, f"Tr: {projection(0)}"]) + "\n")
        (folder / "times.txt").write_text("\n".join(f"{0.1 * frame:.6e}" for frame in range(5)) + "\n")
        rows = []
        for frame in range(5):
            yaw = 0.1 * frame
            forward, right_m = 10 * np.sin(yaw), -10 * (1 - np.cos(yaw))
            rotation = Rotation.from_euler("y", -yaw).as_matrix()  # y points down
            rows.append(np.column_stack([rotation, [right_m, 0.0, forward]]).reshape(-1))
        np.savetxt(folder / "poses.txt", rows)
        return folder

    return make


def test_colour_stereo(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    summary = import_kitti(make_folder(), tmp_path / "bag", camera_height_m=1.5, start_ns=10**9)
    assert (summary.num_images, summary.num_right_images, summary.num_poses) == (3, 3, 5)
    assert (summary.start_ns, summary.end_ns) == (10**9, 1_400_000_000)
    left, right = (messages(tmp_path / "bag", f"/camera/{name}/image") for name in ("front", "front_right"))
    assert [msg.encoding for msg in (*left, *right)] == ["rgb8"] * 6
    assert (int(image_to_rgb(left[1])[0, 0, 0]), int(image_to_rgb(right[1])[0, 0, 0])) == (1, 61)
    infos = [messages(tmp_path / "bag", f"/camera/{name}/camera_info")[0] for name in ("front", "front_right")]
    assert infos[0].p[3] == pytest.approx(0.0, abs=1e-9)
    assert infos[1].p[3] == pytest.approx(-FOCAL_PX * BASELINE_M)
    transforms = messages(tmp_path / "bag", "/tf_static")[0].transforms
    offsets = [(t.transform.translation.x, t.transform.translation.y, t.transform.translation.z) for t in transforms]
    np.testing.assert_allclose(offsets, [(0, COLOR_OFFSET_M, 1.5), (0, COLOR_OFFSET_M - BASELINE_M, 1.5)], atol=1e-9)
    assert [t.child_frame_id for t in transforms] == [info.header.frame_id for info in infos]


def test_a_left_turn_goes_to_positive_y_with_positive_yaw(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    import_kitti(make_folder(), tmp_path / "bag")
    track = poses(tmp_path / "bag")
    yaw = [2 * np.arctan2(pose.quat_xyzw[2], pose.quat_xyzw[3]) for pose in track]
    np.testing.assert_allclose(yaw, 0.1 * np.arange(5), atol=1e-9)
    np.testing.assert_allclose([pose.xyz[1] for pose in track], 10 * (1 - np.cos(0.1 * np.arange(5))), atol=1e-9)
    twists = [msg.twist.twist for msg in messages(tmp_path / "bag", "/odometry")]
    np.testing.assert_allclose([twist.angular.z for twist in twists], 1.0, atol=1e-9)
    np.testing.assert_allclose([twist.linear.x for twist in twists[1:-1]], 10.0, rtol=0.01)
    np.testing.assert_allclose([twist.linear.y for twist in twists[1:-1]], 0.0, atol=1e-9)


def test_transforms_equal_the_odometry(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    import_kitti(make_folder(), tmp_path / "bag")
    for odometry, tf in zip(messages(tmp_path / "bag", "/odometry"), messages(tmp_path / "bag", "/tf"), strict=True):
        (transform,) = tf.transforms
        assert (transform.header, transform.child_frame_id) == (odometry.header, odometry.child_frame_id)
        position, translation = odometry.pose.pose.position, transform.transform.translation
        assert (position.x, position.y, position.z) == (translation.x, translation.y, translation.z)
        assert transform.transform.rotation == odometry.pose.pose.orientation


def test_a_poses_folder_beside_the_sequences(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder()
    (tmp_path / "poses").mkdir()
    (folder / "poses.txt").rename(tmp_path / "poses" / "07.txt")
    assert import_kitti(folder, tmp_path / "bag").num_poses == 5


def test_progress_is_reported(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    import_kitti(make_folder(), tmp_path / "bag", on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(1, 6)]


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(change((folder / name).read_text())) and None


def replace_row(text: str, index: int, row: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[:index], row, *lines[index + 1 :]]) + "\n"


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no times": (lambda f: (f / "times.txt").unlink(), r"no times file, needed one of times_full\*\.txt, times\.txt"),
    "no poses": (lambda f: (f / "poses.txt").unlink(), "no poses file"),
    "no calibration": (lambda f: (f / "calib.txt").unlink(), r"calib\.txt does not exist"),
    "no images": (lambda f: (f / "image_2").rename(f / "image_9"), "no left images in image_2 or image_0 or image_l"),
    "two times": (lambda f: [(f / f"times_full_{n}.txt").write_text("0") for n in "ab"], "has several times files"),
    "short pose": (
        edit("poses.txt", lambda text: text.replace(" ", "\n", 1)),
        r"row 1: needed 12 finite numbers, got 1",
    ),
    "word in pose": (edit("poses.txt", lambda text: "x" + text), "poses.txt row 1: needed 12 numbers, got 'x1"),
    "NaN in times": (edit("times.txt", lambda text: text + "nan\n"), "times.txt row 6: needed 1 finite numbers"),
    "times go back": (edit("times.txt", lambda text: text + "0.2\n"), "times must increase, row 6 holds 0.2 after 0.4"),
    "no rows": (edit("poses.txt", lambda _: ""), "poses.txt is empty, needed rows of 12 numbers"),
    "one pose": (edit("poses.txt", lambda text: text.splitlines()[0]), "has 1 poses, needed at least 2"),
    "more poses than times": (
        edit("times.txt", lambda text: text[: text.rindex("3.")]),
        r"has 5 poses, .* which is 3",
    ),
    "matrix missing": (
        edit("calib.txt", lambda text: text.replace("P3", "X3")),
        r"needed .* P3, it has P0, P1, P2",
    ),
    "right images missing": (
        lambda f: (f / "image_3" / "000002.png").unlink(),
        r"3 images .* 2 in image_3.* frame 2",
    ),
    "image without time": (
        lambda f: [(f / name / "000002.png").rename(f / name / "000007.png") for name in ("image_2", "image_3")],
        "image of frame 7, but only 5 frames have a time",
    ),
    "stranger": (
        lambda f: (f / "image_2" / "cover.png").write_bytes(b""),
        r"named by .* number .* got cover.png",
    ),
    "empty folder": (
        lambda f: [file.unlink() for file in (f / "image_2").iterdir()],
        r"has no images, needed files",
    ),
    "cut image": (
        lambda f: (f / "image_2" / "000001.png").write_bytes((f / "image_2" / "000001.png").read_bytes()[:60]),
        "000001.png is not a readable image",
    ),
    "zero projection": (
        edit("calib.txt", lambda text: re.sub(r"P2: .*", "P2: " + " ".join(["0"] * 12), text)),
        r"calib\.txt row 3: needed P2 with positive focal lengths and determinant, got \[0\.0, ",
    ),
    "zero pose": (
        edit("poses.txt", lambda text: replace_row(text, 1, "0 0 0 1 0 0 0 2 0 0 0 3")),
        r"poses\.txt row 2: needed a rotation .* got determinant 0",
    ),
    "mirrored pose behind a blank line": (
        edit("poses.txt", lambda text: "\n" + replace_row(text, 2, "-1 0 0 0 0 1 0 0 0 0 1 0")),
        r"poses\.txt row 4: needed a rotation .* got determinant -1",
    ),
    "scaled pose": (
        edit("poses.txt", lambda text: replace_row(text, 0, "2 0 0 0 0 2 0 0 0 0 2 0")),
        r"poses\.txt row 1: needed a rotation .* off orthonormal by 3",
    ),
    "other letters in the calibration": (
        lambda f: (f / "calib.txt").write_bytes(b"P0: \xff\xfe"),
        r"calib\.txt cannot be read as ASCII text",
    ),
    "other letters in the times": (
        lambda f: (f / "times.txt").write_text("0.0\n\N{DEGREE SIGN}", encoding="utf-8"),
        r"times\.txt cannot be read as ASCII text",
    ),
    "images of two sizes": (
        lambda f: PilImage.new("RGB", (41, 20)).save(f / "image_2" / "000001.png"),
        r"image_2/000001\.png has 41 x 20 pixels, needed 40 x 20",
    ),
    "colour map": (
        lambda f: PilImage.new("P", (4, 4)).save(f / "image_2" / "000001.png"),
        "pixels of mode P, needed 8-bit grey",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_and_leave_no_bag(fault: str, make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder()
    inflict, needed = FAULTS[fault]
    inflict(folder)
    with pytest.raises(KittiError, match=needed) as error:
        import_kitti(folder, tmp_path / "bag")
    assert re.search("sequences/07", str(error.value))
    assert isinstance(error.value, BagError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sequences"]


def test_an_absent_folder_and_a_bad_height(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(KittiError, match="nowhere does not exist"):
        import_kitti(tmp_path / "nowhere", tmp_path / "bag")
    folder = make_folder()
    for height_m in (0.0, float("inf"), float("nan")):
        with pytest.raises(KittiError, match=f"camera_height_m must be positive and finite, got {height_m}"):
            import_kitti(folder, tmp_path / "bag", camera_height_m=height_m)
    with pytest.raises(KittiError, match="no left images in image_7"):
        import_kitti(tmp_path / "sequences" / "07", tmp_path / "bag", camera="image_7")
