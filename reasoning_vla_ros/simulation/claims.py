"""Sentences back to claims. Any wording of :mod:`reasons` is understood, and those a little off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from reasoning_vla_ros.simulation.facts import FactKind, Lateral, Longitudinal


@dataclass(frozen=True)
class Claim:
    """A cause that a text names; `distance_m` and `side` only if it says so."""

    kind: FactKind
    distance_m: float | None = None
    side: Literal["left", "straight", "right"] | None = None
    subject: Literal["car", "truck", "barrier", "cone"] | None = None


@dataclass(frozen=True)
class Reason:
    """What a text says: causes, and the two parts of the action if it names them."""

    causes: tuple[Claim, ...]
    longitudinal: Longitudinal | None
    lateral: Lateral | None


# The first pattern that fits names the claim.
_CAUSES: tuple[tuple[FactKind, str], ...] = (
    ("merging", r"merg"),
    ("oncoming", r"oncoming"),
    ("crossing", r"crossing|crosses"),
    ("ring", r"(car|truck|vehicle)\b.*\broundabout"),
    ("roundabout", r"roundabout"),
    ("turn", r"junction|route|intersection"),
    ("obstacle", r"barrier|cone|closed|blocks|blocked|obstacle"),
    ("lane_free", r"(left|right) lane\b"),
    ("free_road", r"\bfree\b|\bclear\b|no vehicle|nothing ahead"),
    ("speed_limit", r"limit"),
    ("curve", r"curve|bend"),
    ("lead_braking", r"\bbrak"),
    ("lead_stopped", r"stopped|standing|stands"),
    ("lead_leaving", r"pulling away|getting away|moving off"),
    ("lead_slower", r"slow"),
    ("lead_close", r"\bclose\b|short"),
    ("lead_steady", r"steadi|steady|keeps its speed"),
)
_LONGITUDINAL: tuple[tuple[Longitudinal, str], ...] = (
    ("wait", r"\bwait|stay stopped|remain"),
    ("stop", r"\bstop\b|to a stop"),
    ("decelerate", r"slow down|reduce|decelerate"),
    ("accelerate", r"speed up|accelerate"),
    ("keep speed", r"(keep|hold) the speed|keep speed|hold speed"),
)
_LATERAL: tuple[tuple[Lateral, str], ...] = (
    ("change lane left", r"left lane"),
    ("change lane right", r"right lane"),
    ("follow curve left", r"curve to the left|left along"),
    ("follow curve right", r"curve to the right|right along"),
    ("turn left", r"turn left"),
    ("turn right", r"turn right"),
    ("go straight", r"straight"),
    ("enter roundabout", r"roundabout"),
    ("keep lane", r"\blane\b"),
)


def claims_in(text: str) -> Reason:
    """What a text claims; with no causes where none is understood."""
    lowered = text.lower()
    cause_text, _, action_text = lowered.partition(", so ")
    causes = []
    for part in re.split(r" and ", cause_text):
        kind = _first(_CAUSES, part)
        if kind is not None:
            causes.append(_claim(kind, part))
    return Reason(tuple(causes), _first(_LONGITUDINAL, action_text), _first(_LATERAL, action_text))


def _claim(kind: FactKind, text: str) -> Claim:
    distance = re.search(r"(\d+(?:\.\d+)?)\s*m\b", text)
    is_here = kind in ("curve", "turn", "roundabout") and re.search(r"\b(here|this|at the roundabout)\b", text)
    side = re.search(r"\b(left|right|straight)\b", text)
    subject = re.search(r"\b(car|truck|barrier|cone)\b", text)
    return Claim(
        kind,
        float(distance.group(1)) if distance else 0.0 if is_here else None,
        side.group(1) if side else None,  # type: ignore[arg-type]
        subject.group(1) if subject else None,  # type: ignore[arg-type]
    )


def _first(patterns: tuple[tuple[object, str], ...], text: str):  # type: ignore[no-untyped-def]
    return next((name for name, pattern in patterns if re.search(pattern, text)), None)
