"""Miss rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MISS_HORIZON_S = 3.0
MISS_THRESHOLD_M = 2.0

DEFINITIONS = {
    "miss_rate": f"Miss rate: share of plans whose FDE@{MISS_HORIZON_S:g} s exceeds {MISS_THRESHOLD_M:g} m (threshold "
    "and horizon are options of the evaluation and stand in the run's settings).",
}


def miss(fde_m: ArrayLike, threshold_m: float = MISS_THRESHOLD_M) -> NDArray[np.float64]:
    """1 where the displacement [...] exceeds the threshold, 0 where it does not, NaN where there is none."""
    distance = np.asarray(fde_m, np.float64)
    return np.where(np.isnan(distance), np.nan, (distance > threshold_m).astype(np.float64))
