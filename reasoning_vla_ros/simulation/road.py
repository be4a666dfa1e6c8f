"""A smoothly winding road, and a drive along it with changing speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_CURVATURE_PER_M = 1.0 / 80.0
GRID_STEP_M = 0.25


@dataclass(frozen=True)
class Road:
    """Centre line of the ego lane, which starts at the origin along +x.

    Attributes:
        curvature: float64 [N], 1/m, positive to the left, at every GRID_STEP_M of arc length.
        heading: float64 [N], rad.
        xy: float64 [N, 2], metres.
    """

    curvature: NDArray[np.float64]
    heading: NDArray[np.float64]
    xy: NDArray[np.float64]

    @staticmethod
    def winding(length_m: float, rng: np.random.Generator) -> Road:
        """A road of at least `length_m` whose curvature is a sum of sines; the first 20 m lead in from straight."""
        s_m = np.arange(0.0, length_m + GRID_STEP_M, GRID_STEP_M)
        wavelengths_m = rng.uniform([90.0, 140.0, 220.0], [140.0, 220.0, 320.0])
        phases = rng.uniform(0.0, 2 * np.pi, 3)
        waves = np.sin(2 * np.pi * s_m[:, None] / wavelengths_m + phases)
        curvature = MAX_CURVATURE_PER_M * (waves @ [0.3, 0.3, 0.4]) * np.clip(s_m / 20.0, 0.0, 1.0)
        heading = _integral(curvature, GRID_STEP_M)
        xy = np.stack([_integral(np.cos(heading), GRID_STEP_M), _integral(np.sin(heading), GRID_STEP_M)], axis=-1)
        return Road(curvature, heading, xy)

    def heading_at(self, s_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Heading in rad at arc lengths s_m [...]."""
        return np.asarray(np.interp(s_m, self._grid, self.heading))

    def curvature_at(self, s_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Curvature in 1/m at arc lengths s_m [...]."""
        return np.asarray(np.interp(s_m, self._grid, self.curvature))

    def points(self, s_m: NDArray[np.float64], left_m: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:
        """Points [..., 2] at arc lengths s_m [...], `left_m` to the left of the centre line, metres."""
        heading = self.heading_at(s_m)
        x, y = (np.interp(s_m, self._grid, self.xy[:, axis]) for axis in (0, 1))
        return np.stack([x - left_m * np.sin(heading), y + left_m * np.cos(heading)], axis=-1)

    @property
    def _grid(self) -> NDArray[np.float64]:
        return np.arange(len(self.curvature), dtype=np.float64) * GRID_STEP_M


@dataclass(frozen=True)
class DriveState:
    """Where a unicycle vehicle is that follows the ego lane: arc length, speed and the resulting pose and rate."""

    s_m: float
    speed_mps: float
    xy: NDArray[np.float64]
    yaw_rad: float
    yaw_rate_rps: float
    lead_gap_m: float


@dataclass(frozen=True)
class RoadDrive:
    """A drive at mean speed plus a slow swing (at most 1.6 m/s²), behind a lead vehicle at a changing distance."""

    road: Road
    mean_speed_mps: float
    swing_mps: float
    period_s: float
    phase: float
    gap_phase: float

    @staticmethod
    def random(duration_s: float, sight_m: float, rng: np.random.Generator) -> RoadDrive:
        """A drive on a winding road that goes on for `sight_m` beyond the end of the drive."""
        mean_speed_mps = float(rng.uniform(8.0, 10.5))
        swing_mps, period_s = float(rng.uniform(2.0, 3.2)), float(rng.uniform(13.0, 18.0))
        phase, gap_phase = (float(value) for value in rng.uniform(0.0, 2 * np.pi, 2))
        length_m = (mean_speed_mps + swing_mps) * duration_s + sight_m
        road = Road.winding(length_m, rng)
        return RoadDrive(road, mean_speed_mps, swing_mps, period_s, phase, gap_phase)

    def state_at(self, time_s: float) -> DriveState:
        """The state `time_s` after the start."""
        omega = 2 * np.pi / self.period_s
        angle = omega * time_s + self.phase
        s_m = self.mean_speed_mps * time_s + self.swing_mps / omega * (np.cos(self.phase) - np.cos(angle))
        speed_mps = self.mean_speed_mps + self.swing_mps * np.sin(angle)
        at = np.asarray(s_m)
        return DriveState(
            s_m=float(s_m),
            speed_mps=float(speed_mps),
            xy=self.road.points(at),
            yaw_rad=float(self.road.heading_at(at)),
            yaw_rate_rps=float(speed_mps * self.road.curvature_at(at)),
            lead_gap_m=float(24.0 + 7.0 * np.sin(0.45 * time_s + self.gap_phase)),
        )


def _integral(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Running integral by the trapezoidal rule, from 0."""
    return np.append(0.0, np.cumsum((values[1:] + values[:-1]) / 2) * step).astype(np.float64)
