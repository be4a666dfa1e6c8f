"""Road and traffic for RViz, Foxglove and whoever draws them from a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from reasoning_vla_ros.messages.scene_markers import (
    ASPHALT_NS,
    BRAKE_LIGHTS_NS,
    PAINT_NS,
    SCENARIO_NS,
    SceneRoad,
    SceneThing,
)

ASPHALT = ColorRGBA(r=0.30, g=0.31, b=0.33, a=1.0)
PAINT = ColorRGBA(r=0.92, g=0.92, b=0.90, a=1.0)
TITLE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
BRAKE_LIGHT = ColorRGBA(r=0.95, g=0.15, b=0.10, a=1.0)
KINDS = {
    "car": ColorRGBA(r=0.45, g=0.55, b=0.70, a=1.0),
    "truck": ColorRGBA(r=0.60, g=0.57, b=0.50, a=1.0),
}
OBSTACLE = ColorRGBA(r=0.95, g=0.45, b=0.10, a=1.0)
# Below the plan, and paint above asphalt, so that none flickers through another.
ASPHALT_Z_M, PAINT_Z_M = -0.06, -0.04
TITLE_Z_M, TITLE_SIZE_M = 8.0, 3.0


def map_markers(road: SceneRoad, title: str, header: Any) -> MarkerArray:
    """The road as lists of triangles, and its title above where it begins; the first marker deletes those before."""
    title_marker = _marker(header, SCENARIO_NS, 0, Marker.TEXT_VIEW_FACING, TITLE)
    title_marker.text = title
    title_marker.scale.z = TITLE_SIZE_M
    if len(road.asphalt):
        x, y = (float(value) for value in road.asphalt[0].mean(axis=0))
        title_marker.pose.position = Point(x=x, y=y, z=TITLE_Z_M)
    return MarkerArray(
        markers=[
            Marker(header=header, action=Marker.DELETEALL),
            _triangles(road.asphalt, ASPHALT_NS, ASPHALT, ASPHALT_Z_M, header),
            _triangles(road.paint, PAINT_NS, PAINT, PAINT_Z_M, header),
            title_marker,
        ]
    )


def traffic_markers(things: Sequence[SceneThing], header: Any) -> MarkerArray:
    """A box a thing, its namespace the kind, and a red one at the back of those that brake; those before go."""
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for thing in things:
        length, width, height = thing.size_m
        markers.append(_box(thing, thing.kind, (0.0, length, width, height), KINDS.get(thing.kind, OBSTACLE), header))
        if thing.is_braking:
            lamp = (-length / 2, 0.15, 0.9 * width, 0.3 * height)
            markers.append(_box(thing, BRAKE_LIGHTS_NS, lamp, BRAKE_LIGHT, header))
    return MarkerArray(markers=markers)


def _box(
    thing: SceneThing, namespace: str, box: tuple[float, float, float, float], color: ColorRGBA, header: Any
) -> Marker:
    """A box so far ahead of a thing's middle, with length, width and height."""
    ahead, length, width, height = box
    marker = _marker(header, namespace, thing.id, Marker.CUBE, color)
    x = thing.xy[0] + ahead * float(np.cos(thing.yaw_rad))
    y = thing.xy[1] + ahead * float(np.sin(thing.yaw_rad))
    marker.pose.position = Point(x=x, y=y, z=thing.size_m[2] / 2)
    marker.pose.orientation.z = float(np.sin(thing.yaw_rad / 2))
    marker.pose.orientation.w = float(np.cos(thing.yaw_rad / 2))
    marker.scale.x, marker.scale.y, marker.scale.z = float(length), float(width), float(height)
    return marker


def _triangles(quads: NDArray[np.float64], namespace: str, color: ColorRGBA, z_m: float, header: Any) -> Marker:
    marker = _marker(header, namespace, 0, Marker.TRIANGLE_LIST, color)
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    corners = quads[:, (0, 1, 2, 0, 2, 3)].reshape(-1, 2).tolist()
    marker.points = [Point(x=x, y=y, z=z_m) for x, y in corners]
    return marker


def _marker(header: Any, namespace: str, marker_id: int, kind: int, color: ColorRGBA) -> Marker:
    marker = Marker(header=header, ns=namespace, id=marker_id, type=kind, action=Marker.ADD, color=color)
    marker.pose.orientation.w = 1.0
    return marker
