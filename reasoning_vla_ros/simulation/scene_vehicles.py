"""Vehicles, barriers, cones and trees as shaded boxes with lamps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.canvas import NEAR_M, Canvas
from reasoning_vla_ros.simulation.scene_light import SHADOW, TRUNK, Color, Lighting
from reasoning_vla_ros.simulation.world_state import VehicleKind, VehicleState

BODY_COLORS: tuple[Color, ...] = (
    (232, 234, 236),
    (60, 96, 168),
    (176, 182, 188),
    (44, 46, 52),
    (58, 128, 118),
    (206, 186, 120),
    (122, 96, 150),
)
GLASS: Color = (42, 54, 66)
TYRE: Color = (24, 24, 26)
WHITE: Color = (242, 242, 238)
ORANGE: Color = (250, 104, 16)
BRAKE_LAMP: Color = (255, 24, 16)
TAIL_LAMP: Color = (92, 20, 24)
TAIL_LAMP_AT_NIGHT: Color = (136, 14, 14)
HEADLAMP: Color = (236, 236, 224)
MIN_LAMP_PX = 1.5  # a lamp outshines its size: this keeps brake lights 40 m away visible at 384 pixels and 100°

# Corners of a box: the lower four, then the upper. Its faces: corners, outward normal, brightness.
_CORNERS = np.array([[x, y, z] for z in (0, 1) for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))], dtype=np.float64)
_FACES: tuple[tuple[tuple[int, ...], tuple[int, int, int], float], ...] = (
    ((0, 1, 5, 4), (1, 0, 0), 0.85),
    ((2, 3, 7, 6), (-1, 0, 0), 0.85),
    ((3, 0, 4, 7), (0, 1, 0), 0.68),
    ((1, 2, 6, 5), (0, -1, 0), 0.72),
    ((4, 5, 6, 7), (0, 0, 1), 1.0),
)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Quadrilaterals of a thing in its own frame (forward, left, up from the ground below its middle), in the order
    in which they are painted: float64 [F, 4, 3], outward normals [F, 3] and colours [F, 3]."""

    quads: NDArray[np.float64]
    normals: NDArray[np.float64]
    colors: NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A part of a vehicle: middle of its bottom and size (length, width, height), metres.

    `taper` is how much shorter and narrower the top is on each side.
    """

    xyz: tuple[float, float, float]
    size: tuple[float, float, float]
    color: Color
    taper: tuple[float, float] = (0.0, 0.0)


def draw_vehicle(
    canvas: Canvas, vehicle: VehicleState, spot: NDArray[np.float64], yaw_rad: float, lighting: Lighting
) -> None:
    """A vehicle or an obstacle that stands at `spot` [3] of the camera's frame, turned by `yaw_rad`."""
    distance_m = float(np.hypot(spot[0], spot[1]))
    mesh = _mesh(vehicle.kind, vehicle.length_m, vehicle.width_m, BODY_COLORS[vehicle.id % len(BODY_COLORS)])
    quads, is_front = _placed(mesh.quads, mesh.normals, spot, yaw_rad)
    canvas.fill_faces(quads[is_front], lighting.seen(mesh.colors[is_front], distance_m))
    if vehicle.is_obstacle:
        return
    lamps, normals, color, is_shining = _lamps(
        vehicle, MIN_LAMP_PX * canvas.scale * distance_m / canvas.focal_px, lighting
    )
    quads, is_front = _placed(lamps, normals, spot, yaw_rad)
    is_front &= quads[..., 0].min(axis=1) > NEAR_M
    shown = np.where(
        is_shining[:, None], lighting.veiled(color, 0.5 * distance_m), lighting.seen(color, distance_m)
    )  # a lamp is seen through twice as much fog
    canvas.fill_faces(quads[is_front], shown[is_front])


def draw_tree(canvas: Canvas, foot: NDArray[np.float64], tree: NDArray[np.float64], lighting: Lighting) -> None:
    """A tree (x, y, height, crown's width, shade) whose foot is at `foot` [3] of the camera's frame."""
    if foot[0] < 2.0:
        return
    height_m, width_m, shade = tree[2:]
    size = np.array([1.0, width_m / 2, 0.38 * height_m])
    outline = np.concatenate([_TRUNK * np.array([1.0, 1.0, 0.4 * height_m]), _CROWN * size + (0, 0, 0.62 * height_m)])
    colors = lighting.seen(np.array([TRUNK, (44 + 24 * shade, 78 + 34 * shade, 42)]), float(foot[0]))
    canvas.fill_convex(foot + outline, (0, len(_TRUNK)), colors)


