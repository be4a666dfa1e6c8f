"""Open-loop scores, one scorer a file; each file states its definition."""

from reasoning_vla_ros.evaluation.metrics import (
    comfort,
    displacement,
    heading,
    horizons,
    latency,
    lateral_longitudinal,
    manoeuvre,
    min_displacement,
    miss_rate,
    plan_deviation,
    rates,
)

DEFINITIONS: dict[str, str] = {
    "horizon": horizons.DEFINITION,
    **displacement.DEFINITIONS,
    **min_displacement.DEFINITIONS,
    **heading.DEFINITIONS,
    **lateral_longitudinal.DEFINITIONS,
    **miss_rate.DEFINITIONS,
    **plan_deviation.DEFINITIONS,
    **comfort.DEFINITIONS,
    **rates.DEFINITIONS,
    **latency.DEFINITIONS,
    "manoeuvre": manoeuvre.DEFINITION,
}

__all__ = ["DEFINITIONS"]
