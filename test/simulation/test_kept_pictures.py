"""Pictures that are drawn once."""

from __future__ import annotations

import numpy as np

from reasoning_vla_ros.simulation.kept_pictures import KeptPictures


def test_a_picture_is_drawn_once_and_comes_back_as_it_was() -> None:
    drawn: list[int] = []

    def draw(key: int) -> np.ndarray:
        drawn.append(key)
        return np.random.default_rng(key).integers(0, 255, (4, 6, 3), dtype=np.uint8)

    pictures = KeptPictures(draw)
    first, second = pictures[3], pictures[3]
    assert drawn == [3]
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.uint8
    assert not np.array_equal(pictures[4], first)


def test_without_room_pictures_are_drawn_again() -> None:
    drawn: list[int] = []

    def draw(key: int) -> np.ndarray:
        drawn.append(key)
        return np.zeros((100, 100, 3), np.uint8)

    pictures = KeptPictures(draw, max_bytes=200)
    for key in (0, 1, 1, 0):
        np.testing.assert_array_equal(pictures[key], np.zeros((100, 100, 3), np.uint8))
    assert pictures.num_bytes <= 200
    assert drawn == [0, 1, 1]
