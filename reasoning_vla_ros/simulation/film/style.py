"""Colours and lettering, those of the report and of the pictures in docs/."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

Rgb = tuple[int, int, int]

INK: Rgb = (31, 41, 55)
SOFT: Rgb = (107, 114, 128)
LINE: Rgb = (229, 231, 235)
PAPER: Rgb = (244, 246, 248)
CARD: Rgb = (255, 255, 255)
BLUE: Rgb = (37, 99, 235)
CHIP: Rgb = (219, 234, 254)
LIGHT_BLUE: Rgb = (96, 165, 250)
GREEN: Rgb = (22, 163, 74)
AMBER: Rgb = (217, 119, 6)
RED: Rgb = (220, 38, 38)

GROUND: Rgb = (236, 239, 243)
ASPHALT: Rgb = (198, 205, 214)
PAINT: Rgb = (255, 255, 255)
DRIVEN: Rgb = (148, 163, 184)
VEHICLE: Rgb = (75, 85, 99)
TRUCK: Rgb = (120, 113, 108)
OBSTACLE: Rgb = (234, 88, 12)
GLASS: Rgb = (156, 170, 186)
EGO: Rgb = (30, 58, 138)


@lru_cache(maxsize=32)
def font(size_px: int, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / ("DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf")), size_px)
