"""What the ego's front camera has in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sight:
    """The view of a level camera that looks ahead.

    Attributes:
        horizontal_fov_deg: of the camera, minus a margin where a vehicle would be cut.
        range_m: how far a vehicle is told from the background: at 384 pixels and 100°, a car 80 m away is 4 pixels
            wide.
        camera_forward_m: from base_link.
    """

    horizontal_fov_deg: float = 96.0
    range_m: float = 80.0
    camera_forward_m: float = 1.6

    def sees(
        self,
        ego_xy: NDArray[np.float64],
        ego_yaw_rad: float,
        corners: NDArray[np.float64],
        center: NDArray[np.float64],
    ) -> bool:
        """Whether the centre or two corners [4, 2] of a thing are in view; any one frame for all, y up or down."""
        cos, sin = np.cos(ego_yaw_rad), np.sin(ego_yaw_rad)
        delta = np.vstack([corners, center]) - ego_xy
        forward = cos * delta[:, 0] + sin * delta[:, 1] - self.camera_forward_m
        side = np.abs(cos * delta[:, 1] - sin * delta[:, 0])
        in_view = (forward > 0.5) & (side < forward * np.tan(np.deg2rad(self.horizontal_fov_deg) / 2))
        return bool(forward[4] < self.range_m and (in_view[4] or in_view[:4].sum() >= 2))
