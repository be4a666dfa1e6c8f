"""Pages and films of a drive, without ROS."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reasoning_vla_ros.planning.followed_path import FollowedPath
from reasoning_vla_ros.simulation.episode import run_episode
from reasoning_vla_ros.simulation.expert import ExpertDriver
from reasoning_vla_ros.simulation.film import (
    FilmError,
    Moment,
    PlannedWay,
    draw_page,
    make_film,
    moments_of_steps,
    write_gif,
    write_video,
)
from reasoning_vla_ros.simulation.film.birds_eye import AHEAD_M, BEHIND_M
from reasoning_vla_ros.simulation.film.camera_picture import project
from reasoning_vla_ros.simulation.film.page import ABOVE, CAMERA, PAGE_SIZE, actions_of
from reasoning_vla_ros.simulation.film.style import BLUE, RED
from reasoning_vla_ros.simulation.world import World


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    """Six steps of the expert on a highway; from the third on there is a plan, straight ahead at 10 m/s."""
    steps = list(run_episode(World("highway", 12), ExpertDriver(), 0.6, keep_steps=True).steps)
    for index in range(2, len(steps)):
        ego = steps[index].state.ego
        ahead = np.array([np.cos(ego.yaw_rad), np.sin(ego.yaw_rad)])
        times_s = np.arange(0.0, 6.5, 0.1)
        path = FollowedPath.timed(
            0, times_s, ego.xy + 10.0 * times_s[:, None] * ahead, np.full(65, ego.yaw_rad), np.full(65, 10.0)
        )
        steps[index] = dataclasses.replace(steps[index], path=path)
    return list(moments_of_steps(steps, "expert", "highway", legs=("merge", "highway"), leg=1, start_s=5.0))


def test_moments_of_steps(moments: list[Moment]) -> None:
    assert [round(moment.time_s, 2) for moment in moments] == [5.0, 5.1, 5.2, 5.3, 5.4, 5.5]
    assert [moment.plan is not None for moment in moments] == [False, False, True, True, True, True]
    last = moments[-1]
    assert (last.legs, last.leg) == (("merge", "highway"), 1)
    assert last.image.shape == (400, 800, 3)
    assert len(last.driven) == 6
    assert last.text
    assert "km/h" in last.instruction
    assert last.road is moments[0].road


def test_plan_is_drawn_where_it_lies(moments: list[Moment]) -> None:
    """In the camera at the projection of a place 12 m ahead, and in the bird's-eye view straight above the vehicle."""
    moment = dataclasses.replace(moments[-1], things=())
    page, without = draw_page(moment), draw_page(dataclasses.replace(moment, plan=None))
    assert page.shape == (PAGE_SIZE[1], PAGE_SIZE[0], 3)
    assert page.dtype == np.uint8
    u, v, depth = project(moment, np.array([12.0, 0.0, 0.0]))
    assert depth == pytest.approx(12.0 - moment.camera_in_base[0, 3])
    column, row = round(CAMERA[0] + u), round(CAMERA[1] + v)
    here, before = page[row, column].astype(int), without[row, column].astype(int)
    assert here[2] - before[2] > 40  # bluer
    assert abs(here - before).max() > 40
    differs = (page != without).any(axis=2)
    # 3 m to either side nothing is drawn, nor in the sky.
    for left_m in (-3.0, 3.0):
        u, v, _ = project(moment, np.array([12.0, left_m, 0.0]))
        assert not differs[round(CAMERA[1] + v), round(CAMERA[0] + u)]
    assert not differs[CAMERA[1] : CAMERA[1] + 190, CAMERA[0] : CAMERA[2]].any()
    px_per_m = (ABOVE[3] - ABOVE[1]) / (AHEAD_M + BEHIND_M)
    middle = (ABOVE[0] + ABOVE[2]) // 2
    for ahead_m in (8.0, 30.0):
        assert page[round(ABOVE[1] + (AHEAD_M - ahead_m) * px_per_m), middle].tolist() == list(BLUE)


