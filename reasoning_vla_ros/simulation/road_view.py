"""Pictures of a road from a vehicle: a pinhole camera and flat-coloured polygons drawn from far to near."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reasoning_vla_ros.simulation.road import Road

SIGHT_M = 160.0
NEAR_M = 0.6
LANE_WIDTH_M = 3.5
RIGHT_EDGE_M, LANE_BORDER_M, LEFT_EDGE_M = -0.5 * LANE_WIDTH_M, 0.5 * LANE_WIDTH_M, 1.5 * LANE_WIDTH_M
LINE_WIDTH_M = 0.15
DASH_M, DASH_PERIOD_M = 3.0, 9.0
GRASS_BAND_M = 8.0

_Color = tuple[int, int, int]
_Box = tuple[float, float, float, float, _Color]
_ASPHALT: _Color = (78, 79, 82)
_PAINT: _Color = (226, 226, 220)
_GRASS: tuple[_Color, _Color] = ((92, 128, 62), (84, 119, 57))
_HILLS: _Color = (98, 116, 122)


@dataclass(frozen=True)
class PinholeCamera:
    """A level camera that looks along base_link's x axis. Sizes in pixels, `xyz_in_base` in metres."""

    width: int = 640
    height: int = 360
    horizontal_fov_deg: float = 70.0
    xyz_in_base: tuple[float, float, float] = (1.6, 0.0, 1.4)

    @property
    def focal_px(self) -> float:
        return 0.5 * self.width / float(np.tan(np.deg2rad(self.horizontal_fov_deg) / 2))

    @property
    def projection(self) -> NDArray[np.float64]:
        """CameraInfo's P, float64 [3, 4]."""
        f = self.focal_px
        return np.array([[f, 0, self.width / 2, 0], [0, f, self.height / 2, 0], [0, 0, 1, 0]], dtype=np.float64)

    def project(self, xyz_in_base: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels and depth (u, v, metres) [..., 3] of points [..., 3] in base_link."""
        forward, left, up = np.moveaxis(xyz_in_base - np.array(self.xyz_in_base), -1, 0)
        depth = np.where(np.abs(forward) < 1e-6, 1e-6, forward)
        u = self.width / 2 - self.focal_px * left / depth
        v = self.height / 2 - self.focal_px * up / depth
        return np.stack([u, v, forward], axis=-1)


@dataclass(frozen=True)
class Upright:
    """A flat thing that stands on the ground facing the camera.

    Attributes:
        s_m, left_m: where it stands along and beside the centre line, metres.
        boxes: (left, bottom, width, height, colour) each, metres from where it stands.
        crown: an ellipse of the same make over the boxes, or None.
    """

    s_m: float
    left_m: float
    boxes: tuple[_Box, ...]
    crown: _Box | None = None


LEAD_VEHICLE_BOXES: tuple[_Box, ...] = (
    (0.0, 0.0, 1.9, 0.35, (25, 25, 27)),
    (0.0, 0.3, 1.8, 0.75, (128, 34, 38)),
    (0.0, 1.0, 1.5, 0.5, (104, 26, 30)),
    (0.0, 1.03, 1.3, 0.38, (52, 62, 72)),
    (0.72, 0.7, 0.28, 0.16, (236, 60, 48)),
    (-0.72, 0.7, 0.28, 0.16, (236, 60, 48)),
)


def roadside(length_m: float, rng: np.random.Generator) -> tuple[Upright, ...]:
    """Posts every 25 m on both sides, and trees."""
    post = ((0.0, 0.0, 0.12, 1.0, (232, 232, 228)), (0.0, 0.65, 0.12, 0.2, (40, 40, 42)))
    things = [
        Upright(float(s_m), left_m, post)
        for s_m in np.arange(5.0, length_m, 25.0)
        for left_m in (RIGHT_EDGE_M - 1.2, LEFT_EDGE_M + 1.2)
    ]
    for s_m in np.arange(8.0, length_m, 7.0):
        height_m, crown_m = rng.uniform(4.0, 9.0), rng.uniform(2.0, 4.5)
        away_m = rng.uniform(4.0, 22.0)
        left_m = LEFT_EDGE_M + away_m if rng.random() < 0.5 else RIGHT_EDGE_M - away_m
        green = int(rng.integers(70, 108))
        trunk = (0.0, 0.0, 0.35, 0.45 * height_m, (84, 66, 48))
        crown = (0.0, 0.3 * height_m, crown_m, 0.7 * height_m, (38 + green // 4, green, 44))
        things.append(Upright(float(s_m + rng.uniform(0.0, 6.0)), float(left_m), (trunk,), crown))
    return tuple(things)


@dataclass(frozen=True)
class RoadView:
    """Draws a road and what stands beside it."""

    road: Road
    camera: PinholeCamera
    uprights: tuple[Upright, ...]
    _sky: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        up = np.linspace(0.0, 1.0, self.camera.height)[:, None, None]
        sky = (1 - up) * np.array([118, 160, 208]) + up * np.array([226, 232, 236])
        pixels = np.broadcast_to(sky, (self.camera.height, self.camera.width, 3)).astype(np.uint8)
        object.__setattr__(self, "_sky", Image.fromarray(np.ascontiguousarray(pixels)))

    def render(
        self, xy: NDArray[np.float64], yaw_rad: float, s_m: float, vehicles: tuple[Upright, ...] = ()
    ) -> NDArray[np.uint8]:
        """The picture from base_link at `xy` (metres) and `yaw_rad`.

        Args:
            xy, yaw_rad: pose in the road's frame.
            s_m: arc length that the vehicle is at, where the drawing starts.
            vehicles: things on the road at this instant.

        Returns:
            uint8 [H, W, 3], RGB.
        """
        image = self._sky.copy()
        canvas = _Canvas(ImageDraw.Draw(image), self.road, self.camera, xy, yaw_rad)
        canvas.draw_hills()
        first_band = int(s_m // GRASS_BAND_M)
        for band in range(first_band + int(SIGHT_M // GRASS_BAND_M), first_band - 1, -1):
            canvas.draw_strip(band * GRASS_BAND_M, (band + 1) * GRASS_BAND_M, -70.0, 70.0, _GRASS[band % 2])
        end_m = s_m + SIGHT_M
        canvas.draw_strip(s_m, end_m, RIGHT_EDGE_M - 0.3, LEFT_EDGE_M + 0.3, _ASPHALT)
        for left_m in (RIGHT_EDGE_M, LEFT_EDGE_M):
            canvas.draw_strip(s_m, end_m, left_m - LINE_WIDTH_M / 2, left_m + LINE_WIDTH_M / 2, _PAINT)
        for dash_m in np.arange(s_m // DASH_PERIOD_M * DASH_PERIOD_M, s_m + 0.6 * SIGHT_M, DASH_PERIOD_M):
            left_m = LANE_BORDER_M
            canvas.draw_strip(dash_m, dash_m + DASH_M, left_m - LINE_WIDTH_M / 2, left_m + LINE_WIDTH_M / 2, _PAINT)
        visible = [thing for thing in (*self.uprights, *vehicles) if s_m < thing.s_m < end_m]
        for thing in sorted(visible, key=lambda thing: -thing.s_m):
            canvas.draw_upright(thing)
        return np.asarray(image)


@dataclass(frozen=True)
class _Canvas:
    """One picture in the making."""

    draw: ImageDraw.ImageDraw
    road: Road
    camera: PinholeCamera
    xy: NDArray[np.float64]
    yaw_rad: float

    def draw_hills(self) -> None:
        """A skyline that depends on the bearing only, so that turning shows in the distance; grass below it."""
        columns = np.linspace(0, self.camera.width, 65)
        bearing = self.yaw_rad - np.arctan((columns - self.camera.width / 2) / self.camera.focal_px)
        rise = 0.035 + 0.015 * np.sin(5 * bearing + 1.0) + 0.01 * np.sin(13 * bearing) + 0.005 * np.sin(29 * bearing)
        horizon = self.camera.height / 2
        skyline = horizon - self.camera.focal_px * rise
        ground = [(self.camera.width, horizon), (0.0, horizon)]
        self.draw.polygon([*zip(columns.tolist(), skyline.tolist(), strict=True), *ground], fill=_HILLS)
        self.draw.rectangle((0, horizon, self.camera.width, self.camera.height), fill=_GRASS[0])

    def draw_strip(self, from_m: float, to_m: float, right_m: float, left_m: float, color: _Color) -> None:
        """Ground between two arc lengths and two offsets from the centre line."""
        s_m = np.linspace(from_m, to_m, max(2, int(to_m - from_m) + 1))
        right, left = (self._project(self.road.points(s_m, offset_m)) for offset_m in (right_m, left_m))
        outline = np.concatenate([right[right[:, 2] > NEAR_M], left[left[:, 2] > NEAR_M][::-1]])
        if len(outline) >= 3:
            self.draw.polygon([(float(u), float(v)) for u, v, _ in outline], fill=color)

    def draw_upright(self, thing: Upright) -> None:
        u, v, depth = self._project(self.road.points(np.asarray(thing.s_m), thing.left_m))
        if depth <= NEAR_M:
            return
        scale = self.camera.focal_px / depth
        for box in (*thing.boxes, *([thing.crown] if thing.crown else [])):
            left_m, bottom_m, width_m, height_m, color = box
            center, bottom = u - scale * left_m, v - scale * bottom_m
            half = scale * width_m / 2
            draw = self.draw.ellipse if box is thing.crown else self.draw.rectangle
            draw((center - half, bottom - scale * height_m, center + half, bottom), fill=color)

    def _project(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels and depth [..., 3] of ground points [..., 2] of the road's frame."""
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        x, y = np.moveaxis(xy - self.xy, -1, 0)
        return self.camera.project(np.stack([cos * x + sin * y, cos * y - sin * x, np.zeros_like(x)], axis=-1))
