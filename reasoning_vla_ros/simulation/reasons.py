"""Facts as sentences: the cause, then the action, in several wordings."""

from __future__ import annotations

import numpy as np

from reasoning_vla_ros.simulation.facts import Decision, Fact, FactKind, Lateral, Longitudinal

MAX_WORDS = 25
ROUNDING_M = 5.0

# {it} is the vehicle, {d} a distance as "15 m", {side} left or right, {thing} a barrier or a cone.
CAUSES: dict[FactKind, tuple[str, ...]] = {
    "free_road": ("the road ahead is free", "the lane ahead is clear", "there is no vehicle ahead"),
    "lead_braking": (
        "the {it} {d} ahead is braking",
        "brake lights show on the {it} {d} ahead",
        "lead {it} {d} ahead is braking",
    ),
    "lead_slower": ("the {it} {d} ahead is slower", "a slower {it} is {d} ahead", "lead {it} {d} ahead drives slower"),
    "lead_stopped": (
        "the {it} {d} ahead has stopped",
        "a stopped {it} is {d} ahead",
        "lead {it} {d} ahead is standing",
    ),
    "lead_close": ("the {it} {d} ahead is close", "the gap to the {it} {d} ahead is short"),
    "lead_steady": (
        "the {it} {d} ahead keeps its speed",
        "lead {it} {d} ahead drives steadily",
        "a {it} drives steadily {d} ahead",
    ),
    "lead_leaving": ("the {it} {d} ahead is pulling away", "lead {it} {d} ahead is getting away"),
    "curve": ("a {side} curve is {d} ahead", "the road bends {side} {d} ahead"),
    "speed_limit": ("the speed limit is reached", "the ego drives at the speed limit"),
    "obstacle": ("a {thing} blocks the lane {d} ahead", "the lane is closed by a {thing} {d} ahead"),
    "oncoming": ("an oncoming {it} is {d} away", "there is an oncoming {it} {d} away"),
    "crossing": ("a {it} is crossing {d} ahead", "a crossing {it} is {d} away"),
    "ring": ("a {it} on the roundabout is {d} away", "a {it} comes around the roundabout {d} away"),
    "merging": ("a {it} is merging from the {side} {d} ahead", "a merging {it} is {d} ahead on the {side}"),
    "turn": ("the route {way} at the junction {d} ahead", "at the junction {d} ahead the route {way}"),
    "roundabout": ("a roundabout is {d} ahead", "the roundabout is {d} ahead"),
    "lane_free": ("the {side} lane is free", "there is room in the {side} lane"),
}
# Where the distance is nothing: the ego is in the curve, at the junction, on the roundabout.
CAUSES_HERE: dict[FactKind, tuple[str, ...]] = {
    "curve": ("the road bends {side} here", "this is a {side} curve"),
    "turn": ("the route {way} at this junction", "at this junction the route {way}"),
    "roundabout": ("this is a roundabout", "the ego is at the roundabout"),
}
WAYS = {"left": "turns left", "right": "turns right", "straight": "goes straight"}
LONGITUDINAL_WORDS: dict[Longitudinal, tuple[str, ...]] = {
    "accelerate": ("speed up", "accelerate"),
    "keep speed": ("keep the speed", "hold the speed"),
    "decelerate": ("slow down", "reduce speed"),
    "stop": ("stop", "brake to a stop"),
    "wait": ("wait", "stay stopped"),
}
LATERAL_WORDS: dict[Lateral, tuple[str, ...]] = {
    "keep lane": ("keep the lane", "stay in the lane"),
    "change lane left": ("change to the left lane", "move to the left lane"),
    "change lane right": ("change to the right lane", "move to the right lane"),
    "follow curve left": ("follow the curve to the left", "steer left along the curve"),
    "follow curve right": ("follow the curve to the right", "steer right along the curve"),
    "turn left": ("turn left",),
    "turn right": ("turn right",),
    "go straight": ("go straight on", "go straight across"),
    "enter roundabout": ("enter the roundabout", "drive into the roundabout"),
}
HERE_M = 2.5


def reason_text(decision: Decision, seed: int | np.random.Generator = 0) -> str:
    """The decision's reason in one sentence of at most 25 words; the same seed gives the same wording."""
    rng = np.random.default_rng(seed)

    def one_of(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(len(choices)))]

    meta = decision.meta_action
    speed, way = one_of(LONGITUDINAL_WORDS[meta.longitudinal]), one_of(LATERAL_WORDS[meta.lateral])
    is_later = meta.longitudinal in ("stop", "wait") and meta.lateral not in ("keep lane", "go straight")
    action = f"{speed}, then {way}" if is_later else f"{speed} and {way}"
    causes = [_cause(fact, one_of) for fact in decision.facts[:2]]
    while True:
        text = f"{' and '.join(causes)}, so {action}."
        if len(text.split()) <= MAX_WORDS or len(causes) == 1:
            return text[0].upper() + text[1:]
        causes.pop()


def rounded_m(distance_m: float) -> int:
    """A distance as one tells it: to 5 m, at least 5 m."""
    return max(int(ROUNDING_M), round(distance_m / ROUNDING_M) * int(ROUNDING_M))


def _cause(fact: Fact, one_of: object) -> str:
    distance_m = fact.distance_m or 0.0
    is_here = fact.kind in CAUSES_HERE and distance_m < HERE_M
    text = one_of((CAUSES_HERE if is_here else CAUSES)[fact.kind])  # type: ignore[operator]
    return str(
        text.format(
            d=f"{rounded_m(distance_m)} m",
            it=fact.subject or "vehicle",
            thing=fact.subject or "barrier",
            side=fact.side,
            way=WAYS.get(fact.side or "straight"),
        )
    )
