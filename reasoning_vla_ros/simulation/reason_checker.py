"""Whether what a text says is so: its causes in the world, its action in the plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.claims import Claim, Reason, claims_in
from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.perception import OnPath, on_path, visible
from reasoning_vla_ros.simulation.sight import Sight
from reasoning_vla_ros.simulation.world_state import VehicleState, WorldState

# Texts round to 5 m, so 2.5 m is theirs; the rest is what one may be off when judging by eye in a small picture.
DISTANCE_M, DISTANCE_SHARE = 5.0, 0.25
SPEED_MPS = 1.0  # below this, "slower" and "pulling away" cannot be told from a steady distance
FREE_M = 45.0  # nearer than this a vehicle ahead is plain to see: the expert calls a road free from 60 m on
STANDING_MPS = 1.0
ROOM_M = 8.0
SPEED_CHANGE_MPS = 0.15  # within 1.5 s: the expert names changes from 0.45 m/s² on
TURN_RAD = 0.3
KEPT_M = 1.6  # half a lane less half a vehicle, and a little
CURVE_1PM = 1 / 220.0
AT_LIMIT = 0.85


@dataclass(frozen=True)
class Checked:
    """A claim, whether it is so, and why."""

    claim: str
    is_true: bool
    why: str


def check_reason(text: str, state: WorldState, sight: Sight | None = None) -> list[Checked]:
    """Each cause that a text names, checked against the world. A text without any gives one that is not true."""
    reason = claims_in(text)
    if not reason.causes:
        return [Checked(text, False, "no claim is understood")]
    sight = sight or Sight()
    seen = visible(state, sight)
    return [_check(claim, reason, state, seen, sight) for claim in reason.causes]


def is_true(text: str, state: WorldState, sight: Sight | None = None) -> bool:
    """Whether all that a text names as causes is so."""
    return all(checked.is_true for checked in check_reason(text, state, sight))


def _check(claim: Claim, reason: Reason, state: WorldState, seen: tuple[VehicleState, ...], sight: Sight) -> Checked:
    if claim.kind == "free_road":
        near = [lead for lead in _leads(reason, state, seen, sight, is_any=False) if lead.gap_m < FREE_M]
        return _checked(claim, not near, f"{len(near)} things within {FREE_M:.0f} m on the path")
    if claim.kind == "lane_free":
        return _check_room(claim, state, seen, sight)
    if claim.kind == "speed_limit":
        share = state.ego.speed_mps / state.speed_limit_mps
        return _checked(claim, share > AT_LIMIT, f"the speed is {share:.2f} of the limit")
    if claim.kind == "curve":
        return _check_curve(claim, reason, state)
    if claim.kind in ("turn", "roundabout"):
        return _check_junction(claim, state)
    if claim.kind in ("oncoming", "crossing", "ring", "merging"):
        return _check_other(claim, state, seen)
    return _check_lead(claim, reason, state, seen, sight)


def _check_room(claim: Claim, state: WorldState, seen: tuple[VehicleState, ...], sight: Sight) -> Checked:
    """Room beside, or in the own lane once the ego is in it."""
    beside = state.side_routes["left" if claim.side == "left" else "right"]
    _, left_m = Path(state.route).project(state.ego.xy)
    is_arriving = (left_m < -0.3) if claim.side == "left" else (left_m > 0.3)
    gaps = []
    for route in ([beside] if beside is not None else []) + ([state.route] if is_arriving else []):
        path = Path(route)
        ahead = on_path(seen, path, state.ego, path.project(state.ego.xy)[0], sight.range_m)
        gaps.append(ahead[0].gap_m if ahead else sight.range_m)
    return _checked(claim, bool(gaps) and max(gaps) > ROOM_M, f"gaps ahead there: {[round(gap) for gap in gaps]} m")


def _check_lead(
    claim: Claim, reason: Reason, state: WorldState, seen: tuple[VehicleState, ...], sight: Sight
) -> Checked:
    leads = _leads(reason, state, seen, sight, is_any=True)
    fitting = [lead for lead in leads if _fits(claim, lead.thing) and _is_about(claim.distance_m, lead.gap_m)]
    if not fitting:
        return _checked(claim, False, f"ahead are {[(one.thing.kind, round(one.gap_m)) for one in leads]}")
    why = ""
    for lead in fitting:
        thing, faster = lead.thing, lead.speed_mps - state.ego.speed_mps
        holds = {
            "obstacle": thing.is_obstacle,
            "lead_braking": thing.is_braking and not thing.is_obstacle,
            "lead_stopped": lead.speed_mps < STANDING_MPS and not thing.is_obstacle,
            "lead_slower": faster < 0.0 and not thing.is_obstacle,
            "lead_close": lead.gap_m < max(15.0, 2.2 * state.ego.speed_mps),
            "lead_leaving": faster > 0.0,
            "lead_steady": abs(faster) < 2.0 + SPEED_MPS and not thing.is_braking and lead.speed_mps > 0.5,
        }[claim.kind]
        lights = "on" if thing.is_braking else "off"
        why = f"{thing.kind} {lead.gap_m:.0f} m ahead, {faster:+.1f} m/s, brake lights {lights}"
        if holds:
            return _checked(claim, True, why)
    return _checked(claim, False, why)


def _leads(
    reason: Reason, state: WorldState, seen: tuple[VehicleState, ...], sight: Sight, is_any: bool
) -> list[OnPath]:
    """The nearest thing on the ego's path; with `is_any`, also on the lane that the text says to change to or from."""
    routes = [state.route]
    if is_any and reason.lateral in ("change lane left", "change lane right"):
        routes += [route for route in state.side_routes.values() if route is not None]
    leads = []
    for route in routes:
        path = Path(route)
        start_m, _ = path.project(state.ego.xy)
        leads += on_path(seen, path, state.ego, start_m, sight.range_m + 10.0)[: 3 if is_any else 1]
    if reason.lateral not in ("change lane left", "change lane right") and leads:
        nearest = leads[0]  # cones stand before their barrier: either may be named
        leads = [lead for lead in leads if lead is nearest or lead.thing.is_obstacle]
    return leads


