"""Road and traffic out of the marker arrays that simulator_node publishes; rosbags' messages and rclpy's alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ASPHALT_NS, PAINT_NS, SCENARIO_NS, BRAKE_LIGHTS_NS = "asphalt", "paint", "scenario", "brake_lights"
_CUBE = 1  # visualization_msgs/Marker


@dataclass(frozen=True)
class SceneThing:
    """A road user or a thing on the road, other than the vehicle that looks at it.

    Attributes:
        id: the same as long as it is there.
        kind: such as car, truck, barrier or cone.
        xy: of its middle, metres, in the map; yaw_rad to the left.
        size_m: length, width and height.
    """

    id: int
    kind: str
    xy: tuple[float, float]
    yaw_rad: float
    size_m: tuple[float, float, float]
    is_braking: bool = False


@dataclass(frozen=True, eq=False)
class SceneRoad:
    """What never moves, in the map: quadrilaterals of asphalt and of paint, float64 [N, 4, 2], metres."""

    asphalt: NDArray[np.float64]
    paint: NDArray[np.float64]


def scenario_of(markers: Any) -> tuple[str, int]:
    """Name and seed of the scenario that a map (visualization_msgs/MarkerArray) is of.

    Raises:
        ValueError: a map that does not say.
    """
    texts = [marker.text for marker in markers.markers if marker.ns == SCENARIO_NS]
    name, _, seed = texts[0].partition(":") if texts else ("", "", "")
    if not name or not seed.isdecimal():
        raise ValueError(f"a map needs a marker of namespace {SCENARIO_NS!r} with scenario:seed, got {texts}")
    return name, int(seed)


def road_in(markers: Any) -> SceneRoad:
    """The road of a map (visualization_msgs/MarkerArray)."""
    return SceneRoad(_quads(markers, ASPHALT_NS), _quads(markers, PAINT_NS))


def things_in(markers: Any) -> tuple[SceneThing, ...]:
    """What stands and drives on the road, of the traffic's visualization_msgs/MarkerArray."""
    cubes = [marker for marker in markers.markers if marker.type == _CUBE]
    braking = {marker.id for marker in cubes if marker.ns == BRAKE_LIGHTS_NS}
    return tuple(
        SceneThing(
            int(marker.id),
            str(marker.ns),
            (float(marker.pose.position.x), float(marker.pose.position.y)),
            2 * math.atan2(marker.pose.orientation.z, marker.pose.orientation.w),
            (float(marker.scale.x), float(marker.scale.y), float(marker.scale.z)),
            marker.id in braking,
        )
        for marker in cubes
        if marker.ns != BRAKE_LIGHTS_NS
    )


def _quads(markers: Any, namespace: str) -> NDArray[np.float64]:
    """Quadrilaterals [N, 4, 2] of a namespace, two triangles each."""
    points = [(point.x, point.y) for marker in markers.markers if marker.ns == namespace for point in marker.points]
    return np.array(points, np.float64).reshape(-1, 6, 2)[:, (0, 1, 2, 5)]
