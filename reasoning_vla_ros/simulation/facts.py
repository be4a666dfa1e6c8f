"""What a driver decides and why, as claims that can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from reasoning_vla_ros.simulation.world_state import EgoCommand, VehicleKind

Side = Literal["left", "right"]
FactKind = Literal[
    "free_road",
    "lead_braking",
    "lead_slower",
    "lead_stopped",
    "lead_close",
    "lead_steady",
    "lead_leaving",
    "curve",
    "speed_limit",
    "obstacle",
    "oncoming",
    "crossing",
    "ring",
    "merging",
    "turn",
    "roundabout",
    "lane_free",
]
Longitudinal = Literal["accelerate", "keep speed", "decelerate", "stop", "wait"]
Lateral = Literal[
    "keep lane",
    "change lane left",
    "change lane right",
    "follow curve left",
    "follow curve right",
    "turn left",
    "turn right",
    "go straight",
    "enter roundabout",
]
LONGITUDINAL: tuple[Longitudinal, ...] = get_args(Longitudinal)
LATERAL: tuple[Lateral, ...] = get_args(Lateral)


@dataclass(frozen=True)
class Fact:
    """A cause.

    Attributes:
        kind: what it is. "turn" is a junction at which the navigation asks for a way, "roundabout" one that
            is a roundabout.
        subject_id, subject: the vehicle or obstacle that it is about.
        distance_m: from the ego's front bumper along its path, or to where a curve or a junction begins.
        side: of a curve, a turn, or where something comes from.
    """

    kind: FactKind
    subject_id: int | None = None
    subject: VehicleKind | None = None
    distance_m: float | None = None
    side: Literal["left", "straight", "right"] | None = None


@dataclass(frozen=True)
class MetaAction:
    """What is done, in a few words each."""

    longitudinal: Longitudinal
    lateral: Lateral

    @property
    def lane(self) -> str:
        """What becomes of the lane: keep, left or right."""
        return self.lateral.removeprefix("change lane ") if self.lateral.startswith("change lane") else "keep"

    def __str__(self) -> str:
        return f"longitudinal: {self.longitudinal}; lateral: {self.lateral}; lane: {self.lane}"


@dataclass(frozen=True)
class Decision:
    """What a driver does now: the command, its causes with the one that counts first, and the action."""

    command: EgoCommand
    facts: tuple[Fact, ...]
    meta_action: MetaAction
