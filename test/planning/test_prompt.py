"""Prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reasoning_vla_ros.models.vocabulary import SPECIAL_TOKEN_NAMES
from reasoning_vla_ros.planning import CameraFrames, Observation
from reasoning_vla_ros.planning.prompt import build_prompt

ALL_TOKENS: dict[str, int | None] = {name: index for index, name in enumerate(SPECIAL_TOKEN_NAMES)}
NO_TOKENS: dict[str, int | None] = dict.fromkeys(SPECIAL_TOKEN_NAMES)
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def observation(**fields: str) -> Observation:
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    cameras = (CameraFrames(0, "wrist", frames, (0, 1)), CameraFrames(1, "front", frames, (0, 1)))
    eye = np.eye(3, dtype=np.float32)[None]
    return Observation(0, cameras, np.zeros((1, 3), np.float32), eye, **fields)


def test_driving_prompt_is_the_public_originals(parity_data: Path) -> None:
    expected = (parity_data / "alpamayo_r1" / "prompt_text.txt").read_text()
    assert build_prompt(observation(), [IMAGE] * 4, 48, ALL_TOKENS) == expected


def test_navigation_text_stands_behind_the_history() -> None:
    text = build_prompt(observation(instruction="Turn left"), [IMAGE], 1, ALL_TOKENS)
    assert "<|traj_history_end|><|route_start|>Turn left<|route_end|>output the chain" in text
    plain = build_prompt(observation(instruction="Turn left"), [IMAGE], 1, NO_TOKENS)
    assert "<|traj_history_end|>Navigation: Turn left. output the chain" in plain
    assert plain.endswith("<|im_start|>assistant\n")


def test_other_robots_get_named_cameras_and_their_task() -> None:
    text = build_prompt(observation(instruction="Pick the cup", embodiment="ur5"), list("abcd"), 1, ALL_TOKENS)
    assert "You control a ur5 robot" in text
    assert "wrist camera: ab\nfront camera: cd\n" in text
    assert "Task: Pick the cup\n" in text
    assert text.endswith("<|im_start|>assistant\n<|cot_start|>")
