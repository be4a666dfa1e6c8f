"""What a navigation device says: the way at the next junction, in several wordings, and the speed limit."""

from __future__ import annotations

import re

import numpy as np

from reasoning_vla_ros.simulation.road_map import EgoRoute
from reasoning_vla_ros.simulation.world_state import Direction, WorldState

_TURNS: dict[Direction, tuple[str, ...]] = {
    "left": ("Turn left at the next junction.", "At the next junction, turn left.", "Take the next left."),
    "right": ("Turn right at the next junction.", "At the next junction, turn right.", "Take the next right."),
    "straight": (
        "Go straight on at the next junction.",
        "At the next junction, go straight.",
        "Cross the next junction straight ahead.",
    ),
}
_ORDINALS = ("first", "second", "third")
_EXITS = (
    "Take the {ordinal} exit.",
    "At the roundabout, take the {ordinal} exit.",
    "Leave the roundabout at the {ordinal} exit.",
)
_FOLLOW = ("Follow the road.", "Stay on this road.", "Continue on this road.")
_LIMIT = re.compile(r"Limit (\d+) km/h")
_MERGE = ("Merge onto the main road.", "Join the main road ahead.", "Take the ramp onto the main road.")


def wordings(scenario: str, direction: Direction, exit_number: int = 0) -> tuple[str, ...]:
    """All the wordings of an instruction."""
    if scenario == "intersection":
        return _TURNS[direction]
    if scenario == "roundabout":
        return tuple(text.format(ordinal=_ORDINALS[exit_number - 1]) for text in _EXITS)
    if scenario == "merge" and direction == "right":
        return _MERGE
    return _FOLLOW


def instruction(scenario: str, route: EgoRoute, rng: np.random.Generator) -> str:
    """The instruction for a route, in one of its wordings."""
    is_ramp = scenario == "merge" and len(route.legs) > 2
    choices = wordings(scenario, "right" if is_ramp else route.direction, route.exit_number)
    return choices[int(rng.integers(len(choices)))]


def navigation_text(state: WorldState) -> str:
    """The instruction until the junction is passed, then to follow the road; with the speed limit."""
    is_passed = state.junction is None and any(
        state.navigation in texts
        for texts in (*_TURNS.values(), *(wordings("roundabout", "right", n) for n in (1, 2, 3)))
    )
    text = _FOLLOW[0] if is_passed else state.navigation
    return f"{text} Limit {round(state.speed_limit_mps * 3.6)} km/h."


def told_limit_mps(text: str) -> float | None:
    """The speed limit that a text of :func:`navigation_text` tells; None where it tells none."""
    found = _LIMIT.search(text)
    return None if found is None else int(found[1]) / 3.6
