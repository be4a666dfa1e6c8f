"""How wide a camera sees, by its lens model.

pinhole: OpenCV's and ROS's plumb_bob or rational_polynomial. fisheye: J. Kannala, S. Brandt, "A Generic Camera Model
and Calibration Method for Conventional, Wide-Angle, and Fish-Eye Lenses" (PAMI 2006), as in OpenCV and as ROS's
"equidistant". ftheta: NVIDIA's, the ray's angle as a polynomial of the pixel's distance from the principal point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Numbers of coefficients that each model may have.
DISTORTION_LENGTHS: dict[str, tuple[int, ...]] = {
    "pinhole": (0, 4, 5, 8),
    "fisheye": (4,),
    "ftheta": tuple(range(2, 11)),
}


@dataclass(frozen=True)
class Intrinsics:
    """A camera's lens; None is unknown.

    Attributes:
        model: pinhole, fisheye or ftheta.
        fx, fy, cx, cy: focal lengths and principal point, pixels; ftheta has no focal lengths.
        distortion: pinhole: k1, k2, p1, p2, k3, ... as in sensor_msgs/CameraInfo, none for a rectified image; fisheye:
            k1 to k4; ftheta: polynomial from pixels to radians, constant first.
        nominal_horizontal_fov_deg: what the maker says; counts where the rest does not give it.

    Raises:
        ValueError: an unknown model, or a number of coefficients that the model does not have.
    """

    model: str
    fx: float | None = None
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    distortion: tuple[float, ...] | None = None
    nominal_horizontal_fov_deg: float | None = None

    def __post_init__(self) -> None:
        if self.model not in DISTORTION_LENGTHS:
            raise ValueError(f"model is {self.model!r}, needed one of {', '.join(DISTORTION_LENGTHS)}")
        lengths = DISTORTION_LENGTHS[self.model]
        if self.distortion is not None and len(self.distortion) not in lengths:
            needed = ", ".join(map(str, lengths))
            raise ValueError(
                f"distortion has {len(self.distortion)} coefficients, a {self.model} lens needs one of {needed}"
            )


def horizontal_fov_deg(lens: Intrinsics, width: int | None) -> float | None:
    """Angle between the rays of the first and the last column, at the height of the principal point, degrees.

    By the calibration where that is whole, else the maker's figure; None where neither is known. A pinhole's distortion
    is left out: it moves the figure by less than the lens models differ.

    Args:
        lens: the camera's lens.
        width: of its images, pixels.
    """
    if width is not None and lens.cx is not None:
        left, right = _angle_rad(lens, lens.cx), _angle_rad(lens, width - lens.cx)
        if left is not None and right is not None:
            return math.degrees(left + right)
    return lens.nominal_horizontal_fov_deg


def _angle_rad(lens: Intrinsics, distance_px: float) -> float | None:
    """Angle between the optical axis and the ray of a pixel so far beside the principal point."""
    if lens.model == "ftheta":
        return None if lens.distortion is None else float(np.polynomial.Polynomial(lens.distortion)(distance_px))
    if lens.fx is None:
        return None
    if lens.model == "pinhole":
        return math.atan(distance_px / lens.fx)
    return None if lens.distortion is None else _fisheye_angle_rad(distance_px / lens.fx, lens.distortion)


def _fisheye_angle_rad(bent: float, coefficients: tuple[float, ...]) -> float:
    """The angle whose bent angle is the given one; the widest that the model has where it has none so wide."""
    angles = np.linspace(0.0, math.pi, 3142)
    k1, k2, k3, k4 = coefficients
    squares = angles**2
    bents = angles * (1 + squares * (k1 + squares * (k2 + squares * (k3 + squares * k4))))
    turns_back = np.diff(bents) <= 0
    end = int(turns_back.argmax()) + 1 if turns_back.any() else len(angles)
    return float(np.interp(bent, bents[:end], angles[:end]))
