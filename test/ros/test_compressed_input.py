"""Compressed images, whole and damaged, and plans in the vehicle's frame."""

from __future__ import annotations

import array
import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("reasoning_vla_ros.msg", reason="ROS 2 or the built package is absent")

RIG_PARAMETERS = {"image_transport": "compressed", "output_frame": "base_link", "base_frame": "rear_axle"}


@pytest.fixture(autouse=True)
def jpeg_images(rig) -> None:
    """The rig sends JPEG files."""
    file = io.BytesIO()
    Image.fromarray(np.full((24, 32, 3), 128, np.uint8)).save(file, "JPEG")
    data = array.array("B", file.getvalue())
    rig.image = lambda stamp_ns, data=data: rig.types.CompressedImage(
        header=rig.header(stamp_ns, "camera"), format="jpeg", data=data
    )
    rig.jpeg = data


def test_plan_in_the_vehicle_frame(active) -> None:
    msg = active.plan_again()
    assert msg.header.frame_id == active.wait_for_output("path", active.stamp_ns(msg)).header.frame_id == "rear_axle"
    first = msg.candidates[0].points[0].pose.position
    assert (first.x, first.y) == pytest.approx((1.0, 0.0), abs=1e-3)
    assert active.planner.observations[-1].cameras[0].images.shape == (4, 24, 32, 3)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: data[: len(data) // 2], "damaged JPEG"),
        (lambda data: data[:2] + data[2:][::-1], "needed"),
        (lambda data: data[:0], "0 bytes"),
    ],
    ids=["cut", "garbled", "empty"],
)
def test_damaged_jpeg(active, damage, text: str) -> None:
    active._send("front", active.image(active.next_ns, data=damage(active.jpeg)))
    active.wait_for_status("camera front", text, "needed")
    assert not active.heard["plan"]
    assert active.plan_again().status == 0
