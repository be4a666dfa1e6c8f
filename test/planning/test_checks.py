"""Checks of candidates."""

from __future__ import annotations

import numpy as np
import pytest

from reasoning_vla_ros.planning import PlanLimits, PlannerSettings
from reasoning_vla_ros.planning.checks import check_candidate

STEPS, DT_S, V0_MPS = 20, 0.1, 10.0


def check(**changes: tuple[int, float]) -> str:
    """Checks a straight drive at 10 m/s with single values changed, each as (waypoint, value)."""
    series = {
        "x": V0_MPS * DT_S * np.arange(1, STEPS + 1),
        "speed_mps": np.full(STEPS, V0_MPS),
        "acceleration_mps2": np.zeros(STEPS),
        "heading_rate_rps": np.zeros(STEPS),
    }
    for name, (index, value) in changes.items():
        series[name][index] = value
    x = series.pop("x")
    xyz = np.stack([x, 0 * x, 0 * x], axis=-1)
    return check_candidate(xyz, **series, v0_mps=V0_MPS, dt_s=DT_S, limits=PlanLimits())


def test_a_straight_drive_is_sound() -> None:
    assert check() == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": (3, np.nan)}, "not finite"),
        ({"speed_mps": (3, np.inf)}, "not finite"),
        ({"x": (0, 5.0)}, "start offset 4.00 m at waypoint 0, it may be at most 1 m"),
        ({"speed_mps": (7, -80.0)}, "speed -80.00 m/s at waypoint 7, it may be at most 70 m/s"),
        ({"acceleration_mps2": (7, -12.0)}, "acceleration -12.00 m/s^2 at waypoint 7"),
        ({"heading_rate_rps": (2, 1.5)}, "lateral acceleration 15.00 m/s^2 at waypoint 2"),
        ({"acceleration_mps2": (7, 8.0)}, "jerk 80.00 m/s^3 at waypoint 6, it may be at most 50 m/s^3"),
    ],
)
def test_what_is_not_sound_is_named(change: dict, message: str) -> None:
    assert check(**change).startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlannerSettings(temperature=-1), "temperature must be at least 0 and finite, got -1"),
        (lambda: PlannerSettings(temperature=float("inf")), "finite, got inf"),
        (lambda: PlannerSettings(top_p=0), r"top_p must lie in \(0, 1\], got 0"),
        (lambda: PlannerSettings(max_reasoning_tokens=-1), "max_reasoning_tokens must be at least 0"),
        (lambda: PlanLimits(max_speed_mps=0), "max_speed_mps must be positive, got 0"),
    ],
)
def test_bad_settings_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
