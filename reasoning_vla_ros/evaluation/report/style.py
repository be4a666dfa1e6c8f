"""Colours, fonts and figure handling that all charts share."""

from __future__ import annotations

import io
from functools import lru_cache

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

from reasoning_vla_ros.evaluation.scoring import PLANNER, UNCHECKED

TRUTH_COLOUR = "#16a34a"
PLAN_COLOUR = "#2563eb"
CANDIDATE_COLOUR = "#93b4f5"
HISTORY_COLOUR = "#6b7280"
INK = "#1f2937"
METHOD_COLOURS = {
    PLANNER: PLAN_COLOUR,
    UNCHECKED: "#60a5fa",
    "constant velocity": "#f59e0b",
    "constant turn rate": "#db2777",
    "ego history": "#7c3aed",
}
METHOD_LINES = {PLANNER: "-", UNCHECKED: (0, (4, 2))}


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure without pyplot's global state."""
    figure = Figure(figsize=(width_in, height_in), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure) -> bytes:
    """The figure as PNG; photographs in it would be smaller as JPEG, see `to_jpeg`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def to_jpeg(figure: Figure, quality: int = 86) -> bytes:
    """The figure as JPEG."""
    png = io.BytesIO(to_png(figure))
    buffer = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def drawable(text: str) -> str:
    """The text with every character that the chart's font lacks replaced; reasoning text may hold anything."""
    known = _known_characters()
    return "".join(char if ord(char) in known else (" " if char.isspace() else "\N{WHITE SQUARE}") for char in text)


@lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    return frozenset(code for code in get_font(findfont("DejaVu Sans")).get_charmap() if code >= 32)
