"""When the expert changes lane: a barrier or a slow vehicle ahead, and room beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.perception import OnPath, on_path
from reasoning_vla_ros.simulation.world_state import EgoState, VehicleState

SLOW_SHARE = 0.6  # of the speed limit
SLOW_WITHIN_M = 32.0
BLOCKED_WITHIN_M = 75.0
PAUSE_S = 5.0


def reason_to_change(lead: OnPath | None, speed_limit_mps: float) -> bool:
    """Whether what is ahead is worth a lane change: an obstacle, or a slow vehicle that is not just braking."""
    if lead is None:
        return False
    if lead.thing.is_obstacle:
        return lead.gap_m < BLOCKED_WITHIN_M
    is_slow = lead.speed_mps < SLOW_SHARE * speed_limit_mps and not lead.thing.is_braking
    return is_slow and lead.gap_m < SLOW_WITHIN_M


def has_room(
    lead: OnPath, path: Path, s_m: float, ego: EgoState, seen: Sequence[VehicleState], others: Sequence[VehicleState]
) -> bool:
    """Whether the lane along `path` is worth it and free.

    Args:
        lead: the reason to leave the own lane.
        path, s_m: of the other lane, and where the ego is on it.
        ego: its state.
        seen: what the camera sees.
        others: everyone, for the look into the mirrors: beside the ego and behind it.
    """
    ahead = on_path(seen, path, ego, s_m, BLOCKED_WITHIN_M)
    if ahead:
        first = ahead[0]
        need_m = 8.0 + 0.6 * ego.speed_mps + 2.0 * max(0.0, ego.speed_mps - first.speed_mps)
        is_faster = lead.thing.is_obstacle or first.speed_mps > lead.speed_mps + 2.5 or first.gap_m > lead.gap_m + 30.0
        if first.gap_m < need_m or not is_faster or first.thing.is_obstacle:
            return False
    for other in others:
        if np.hypot(other.xy[0] - ego.xy[0], other.xy[1] - ego.xy[1]) > 45.0:
            continue
        along_m, left_m = path.project(other.xy, s_m)
        behind_m = s_m - along_m - (other.length_m + ego.length_m) / 2
        need_m = 2.0 + 2.0 * max(0.0, other.speed_mps - ego.speed_mps)
        if abs(left_m) < 2.2 and along_m < s_m + 7.0 and behind_m < need_m:
            return False
    return True
