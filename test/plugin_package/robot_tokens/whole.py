"""A whole trajectory tokenizer with a constructor of its own."""

from __future__ import annotations

from typing import Any

from reasoning_vla_ros.tokenizers import TrajectoryTokenizer, UniformActionTokenizer
from robot_tokens.planar import PlanarActionSpace


class CoarseTokenizer(TrajectoryTokenizer):
    """Planar positions in a given number of bins over +-100 m."""

    def __init__(self, levels: int = 401) -> None:
        self.levels = levels
        super().__init__(PlanarActionSpace(), UniformActionTokenizer(2, levels, (-10, 10)))

    def to_config(self) -> dict[str, Any]:
        return {"name": self.name, "levels": self.levels}
