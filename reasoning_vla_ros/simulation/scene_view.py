"""What a camera on the ego sees of the world: a perspective picture, painted from far to near."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.canvas import Canvas
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scene_ground import Ground
from reasoning_vla_ros.simulation.scene_light import (
    ASPHALT,
    GRASS,
    GRASS_PATCH,
    HILLS,
    PAINT,
    SHOULDER,
    WET_ASPHALT,
    Lighting,
)
from reasoning_vla_ros.simulation.scene_vehicles import draw_tree, draw_vehicle
from reasoning_vla_ros.simulation.world_state import Conditions, LaneGeometry, WorldState

SIGHT_M = 160.0
LINES_M = 90.0
PATCHES_M = 70.0
SMALL_WIDTH_PX = 400  # pictures up to this width are drawn twice as large and averaged

# Wide enough for junctions and for a car 80 m away to be 4 pixels wide; neither much sky nor the bonnet is seen.
FRONT_CAMERA = PinholeCamera(384, 96, 100.0, (1.6, 0.0, 1.4))


class SceneView:
    """Draws the world for one camera. It looks along base_link's x axis, turned by `yaw_in_base_rad` to the left.

    Nothing is drawn that does not show from outside: poses, sizes, colours and lamps.
    """

    def __init__(
        self, camera: PinholeCamera = FRONT_CAMERA, yaw_in_base_rad: float = 0.0, oversampling: int | None = None
    ) -> None:
        """A view; `oversampling` is the factor that pictures are drawn larger by, 2 for small ones and 1 for others.

        Raises:
            ValueError: an oversampling below 1.
        """
        if oversampling is not None and oversampling < 1:
            raise ValueError(f"oversampling must be at least 1, got {oversampling}")
        self.camera, self.yaw_in_base_rad = camera, yaw_in_base_rad
        self._scale = oversampling or (2 if camera.width <= SMALL_WIDTH_PX else 1)

    @property
    def intrinsics(self) -> NDArray[np.float64]:
        """CameraInfo's K, float64 [3, 3], pixels; there is no distortion."""
        return self.camera.projection[:, :3]

    @property
    def camera_in_base(self) -> NDArray[np.float64]:
        """Pose of the optical frame (x right, y down, z forward) in base_link, float64 [4, 4]."""
        cos, sin = np.cos(self.yaw_in_base_rad), np.sin(self.yaw_in_base_rad)
        pose = np.eye(4)
        pose[:3, :3] = np.array([[sin, 0.0, cos], [-cos, 0.0, sin], [0.0, -1.0, 0.0]])
        pose[:3, 3] = self.camera.xyz_in_base
        return pose

    def render(self, state: WorldState) -> NDArray[np.uint8]:
        """The picture at an instant: uint8 [H, W, 3], RGB."""
        lighting = _lighting(state.conditions)
        canvas = Canvas(self.camera, self._scale)
        ground = _ground(state.lanes)
        yaw = state.ego.yaw_rad + self.yaw_in_base_rad
        self._draw_sky(canvas, yaw, lighting)
        self._draw_ground(canvas, ground, state, lighting)
        self._draw_uprights(canvas, ground, state, lighting)
        if lighting.is_wet:
            self._draw_rain(canvas, state.time_s)
        return canvas.picture()

    def in_camera(self, xy_in_map: NDArray[np.float64], state: WorldState, up_m: float = 0.0) -> NDArray[np.float64]:
        """Points [..., 2] of the map as forward, left, up [..., 3] of the camera's level frame."""
        ego_yaw, turn = state.ego.yaw_rad, self.yaw_in_base_rad
        offset = np.array(self.camera.xyz_in_base)
        delta = np.asarray(xy_in_map, dtype=np.float64) - state.ego.xy
        cos, sin = np.cos(ego_yaw), np.sin(ego_yaw)
        base = delta @ np.array([[cos, -sin], [sin, cos]]) - offset[:2]
        if turn:
            base = base @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        return np.concatenate([base, np.full((*base.shape[:-1], 1), up_m - offset[2])], axis=-1)

    def project(self, xyz_in_map: NDArray[np.float64], state: WorldState) -> NDArray[np.float64]:
        """Pixels and depth (u, v, metres) [..., 3] of points [..., 3] of the map."""
        xyz = np.asarray(xyz_in_map, dtype=np.float64)
        points = self.in_camera(xyz[..., :2], state)
        points[..., 2] += xyz[..., 2]
        pixels = np.array([self.camera.width, self.camera.height]) / 2
        uv = pixels - self.camera.focal_px * points[..., 1:] / np.where(points[..., :1] == 0, 1e-9, points[..., :1])
        return np.concatenate([uv, points[..., :1]], axis=-1)

    def _draw_sky(self, canvas: Canvas, yaw: float, lighting: Lighting) -> None:
        horizon = canvas.height // 2
        canvas.pixels[:horizon] = _sky(lighting, horizon)[:, None]
        columns = np.linspace(0, canvas.width, 41)
        bearing = yaw - np.arctan((columns - canvas.width / 2) / canvas.focal_px)
        rise = 0.05 + 0.02 * np.sin(5 * bearing + 1.0) + 0.014 * np.sin(13 * bearing) + 0.006 * np.sin(29 * bearing)
        skyline = np.stack([columns, canvas.height / 2 - canvas.focal_px * rise], axis=1)
        foot = np.array([[canvas.width, canvas.height / 2 + 1], [0, canvas.height / 2 + 1]])
        canvas.fill_pixels([np.concatenate([skyline, foot])], tuple(lighting.seen(np.array(HILLS), 130.0).tolist()))

    def _draw_ground(self, canvas: Canvas, ground: Ground, state: WorldState, lighting: Lighting) -> None:
        horizon = canvas.height // 2
        canvas.pixels[horizon:] = GRASS
        canvas.fill_apart(self._near(ground.patches, state, PATCHES_M), GRASS_PATCH)
        middles = self.in_camera(ground.middles, state)
        slope = canvas.width / 2 / canvas.focal_px
        in_view = (middles[:, 0] + ground.reach_m > 0) & (
            np.hypot(middles[:, 0], middles[:, 1]) - ground.reach_m < SIGHT_M
        )
        in_view &= np.abs(middles[:, 1]) - slope * middles[:, 0] < ground.reach_m * np.hypot(1.0, slope)
        shown = np.flatnonzero(in_view)
        asphalt = WET_ASPHALT if lighting.is_wet else ASPHALT
        for outlines, color in ((ground.shoulders, SHOULDER), (ground.asphalt, asphalt)):
            if len(shown):
                parts = [outlines[piece] for piece in shown]
                starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
                canvas.fill_many(self.in_camera(np.concatenate(parts), state), starts, color)
        canvas.fill_apart(self._near(ground.lines, state, LINES_M), PAINT)
        gain, haze = _ground_maps(state.conditions, self.camera, self._scale)
        lower = canvas.pixels[horizon:]
        np.add(lower * gain, haze, out=lower, casting="unsafe")

    def _near(self, quads: NDArray[np.float64], state: WorldState, sight_m: float) -> NDArray[np.float64]:
        near = (np.abs(quads[:, 0] - state.ego.xy) < sight_m).all(axis=1)
        return self.in_camera(quads[near], state)

    def _draw_uprights(self, canvas: Canvas, ground: Ground, state: WorldState, lighting: Lighting) -> None:
        near = ground.trees[(np.abs(ground.trees[:, :2] - state.ego.xy) < 110.0).all(axis=1)]
        feet = self.in_camera(near[:, :2], state)
        yaw = state.ego.yaw_rad + self.yaw_in_base_rad
        things = state.things
        spots = self.in_camera(np.array([thing.xy for thing in things]).reshape(-1, 2), state)
        order = [(float(np.hypot(*foot[:2])), index, True) for index, foot in enumerate(feet) if self._in_view(foot)]
        order += [(float(np.hypot(*spot[:2])), index, False) for index, spot in enumerate(spots) if self._in_view(spot)]
        for distance_m, index, is_tree in sorted(order, reverse=True):
            if distance_m > SIGHT_M:
                continue
            if is_tree:
                draw_tree(canvas, feet[index], near[index], lighting)
            else:
                draw_vehicle(canvas, things[index], spots[index], things[index].yaw_rad - yaw, lighting)

    def _in_view(self, point: NDArray[np.float64]) -> bool:
        """Whether something up to 6 m wide or long at a point of the camera's frame may show."""
        reach = abs(float(point[1])) - 6.0
        return bool(point[0] > -6.0 and reach < (point[0] + 6.0) * self.camera.width / 2 / self.camera.focal_px)

    def _draw_rain(self, canvas: Canvas, time_s: float) -> None:
        rng = np.random.default_rng(round(time_s * 1000))
        start = rng.uniform(0.0, 1.0, (30, 1, 2)) * np.array([canvas.width, canvas.height])
        streak = np.array([[0.0, 0.0], [0.8, 0.0], [0.0, 9.0]]) * self._scale
        canvas.fill_pixels(start + streak, (172.0, 178.0, 186.0))