def test_a_plan_that_ends_in_standing_ends_in_a_bar(moments: list[Moment]) -> None:
    moment = dataclasses.replace(moments[-1], things=())
    assert moment.plan is not None
    stop = dataclasses.replace(moment.plan, xy=moment.plan.xy[:20], speed_mps=np.linspace(8.0, 0.0, 20))
    assert stop.has_stop
    page = draw_page(dataclasses.replace(moment, plan=stop))
    end_m = float(np.hypot(*(stop.xy[-1] - np.array(moment.xy))))
    px_per_m = (ABOVE[3] - ABOVE[1]) / (AHEAD_M + BEHIND_M)
    row = round(ABOVE[1] + (AHEAD_M - end_m) * px_per_m)
    assert page[row, (ABOVE[0] + ABOVE[2]) // 2 + 6].tolist() == list(RED)


def test_only_what_is_left_of_a_plan_lies_ahead() -> None:
    plan = PlannedWay(np.arange(1.0, 21.0)[:, None] * (0.0, 1.0), np.full(20, 10.0), np.zeros(2))
    way = plan.ahead_of((0.0, 8.2), np.pi / 2)
    np.testing.assert_allclose(way[0], 0.0, atol=1e-9)
    assert way[-1] == pytest.approx([11.8, 0.0], abs=0.51)
    assert len(plan.ahead_of((0.0, 40.0), np.pi / 2)) == 1


def test_film_with_all_that_may_be_asked_for(moments: list[Moment], tmp_path: Path) -> None:
    counts: list[int] = []
    video, gif, picture = (tmp_path / name for name in ("film.mp4", "film.gif", "film.png"))
    film = make_film(moments, video=video, gif=gif, picture=picture, still_times_s=(5.15, 5.5), on_page=counts.append)
    assert counts == [1, 2, 3, 4, 5, 6]
    assert [time_s for time_s, _ in film.stills] == pytest.approx([5.2, 5.5])
    assert all(data.startswith(b"\xff\xd8") for _, data in film.stills)
    capture = cv2.VideoCapture(str(video))
    assert (capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FRAME_WIDTH)) == (6, 1280)
    with Image.open(gif) as animation:
        assert (animation.n_frames, animation.size) == (2, (800, 450))  # type: ignore[attr-defined]
    assert gif.stat().st_size == film.gif_bytes
    with Image.open(picture) as page:
        assert page.size == PAGE_SIZE


def test_an_animation_that_is_too_large_gets_narrower(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 90, 160, 3), np.uint8)
    size = write_gif(list(noise), tmp_path / "a.gif", 5.0, width=160)
    assert write_gif(list(noise), tmp_path / "b.gif", 5.0, max_bytes=size // 2, width=160) <= size // 2
    with Image.open(tmp_path / "b.gif") as animation:
        assert 53 <= animation.width < 160


def test_an_animation_keeps_the_signal_colours(tmp_path: Path) -> None:
    """A red sign on a page of a hundred greens is red."""
    page = np.zeros((120, 160, 3), np.uint8)
    page[..., 1] = np.linspace(30, 255, 160)
    page[..., 2] = np.linspace(0, 120, 120)[:, None]
    page[60:66, 80:86] = RED
    write_gif([page], tmp_path / "a.gif", 5.0, width=160)
    with Image.open(tmp_path / "a.gif") as animation:
        assert np.abs(np.subtract(animation.convert("RGB").getpixel((83, 63)), RED)).max() < 8


def test_a_film_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FilmError, match="no pages"):
        write_video([], tmp_path / "a.mp4", 10.0)
    with pytest.raises(FilmError, match="no pages"):
        write_gif([], tmp_path / "a.gif", 10.0)


def test_meta_actions_are_said_once() -> None:
    assert actions_of("longitudinal: keep speed; lateral: keep lane; lane: keep") == ("keep speed", "keep lane")
    assert actions_of("longitudinal: accelerate; lateral: change lane left; lane: left") == (
        "accelerate",
        "change lane left",
    )
    assert actions_of("lateral: follow curve right; lane: keep") == ("follow curve right", "keep lane")
    assert actions_of("go straight") == ("go straight",)
    assert actions_of("") == ()
