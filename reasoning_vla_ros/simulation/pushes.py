"""Pushes off the expert's way, so that there is something to recover from (DART, arXiv 1703.09327)."""

from __future__ import annotations

import numpy as np

from reasoning_vla_ros.simulation.world_state import EgoCommand, WorldState

JERKS = (1, 5)  # parts of a push, each with a strength of its own
JERK_S = (0.2, 0.6)
PAUSE_S = (7.5, 9.5)  # more than a horizon of 6.4 s, so that whole recoveries lie between two pushes
# As a lateral acceleration, so that a part moves the ego by up to 0.3 m and turns it by a few degrees.
LATERAL_MPS2 = 1.6
LONGITUDINAL_MPS2 = 3.0


class Pushes:
    """Adds to the commands of one drive, for a moment now and then: the ego is pushed, braked and sped up in jerks, as
    by somebody who follows bad plans, so that its motion so far is no longer what the expert's would be.

    Args:
        rng: of when and how.
        duration_s: of the drive; 0 for no pushes.
    """

    def __init__(self, rng: np.random.Generator, duration_s: float) -> None:
        self.pushes: list[tuple[float, float, float, float]] = []
        begin_s = float(rng.uniform(1.0, PAUSE_S[1]))
        while begin_s < duration_s:
            for _ in range(int(rng.integers(JERKS[0], JERKS[1] + 1))):
                end_s = begin_s + float(rng.uniform(*JERK_S))
                strength = rng.uniform(-1.0, 1.0, 2)
                self.pushes.append((begin_s, end_s, LATERAL_MPS2 * strength[0], LONGITUDINAL_MPS2 * strength[1]))
                begin_s = end_s
            begin_s += float(rng.uniform(*PAUSE_S))

    def disturb(self, command: EgoCommand, state: WorldState) -> tuple[EgoCommand, bool]:
        """The command with the push of this instant, and whether there is one."""
        for begin_s, end_s, lateral_mps2, longitudinal_mps2 in self.pushes:
            if begin_s <= state.time_s < end_s:
                curvature = command.curvature_1pm + lateral_mps2 / max(state.ego.speed_mps, 3.0) ** 2
                return EgoCommand(command.acceleration_mps2 + longitudinal_mps2, curvature), True
        return command, False
