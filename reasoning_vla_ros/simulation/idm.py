"""The Intelligent Driver Model.

M. Treiber, A. Hennecke, D. Helbing, "Congested traffic states in empirical observations and microscopic simulations",
2000.
"""

from __future__ import annotations

import numpy as np


def idm_acceleration(
    speed_mps: float,
    gap_m: float,
    lead_speed_mps: float,
    comfort_mps2: float = 2.0,
    brake_mps2: float = 3.0,
    headway_s: float = 1.3,
    standstill_m: float = 3.0,
) -> float:
    """The Intelligent Driver Model's answer to what is ahead, without its free-road part: comfort (1 - (s*/s)²)."""
    closing = speed_mps * (speed_mps - lead_speed_mps) / (2 * np.sqrt(comfort_mps2 * brake_mps2))
    wanted_m = standstill_m + max(0.0, speed_mps * headway_s + closing)
    return float(comfort_mps2 * (1 - (wanted_m / max(gap_m, 0.3)) ** 2))
