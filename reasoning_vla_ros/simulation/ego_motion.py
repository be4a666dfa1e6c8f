"""The ego as a unicycle within limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasoning_vla_ros.simulation.world_state import EgoCommand, EgoState


@dataclass(frozen=True)
class EgoLimits:
    """What the ego can do at most: a passenger car on a dry road."""

    max_brake_mps2: float = 7.0
    max_acceleration_mps2: float = 3.0
    max_curvature_1pm: float = 0.2
    max_lateral_acceleration_mps2: float = 6.0
    max_speed_mps: float = 40.0


LIMITS = EgoLimits()


def move(ego: EgoState, command: EgoCommand, dt_s: float, limits: EgoLimits = LIMITS) -> EgoState:
    """The ego after `dt_s` of a command, which is cut to the limits. It stops, and does not go backwards.

    Raises:
        ValueError: a command that is not finite.
    """
    asked, bend = float(command.acceleration_mps2), float(command.curvature_1pm)
    if not (np.isfinite(asked) and np.isfinite(bend)):
        raise ValueError(f"an ego command must be finite, got {command}")
    acceleration = float(np.clip(asked, -limits.max_brake_mps2, limits.max_acceleration_mps2))
    speed = float(np.clip(ego.speed_mps + acceleration * dt_s, 0.0, limits.max_speed_mps))
    most = min(limits.max_curvature_1pm, limits.max_lateral_acceleration_mps2 / max(ego.speed_mps, 0.1) ** 2)
    curvature = float(np.clip(bend, -most, most))
    distance_m = (ego.speed_mps + speed) / 2 * dt_s
    turn = curvature * distance_m
    chord_m = distance_m * float(np.sinc(turn / (2 * np.pi)))
    heading = ego.yaw_rad + turn / 2
    return EgoState(
        xy=(ego.xy[0] + chord_m * float(np.cos(heading)), ego.xy[1] + chord_m * float(np.sin(heading))),
        yaw_rad=float((ego.yaw_rad + turn + np.pi) % (2 * np.pi) - np.pi),
        speed_mps=speed,
        acceleration_mps2=(speed - ego.speed_mps) / dt_s,
        curvature_1pm=curvature,
        length_m=ego.length_m,
        width_m=ego.width_m,
    )