@lru_cache(maxsize=2048)
def _ground(lanes: tuple[LaneGeometry, ...]) -> Ground:
    """Of a world's lanes, by their identity. It takes ten times as long as a picture and a quarter of a megabyte, and
    training jumps between thousands of worlds."""
    return Ground.of(lanes)


@lru_cache(maxsize=64)
def _lighting(conditions: Conditions) -> Lighting:
    return Lighting.of(conditions)


@lru_cache(maxsize=64)
def _sky(lighting: Lighting, rows: int) -> NDArray[np.uint8]:
    """Colours [rows, 3] from the top to the horizon."""
    share = np.linspace(0.0, 1.0, rows)[:, None]
    top, horizon = (np.array(color) for color in lighting.sky)
    return np.clip((1 - share) * top + share * horizon, 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _ground_maps(
    conditions: Conditions, camera: PinholeCamera, scale: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gain and haze [H / 2, W, 3] of the ground in each pixel below the horizon; see :meth:`Lighting.ground_maps`."""
    width, height, focal_px = camera.width * scale, camera.height * scale, camera.focal_px * scale
    rows = np.arange(height - height // 2) + 0.5
    depth_m = np.minimum(focal_px * camera.xyz_in_base[2] / rows, 400.0)[:, None]
    side = (width / 2 - np.arange(width) - 0.5) / focal_px
    return _lighting(conditions).ground_maps(depth_m, side)
