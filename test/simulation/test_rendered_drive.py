"""The drive that the project renders itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.bags import BagExistsError, BagReader
from reasoning_vla_ros.messages.images import image_to_rgb
from reasoning_vla_ros.messages.odometry import StampedPose, ego_pose_from_odometry
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.simulation.rendered_drive import RenderedDrive, render_drive
from reasoning_vla_ros.simulation.road_view import PinholeCamera

SMALL = PinholeCamera(width=160, height=90)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> RenderedDrive:
    return render_drive(tmp_path_factory.mktemp("drive") / "drive.mcap", seed=3, duration_s=8.0, camera=SMALL)


def messages(path: Path, *topics: str) -> list[Any]:
    with BagReader(path) as reader:
        return [msg for _, _, msg in reader.messages(topics or None)]


def poses(path: Path) -> list[StampedPose]:
    return [ego_pose_from_odometry(msg) for msg in messages(path, "/odometry")]


def test_topics_and_rates(drive: RenderedDrive) -> None:
    with BagReader(drive.path) as reader:
        assert {topic: (info.msg_type, info.count) for topic, info in reader.topics.items()} == {
            "/camera/front/image": ("sensor_msgs/msg/Image", 81),
            "/camera/front/camera_info": ("sensor_msgs/msg/CameraInfo", 81),
            "/odometry": ("nav_msgs/msg/Odometry", 401),
            "/tf": ("tf2_msgs/msg/TFMessage", 401),
            "/tf_static": ("tf2_msgs/msg/TFMessage", 1),
        }
        assert (reader.start_ns, reader.end_ns) == (drive.start_ns, drive.end_ns)
        stamped = [(ns, stamp_to_ns(msg.header.stamp)) for _, ns, msg in reader.messages(["/odometry"])]
    assert (drive.num_images, drive.num_poses) == (81, 401)
    assert all(log_ns == header_ns for log_ns, header_ns in stamped)
    assert {later - earlier for (earlier, _), (later, _) in itertools.pairwise(stamped)} == {20_000_000}


def test_the_same_seed_gives_the_same_messages(drive: RenderedDrive, tmp_path: Path) -> None:
    again = render_drive(tmp_path / "again.mcap", seed=3, duration_s=8.0, camera=SMALL)
    other = render_drive(tmp_path / "other.mcap", seed=4, duration_s=8.0, camera=SMALL)
    first_track, second_track = (repr(messages(path, "/odometry")) for path in (drive.path, again.path))
    assert first_track == second_track
    first, second, different = (
        np.stack([image_to_rgb(msg) for msg in messages(path, "/camera/front/image")])
        for path in (drive.path, again.path, other.path)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, different)


def test_poses_follow_a_unicycle(drive: RenderedDrive) -> None:
    track = poses(drive.path)
    odometry = messages(drive.path, "/odometry")
    xyz = np.array([pose.xyz for pose in track])
    yaw = np.unwrap([2 * np.arctan2(pose.quat_xyzw[2], pose.quat_xyzw[3]) for pose in track])
    speed = np.array([msg.twist.twist.linear.x for msg in odometry])
    rate = np.array([msg.twist.twist.angular.z for msg in odometry])
    dt_s = 0.02
    direction = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    step = xyz[2:, :2] - xyz[:-2, :2]
    np.testing.assert_allclose(step, (2 * dt_s * speed[1:-1])[:, None] * direction[1:-1], atol=2e-3)
    np.testing.assert_allclose(np.gradient(yaw, dt_s)[1:-1], rate[1:-1], atol=2e-3)
    np.testing.assert_array_equal(xyz[:, 2], 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_drive_is_worth_planning(seed: int, tmp_path: Path) -> None:
    summary = render_drive(tmp_path / "drive.mcap", seed=seed, camera=PinholeCamera(width=32, height=18))
    odometry = messages(summary.path, "/odometry")
    speed = np.array([msg.twist.twist.linear.x for msg in odometry])
    rate = np.array([msg.twist.twist.angular.z for msg in odometry])
    assert speed.min() > 3.0
    assert np.ptp(speed) > 2.0  # it slows down and speeds up
    assert np.abs(np.gradient(speed, 0.02)).max() < 2.0
    assert np.abs(rate).max() > 0.03  # it turns
    assert np.abs(speed * rate).max() < 3.0  # lateral acceleration of a comfortable car
    assert 60.0 < summary.length_m < 250.0


def test_pictures_show_a_road_under_a_sky(drive: RenderedDrive) -> None:
    pictures = [image_to_rgb(msg).astype(int) for msg in messages(drive.path, "/camera/front/image")]
    assert {picture.shape for picture in pictures} == {(90, 160, 3)}
    for picture in pictures:
        top, road = picture[2, 80], picture[80, 84]
        assert top[2] > top[0] + 40  # blue
        assert np.ptp(road) < 12  # grey
        assert road.mean() < 110
    changed = [np.abs(later - earlier).mean() for earlier, later in itertools.pairwise(pictures)]
    assert min(changed) > 0.3


def test_the_camera_info_projects_the_own_lane_onto_asphalt(drive: RenderedDrive) -> None:
    info = messages(drive.path, "/camera/front/camera_info")[0]
    (transform,) = messages(drive.path, "/tf_static")[0].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == ("base_link", info.header.frame_id)
    picture = image_to_rgb(messages(drive.path, "/camera/front/image")[0]).astype(int)
    offset = transform.transform.translation
    forward_m, left_m = 6.0, 0.4
    x, y, z = -(left_m - offset.y), offset.z, forward_m - offset.x
    u, v, w = info.p.reshape(3, 4) @ [x, y, z, 1.0]
    column, row = int(u / w), int(v / w)
    assert 45 < row < 90
    assert np.ptp(picture[row, column]) < 12


def test_progress_is_reported(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    render_drive(tmp_path / "bag", duration_s=0.5, camera=SMALL, on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 6) for done in range(1, 7)]


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    for name in ("duration_s", "camera_rate_hz", "odometry_rate_hz"):
        with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
            render_drive(tmp_path / "bag", **{name: 0})  # type: ignore[arg-type]
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagExistsError):
        render_drive(tmp_path / "bag")