def _check_curve(claim: Claim, reason: Reason, state: WorldState) -> Checked:
    path = Path(state.route)
    start_m, _ = path.project(state.ego.xy)
    low = start_m + max(0.0, (claim.distance_m or 0.0) - 12.0)
    high = start_m + (claim.distance_m if claim.distance_m is not None else 30.0) + 20.0
    part = path.curvature[path.index(low) : path.index(high) + 1]
    signed = part if claim.side == "left" else -part
    return _checked(
        claim, bool((signed > CURVE_1PM).sum() >= 4), f"curvature {part.min():+.3f} to {part.max():+.3f} 1/m"
    )


def _check_junction(claim: Claim, state: WorldState) -> Checked:
    junction = state.junction
    if junction is None:
        return _checked(claim, False, "there is no junction ahead")
    distance_m = max(0.0, junction.distance_m - state.ego.length_m / 2)
    is_kind = (junction.kind == "roundabout") == (claim.kind == "roundabout")
    is_way = claim.kind == "roundabout" or claim.side is None or claim.side == junction.direction
    why = f"{junction.kind} {distance_m:.0f} m ahead, the route goes {junction.direction}"
    return _checked(claim, is_kind and is_way and _is_about(claim.distance_m, distance_m), why)


def _check_other(claim: Claim, state: WorldState, seen: tuple[VehicleState, ...]) -> Checked:
    """A vehicle that comes towards, across, around or in from the side."""
    candidates = []
    for thing in seen:
        dx, dy = thing.xy[0] - state.ego.xy[0], thing.xy[1] - state.ego.xy[1]
        yaw = state.ego.yaw_rad
        left_m = float(np.cos(yaw) * dy - np.sin(yaw) * dx)
        turn = float(np.cos(thing.yaw_rad - yaw))
        distance_m = float(np.hypot(dx, dy)) - state.ego.length_m / 2
        holds = {
            "oncoming": turn < -0.3 and state.junction is not None,
            "crossing": state.junction is not None and state.junction.kind == "crossing" and distance_m < 60.0,
            "ring": state.junction is not None and state.junction.kind == "roundabout",
            "merging": turn > 0.7
            and (claim.side is None or (left_m > 0) == (claim.side == "left"))
            and abs(left_m) > 0.5,
        }[claim.kind]
        if not thing.is_obstacle and holds and _fits(claim, thing):
            candidates.append(distance_m)
    holds_any = any(_is_about(claim.distance_m, distance_m) for distance_m in candidates)
    return _checked(claim, holds_any, f"such vehicles at {[round(distance_m) for distance_m in candidates]} m")


def _fits(claim: Claim, thing: VehicleState) -> bool:
    if claim.kind == "obstacle":
        return thing.is_obstacle
    return not thing.is_obstacle and (claim.subject is None or claim.subject == thing.kind)


def _is_about(said_m: float | None, actual_m: float) -> bool:
    return said_m is None or abs(said_m - actual_m) <= max(DISTANCE_M, DISTANCE_SHARE * actual_m)


def _checked(claim: Claim, holds: bool, why: str) -> Checked:
    words = [claim.kind, *(str(part) for part in (claim.subject, claim.side) if part)]
    if claim.distance_m is not None:
        words.append(f"{claim.distance_m:.0f} m")
    return Checked(" ".join(words), bool(holds), why)


