"""A plan for RViz: each candidate as a line, the reasoning as text above the vehicle."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

SELECTED = ColorRGBA(r=0.1, g=0.8, b=0.2, a=1.0)
VALID = ColorRGBA(r=0.2, g=0.5, b=1.0, a=0.6)
INVALID = ColorRGBA(r=0.9, g=0.2, b=0.1, a=0.6)
TEXT = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)

LINE_WIDTH_M = 0.15
TEXT_SIZE_M = 0.6
TEXT_HEIGHT_M = 3.0
TEXT_COLUMNS = 60


def plan_markers(plan_msg: Any, ego_xyz: NDArray[np.float64]) -> MarkerArray:
    """Markers of a reasoning_vla_ros/Plan message, the first of which deletes those of the plan before.

    Args:
        plan_msg: the plan.
        ego_xyz: where the vehicle is at t0, in the message's frame, metres [3].
    """
    x, y, z = ego_xyz.tolist()
    markers = [Marker(header=plan_msg.header, action=Marker.DELETEALL)]
    for k, candidate in enumerate(plan_msg.candidates):
        color = SELECTED if k == plan_msg.selected else VALID if candidate.valid else INVALID
        points = [Point(x=x, y=y, z=z)]
        points += [point.pose.position for point in candidate.points]
        if len(points) > 1:
            line = _marker(plan_msg, "candidates", k, Marker.LINE_STRIP, color)
            line.scale.x = LINE_WIDTH_M
            line.points = points
            markers.append(line)
    lines = [plan_msg.trace.meta_action, *textwrap.wrap(plan_msg.trace.text, TEXT_COLUMNS)]
    if plan_msg.status_reason:
        lines += textwrap.wrap(plan_msg.status_reason, TEXT_COLUMNS)
    text = _marker(plan_msg, "reasoning", 0, Marker.TEXT_VIEW_FACING, TEXT)
    text.text = "\n".join(line for line in lines if line)
    text.scale.z = TEXT_SIZE_M
    text.pose.position = Point(x=x, y=y, z=z + TEXT_HEIGHT_M)
    if text.text:
        markers.append(text)
    return MarkerArray(markers=markers)


def _marker(plan_msg: Any, namespace: str, marker_id: int, kind: int, color: ColorRGBA) -> Marker:
    marker = Marker(header=plan_msg.header, ns=namespace, id=marker_id, type=kind, action=Marker.ADD, color=color)
    marker.pose.orientation.w = 1.0
    return marker