_TRUNK = np.array([[0.0, 0.2, 0.0], [0.0, -0.2, 0.0], [0.0, -0.15, 1.0], [0.0, 0.15, 1.0]])
_ANGLES = np.linspace(0.0, 2 * np.pi, 9)[:-1]
_CROWN = np.stack([np.zeros(8), np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def _placed(
    quads: NDArray[np.float64], normals: NDArray[np.float64], spot: NDArray[np.float64], yaw_rad: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Quadrilaterals in the camera's frame, and which of them turn their front to it."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    placed = quads @ turn + spot
    return placed, ((placed[:, 0] * (normals @ turn)).sum(axis=1) < 0.0)


@lru_cache(maxsize=256)
def _mesh(kind: VehicleKind, length_m: float, width_m: float, color: Color) -> Mesh:
    shadow = np.array([[1.03, 1.12, 0.0], [1.03, -1.12, 0.0], [-1.03, -1.12, 0.0], [-1.03, 1.12, 0.0]])
    quads, normals = [shadow * np.array([length_m / 2, width_m / 2, 0.0])], [(0, 0, 1)]
    colors = [np.array(SHADOW)]
    for box in _boxes(kind, length_m, width_m, color):
        corners = _CORNERS * np.array([box.size[0] / 2, box.size[1] / 2, box.size[2]])
        corners[4:, :2] -= _CORNERS[4:, :2] * np.array(box.taper)
        for indices, normal, brightness in _FACES:
            quads.append(corners[list(indices)] + np.array(box.xyz))
            normals.append(normal)
            colors.append(brightness * np.array(box.color))
    if kind == "barrier":
        x = -length_m * 0.2 - 0.02
        for y in np.linspace(-width_m / 2, width_m / 2, 5)[:-1]:
            quads.append(np.array([[x, y, 0.3], [x, y + 0.4, 0.3], [x, y + 0.65, 1.1], [x, y + 0.25, 1.1]]))
            normals.append((-1, 0, 0))
            colors.append(np.array(ORANGE))
    return Mesh(np.stack(quads), np.array(normals, dtype=np.float64), np.stack(colors))


def _boxes(kind: VehicleKind, length: float, width: float, color: Color) -> tuple[Box, ...]:
    if kind == "barrier":
        return (Box((0.0, 0.0, 0.15), (length * 0.4, width, 0.95), WHITE),)
    if kind == "cone":
        rings = ((0.0, 0.45, 0.5, ORANGE), (0.45, 0.2, 0.34, WHITE), (0.65, 0.25, 0.24, ORANGE))
        return tuple(Box((0.0, 0.0, z), (wide, wide, high), shade, (0.07, 0.07)) for z, high, wide, shade in rings)
    wheels = Box((0.0, 0.0, 0.0), (0.78 * length, 0.96 * width, 0.45), TYRE)
    if kind == "truck":
        cab = Box((0.5 * length - 1.1, 0.0, 0.45), (2.2, 0.96 * width, 2.3), color)
        load = Box((-1.2, 0.0, 0.6), (length - 2.4, width, 2.6), (214, 206, 190))
        return (wheels, cab, load)
    body = Box((0.0, 0.0, 0.28), (length, width, 0.67), color)
    cabin = Box((-0.05 * length, 0.0, 0.95), (0.56 * length, 0.86 * width, 0.55), GLASS, (0.45, 0.12))
    roof = Box((-0.05 * length, 0.0, 1.46), (0.56 * length - 0.9, 0.86 * width - 0.22, 0.06), color)
    return (wheels, body, cabin, roof)


def _lamps(
    vehicle: VehicleState, least_m: float, lighting: Lighting
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Quadrilaterals [L, 4, 3], normals and colours [L, 3] of the lamps, and which of them shine.

    Brake lights are at least `least_m` wide.
    """
    is_truck, is_braking = vehicle.kind == "truck", vehicle.is_braking
    z = 0.85 if is_truck else 0.72
    rear, front, y = -vehicle.length_m / 2 - 0.02, vehicle.length_m / 2 + 0.02, vehicle.width_m / 2 - 0.3
    wide, high = (max(0.52, least_m), max(0.34, 0.9 * least_m)) if is_braking else (0.4, 0.22)
    tail = BRAKE_LAMP if is_braking else TAIL_LAMP_AT_NIGHT if lighting.is_dark else TAIL_LAMP
    spots = [(rear, y, z, wide, high), (rear, -y, z, wide, high), (front, y, z, 0.36, 0.2), (front, -y, z, 0.36, 0.2)]
    colors, shines = [tail, tail, HEADLAMP, HEADLAMP], [is_braking or lighting.is_dark] * 2 + [lighting.is_dark] * 2
    if is_braking:
        spots.append((rear, 0.0, 3.0, 0.7, 0.16) if is_truck else (rear + 0.75, 0.0, 1.36, 0.6, 0.12))
        colors.append(tail)
        shines.append(True)
    quads = [
        [[x, y - w / 2, z - h / 2], [x, y + w / 2, z - h / 2], [x, y + w / 2, z + h / 2], [x, y - w / 2, z + h / 2]]
        for x, y, z, w, h in spots
    ]
    normals = [[float(np.sign(x)), 0.0, 0.0] for x, *_ in spots]
    return np.array(quads), np.array(normals), np.array(colors, dtype=np.float64), np.array(shines)
