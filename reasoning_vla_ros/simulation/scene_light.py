"""Colours under light and weather."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.world_state import Conditions, Light

Color = tuple[float, float, float]

ASPHALT: Color = (84, 85, 90)
WET_ASPHALT: Color = (62, 66, 74)
SHOULDER: Color = (132, 124, 104)
PAINT: Color = (236, 236, 230)
GRASS: Color = (92, 130, 62)
GRASS_PATCH: Color = (80, 117, 54)
HILLS: Color = (98, 116, 122)
TRUNK: Color = (84, 66, 48)
SHADOW: Color = (48, 49, 53)
LIGHT_CONTRAST = 1.1  # exp(-1.1) is a third, as Conditions.fog_range_m says

_GAINS: dict[Light, Color] = {"day": (1.0, 1.0, 1.0), "dusk": (0.78, 0.62, 0.56), "night": (0.3, 0.32, 0.4)}
_SKIES: dict[Light, tuple[Color, Color]] = {
    "day": ((112, 158, 212), (222, 232, 240)),
    "dusk": ((70, 74, 124), (244, 168, 110)),
    "night": ((8, 10, 22), (30, 34, 54)),
}
_OVERCAST: Color = (168, 174, 180)


@dataclass(frozen=True)
class Lighting:
    """What light and weather do to colours.

    Attributes:
        gain: of each channel, for what does not shine.
        haze: the colour that far things fade to.
        fog_range_m: where a third of the contrast is left.
        sky: colours at the top of the sky and at the horizon.
    """

    gain: Color
    haze: Color
    fog_range_m: float
    sky: tuple[Color, Color]
    is_dark: bool
    is_wet: bool
    headlight_gain: float

    @staticmethod
    def of(conditions: Conditions) -> Lighting:
        gain = np.array(_GAINS[conditions.light])
        top, horizon = (np.array(color) for color in _SKIES[conditions.light])
        if conditions.weather != "clear":
            gray = np.array(_OVERCAST) * gain
            top, horizon = 0.25 * top + 0.75 * 0.8 * gray, 0.25 * horizon + 0.75 * gray
            gain = gain * (0.92, 0.95, 1.0)
        fog_range_m = min(conditions.fog_range_m, 220.0 if conditions.weather == "rain" else 1000.0)
        return Lighting(
            _color(gain),
            _color(horizon),
            fog_range_m,
            (_color(top), _color(horizon)),
            conditions.light != "day",
            conditions.weather == "rain",
            {"day": 0.0, "dusk": 0.1, "night": 0.75}[conditions.light],
        )

    def seen(self, colors: NDArray[np.float64], distance_m: float) -> NDArray[np.float64]:
        """Colours [..., 3] at a distance: lit, by headlights too, then veiled."""
        lit = 1.0 + self.headlight_gain / max(min(self.gain), 0.1) * math.exp(-distance_m / 30.0)
        return self.veiled(colors * (np.array(self.gain) * lit), distance_m)

    def veiled(self, colors: NDArray[np.float64], distance_m: float) -> NDArray[np.float64]:
        """Colours [..., 3] that shine on their own, at a distance."""
        left = math.exp(-LIGHT_CONTRAST * distance_m / self.fog_range_m)
        return np.asarray(np.minimum(left * colors + (1 - left) * np.array(self.haze), 255.0))

    def ground_maps(
        self, depth_m: NDArray[np.floating], side: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Gain [H, W, 3] and haze to add [H, W, 3] for ground at `depth_m` [H, 1], `side` [W] = left over forward."""
        cone = np.exp(-((side / 0.55) ** 2))[None, :] * np.exp(-depth_m / 30.0)
        gain = np.array(self.gain) * (1.0 + self.headlight_gain / max(min(self.gain), 0.1) * cone[..., None])
        left = np.exp(-LIGHT_CONTRAST * depth_m / self.fog_range_m)[..., None]
        haze = (1 - left) * np.array(self.haze) * np.ones((1, len(side), 1))
        return (gain * left).astype(np.float32), haze.astype(np.float32)


def _color(values: NDArray[np.float64]) -> Color:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
