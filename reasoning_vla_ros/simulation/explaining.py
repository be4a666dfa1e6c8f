"""From what bound the expert to its causes and its action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reasoning_vla_ros.simulation.facts import Fact, FactKind, Lateral, Longitudinal, MetaAction
from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.perception import OnPath
from reasoning_vla_ros.simulation.world_state import EgoCommand, Junction, VehicleState, WorldState

TermKind = Literal["limit", "curve", "lead", "oncoming", "crossing", "ring", "merging"]
CURVE_1PM = 1 / 160.0  # a bend that one sees as one
FREE_M = 60.0
SPEED_CHANGE_MPS2 = 0.45  # slower changes than this are not called braking or accelerating
AT_LIMIT = 0.92


@dataclass(frozen=True)
class Term:
    """One bound on the acceleration, with what it comes from."""

    kind: TermKind
    acceleration_mps2: float
    thing: VehicleState | None = None
    distance_m: float = 0.0
    speed_mps: float = 0.0


def explained(
    state: WorldState,
    path: Path,
    s_m: float,
    binding: Term,
    command: EgoCommand,
    lead: OnPath | None,
    change: str | None,
    change_fact: Fact | None,
) -> tuple[MetaAction, tuple[Fact, ...]]:
    """The action, and its causes: first the one that counts, then a turn that the navigation asks for.

    Args:
        state: the world.
        path, s_m: that the ego follows, and where it is.
        binding: the bound that was the lowest.
        command: what came of it.
        lead: what is ahead on the path.
        change: the side that the ego changes lane to, if it does.
        change_fact: why.
    """
    bend = bend_ahead(path, s_m, state)
    longitudinal = _longitudinal(state, binding, command)
    lateral = _lateral(state, path, s_m, bend, change)
    cause = _cause(state, binding, longitudinal, lead, bend)
    facts: list[Fact] = []
    if change is not None and change_fact is not None:
        facts.append(change_fact)
        if cause.kind in ("free_road", "speed_limit", "curve") or cause.subject_id == change_fact.subject_id:
            return MetaAction(longitudinal, lateral), tuple(facts)
    facts.insert(0, cause) if cause.kind in ("oncoming", "crossing", "ring", "merging") else facts.append(cause)
    is_named = cause.kind in ("turn", "roundabout", "ring")
    if state.junction is not None and not is_named and (is_turning(state) or cause.kind == "oncoming"):
        facts.append(_of_junction(state, state.junction))
    return MetaAction(longitudinal, lateral), tuple(facts)


def bend_ahead(path: Path, s_m: float, state: WorldState) -> tuple[Literal["left", "right"], float] | None:
    """The side of the next bend within 35 m and how far it is; 0 in it. None on a straight road."""
    first, last = path.index(s_m), path.index(s_m + 35.0) + 1
    curvature = path.curvature[first:last]
    is_bent = np.abs(curvature) > CURVE_1PM
    if not is_bent.any():
        return None
    start = int(np.argmax(is_bent))
    turned = float(curvature[start : start + 30].sum()) * 0.5
    if abs(turned) < 0.06:
        return None
    return ("left" if turned > 0 else "right"), start * 0.5


def is_turning(state: WorldState, within_m: float = 30.0) -> bool:
    """Whether the ego is at a junction or comes to one within 30 m."""
    return state.junction is not None and state.junction.distance_m < within_m


def _longitudinal(state: WorldState, binding: Term, command: EgoCommand) -> Longitudinal:
    speed, acceleration = state.ego.speed_mps, command.acceleration_mps2
    if speed < 0.5 and acceleration <= 0.3:
        return "wait"
    if acceleration > SPEED_CHANGE_MPS2:
        return "accelerate"
    if acceleration < -SPEED_CHANGE_MPS2:
        stands = binding.kind not in ("limit", "curve") and binding.speed_mps < 0.5
        return "stop" if stands and binding.distance_m < 3.0 + speed**2 / 1.6 else "decelerate"
    return "keep speed"


def _lateral(
    state: WorldState,
    path: Path,
    s_m: float,
    bend: tuple[Literal["left", "right"], float] | None,
    change: str | None,
) -> Lateral:
    if change is not None:
        return "change lane left" if change == "left" else "change lane right"
    if state.junction is not None and is_turning(state):
        if state.junction.kind == "roundabout":
            return "enter roundabout" if state.junction.distance_m > -4.0 else _around(path, s_m)
        return {"left": "turn left", "right": "turn right", "straight": "go straight"}[state.junction.direction]  # type: ignore[return-value]
    if bend is not None and bend[1] < 20.0:
        return "follow curve left" if bend[0] == "left" else "follow curve right"
    return "keep lane"


def _around(path: Path, s_m: float) -> Lateral:
    """On the ring one drives to the left; in and out of it, to the right."""
    turned = float(path.curvature[path.index(s_m) : path.index(s_m + 10.0) + 1].sum())
    return "follow curve left" if turned > 0 else "follow curve right"


def _cause(
    state: WorldState,
    binding: Term,
    longitudinal: Longitudinal,
    lead: OnPath | None,
    bend: tuple[Literal["left", "right"], float] | None,
) -> Fact:
    if binding.kind in ("oncoming", "crossing", "ring", "merging"):
        assert binding.thing is not None
        kind: FactKind = binding.kind
        return _about(kind, binding.thing, state)
    is_lead_near = lead is not None and lead.gap_m < FREE_M
    if binding.kind == "lead" and lead is not None and lead.gap_m < 1.3 * FREE_M:
        return of_lead(lead, longitudinal, state)
    is_coming = state.junction is not None and (longitudinal != "accelerate" or state.junction.distance_m > 0)
    if state.junction is not None and is_coming and is_turning(state, 45.0):
        return _of_junction(state, state.junction)
    if bend is not None and (binding.kind == "curve" or longitudinal == "keep speed") and longitudinal != "accelerate":
        return Fact("curve", distance_m=max(0.0, bend[1] - state.ego.length_m / 2), side=bend[0])
    if longitudinal == "accelerate" and is_lead_near and lead is not None:
        return of_lead(lead, longitudinal, state)
    if longitudinal != "accelerate" and state.ego.speed_mps > AT_LIMIT * state.speed_limit_mps:
        return Fact("speed_limit")
    if bend is not None and binding.kind == "curve" and longitudinal != "accelerate":
        return Fact("curve", distance_m=max(0.0, bend[1] - state.ego.length_m / 2), side=bend[0])
    if is_lead_near and lead is not None:
        return of_lead(lead, longitudinal, state)
    return Fact("free_road")


def _of_junction(state: WorldState, junction: Junction) -> Fact:
    distance_m = max(0.0, junction.distance_m - state.ego.length_m / 2)
    return Fact("turn" if junction.kind == "crossing" else "roundabout", distance_m=distance_m, side=junction.direction)


def of_lead(lead: OnPath, longitudinal: Longitudinal, state: WorldState) -> Fact:
    """What there is to say about a vehicle or an obstacle ahead."""
    thing, faster_mps = lead.thing, lead.speed_mps - state.ego.speed_mps
    is_slowing = longitudinal in ("decelerate", "stop")
    kind: FactKind = "lead_steady"
    if thing.is_obstacle:
        kind = "obstacle"
    elif lead.speed_mps < 0.5:
        kind = "lead_stopped"
    elif thing.is_braking:
        kind = "lead_braking"
    elif faster_mps < (-0.5 if is_slowing else -1.5):
        kind = "lead_slower"
    elif is_slowing:
        kind = "lead_close"
    elif faster_mps > (0.5 if longitudinal == "accelerate" else 2.0):
        kind = "lead_leaving"
    return Fact(kind, thing.id, thing.kind, max(0.0, lead.gap_m))


def _about(kind: FactKind, thing: VehicleState, state: WorldState) -> Fact:
    dx, dy = thing.xy[0] - state.ego.xy[0], thing.xy[1] - state.ego.xy[1]
    yaw = state.ego.yaw_rad
    left_m = float(np.cos(yaw) * dy - np.sin(yaw) * dx)
    distance_m = max(0.0, float(np.hypot(dx, dy)) - state.ego.length_m / 2)
    return Fact(kind, thing.id, thing.kind, distance_m, "left" if left_m > 0 else "right")
