#!/usr/bin/env python3
"""Draws docs/pictures/simulation_scenes.png: what the front camera sees while the expert drives, with its reasons."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import cv2
import numpy as np

from reasoning_vla_ros.simulation.episode import Step, run_episode
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.road_view import PinholeCamera
from reasoning_vla_ros.simulation.scenarios import ScenarioSettings
from reasoning_vla_ros.simulation.scene_view import SceneView
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import Light, Weather

# Scenario, light, weather and the cause to wait for.
SCENES: tuple[tuple[str, Light, Weather, str], ...] = (
    ("highway", "day", "clear", "lead_braking"),
    ("highway", "dusk", "clear", "obstacle"),
    ("highway", "night", "clear", "lead_slower"),
    ("merge", "day", "clear", "merging"),
    ("merge", "day", "rain", "lead_steady"),
    ("roundabout", "day", "clear", "ring"),
    ("roundabout", "dusk", "rain", "roundabout"),
    ("intersection", "day", "clear", "oncoming"),
    ("intersection", "day", "fog", "turn"),
    ("curves", "day", "clear", "curve"),
    ("curves", "night", "clear", "lead_braking"),
    ("curves", "day", "fog", "obstacle"),
)
CAMERA = PinholeCamera(320, 160, 100.0)
CAPTION_PX, COLUMNS = 62, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "simulation_scenes.png"
    parser.add_argument("--out", type=Path, default=default)
    out = parser.parse_args().out
    tiles = [_tile(*scene) for scene in SCENES]
    rows = [np.concatenate(tiles[start : start + COLUMNS], axis=1) for start in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def _tile(scenario: str, light: Light, weather: Weather, cause: str) -> np.ndarray:
    step = _find(scenario, light, weather, cause)
    picture = SceneView(CAMERA, oversampling=3).render(step.state)
    caption = np.full((CAPTION_PX, CAMERA.width, 3), 255, np.uint8)
    lines = [*textwrap.wrap(step.text, 54), step.navigation]
    for number, line in enumerate(lines):
        color = (20, 20, 20) if number < len(lines) - 1 else (120, 120, 120)
        cv2.putText(caption, line, (4, 13 + 14 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.36, color, 1, cv2.LINE_AA)
    return np.concatenate([picture, caption])


def _find(scenario: str, light: Light, weather: Weather, cause: str) -> Step:
    """The first step with that cause, at least 1 s into a drive, whose subject is near enough to be looked at."""
    for seed in range(200):
        world = World(scenario, seed, ScenarioSettings(light=light, weather=weather))
        for step in run_episode(world, ExpertDriver(), 16.0, keep_steps=True).steps[10:]:
            fact = step.decision.facts[0] if step.decision else None
            if fact is not None and fact.kind == cause and (fact.distance_m or 0.0) < 26.0:
                return step
    raise SystemExit(f"no {scenario} with {cause} in 200 seeds")


if __name__ == "__main__":
    main()