def check_plan(text: str, plan_xyz: NDArray[np.float64], dt_s: float, state: WorldState | None = None) -> list[Checked]:
    """Whether a plan does what the text says. An action that the text does not name is not checked.

    Args:
        text: the reason.
        plan_xyz: base_link at dt_s, 2 dt_s, … in base_link of now, float64 [T, 3], at least 3 s long.
        dt_s: between the points.
        state: of the world, to measure lanes against; without it "keep lane" is not checked.

    Raises:
        ValueError: a plan that is too short or not [T, 3].
    """
    plan = np.asarray(plan_xyz, dtype=np.float64)
    if plan.ndim != 2 or plan.shape[1] != 3 or len(plan) * dt_s < 3.0 - 1e-6:
        raise ValueError(f"a plan must be [T, 3] and at least 3 s long, got {plan.shape} at {dt_s} s")
    reason = claims_in(text)
    xy = np.vstack([np.zeros(2), plan[:, :2]])
    steps = np.diff(xy, axis=0)
    speed = np.hypot(*steps.T) / dt_s
    checks = [_check_speed(reason, speed, dt_s, state)] if reason.longitudinal else []
    if reason.lateral:
        checks += _check_way(reason, xy, steps, dt_s, state)
    return checks


def _check_speed(reason: Reason, speed: NDArray[np.float64], dt_s: float, state: WorldState | None) -> Checked:
    now = state.ego.speed_mps if state is not None else float(speed[0])
    soon, later = speed[: round(1.5 / dt_s)], speed[: round(3.0 / dt_s)]
    holds = {
        "accelerate": soon.max() > now + SPEED_CHANGE_MPS,
        "decelerate": soon.min() < now - SPEED_CHANGE_MPS,
        "stop": soon.min() < max(now - SPEED_CHANGE_MPS, STANDING_MPS),
        "wait": float(soon.mean()) < 1.5,
        "keep speed": abs(float(soon.mean()) - now) < max(1.2, 0.15 * now),
        None: True,
    }[reason.longitudinal]
    why = f"{now:.1f} m/s, then {later.min():.1f} to {later.max():.1f} m/s"
    return Checked(str(reason.longitudinal), bool(holds), why)


def _check_way(
    reason: Reason, xy: NDArray[np.float64], steps: NDArray[np.float64], dt_s: float, state: WorldState | None
) -> list[Checked]:
    is_moving = np.hypot(*steps.T) > 0.05
    if is_moving.sum() < 5:
        return []  # a plan that stands goes nowhere
    yaw = np.unwrap(np.arctan2(*steps[is_moving].T[::-1]))
    distance_m = float(np.hypot(*steps.T).sum())
    why = f"turns {np.rad2deg(yaw[-1]):+.0f}° over {distance_m:.0f} m"
    lateral = reason.lateral
    if lateral in ("turn left", "turn right"):
        to_junction_m = state.junction.distance_m if state is not None and state.junction is not None else 0.0
        turned = float(yaw.max() if lateral == "turn left" else -yaw.min())
        # Before the junction there is no turn yet, and in it a part of the turn is done.
        is_whole = -3.0 < to_junction_m < distance_m - 12.0
        least = TURN_RAD if is_whole else -TURN_RAD
        other_way = float(-yaw.min() if lateral == "turn left" else yaw.max())
        return [Checked(lateral, turned > least and other_way < TURN_RAD, why)]
    if lateral in ("follow curve left", "follow curve right"):
        soon = yaw[: round(2.0 / dt_s)]
        turned = float(soon[-1]) if lateral == "follow curve left" else -float(soon[-1])
        return [Checked(lateral, turned > -0.12, f"turns {np.rad2deg(soon[-1]):+.0f}° within 2 s")]
    if lateral == "go straight":
        return [Checked(lateral, bool(np.abs(yaw).max() < 0.4), why)]
    if state is None or lateral not in ("keep lane", "change lane left", "change lane right"):
        return []
    cos, sin = np.cos(state.ego.yaw_rad), np.sin(state.ego.yaw_rad)
    in_map = xy[: round(2.0 / dt_s) + 1] @ np.array([[cos, sin], [-sin, cos]]) + np.array(state.ego.xy)
    path = Path(state.route)
    offsets = [path.project(point)[1] for point in in_map]
    drift = offsets[-1] - offsets[0]
    why = f"moves {drift:+.1f} m to the left of its lane's middle within 2 s, from {offsets[0]:+.1f} m"
    if lateral == "keep lane":
        return [Checked(lateral, max(abs(offset) for offset in offsets) < max(KEPT_M, abs(offsets[0]) + 0.8), why)]
    return [Checked(lateral, drift > -0.1 if lateral.endswith("left") else drift < 0.1, why)]
