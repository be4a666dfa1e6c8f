"""A film of a drive: moments in, video, animation and still pictures out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reasoning_vla_ros.simulation.film.files import write_gif, write_png, write_video
from reasoning_vla_ros.simulation.film.moment import Moment
from reasoning_vla_ros.simulation.film.page import draw_page

# An animation is for a README: a page every 0.3 s at 8 a second, 2.4 times as fast as the drive, for most 24 s of it.
GIF_PERIOD_S, GIF_RATE_HZ, GIF_WIDTH, GIF_MAX_PAGES = 0.3, 8.0, 800, 220
GIF_MAX_BYTES = 6_000_000
NEAR_THING_M = 35.0


@dataclass(frozen=True)
class Film:
    """What was written.

    Attributes:
        num_pages: of the video.
        stills: time in the film and JPEG of the page, one for each time that was asked for.
        gif_bytes: size of the animation; 0 without one.
    """

    num_pages: int
    stills: tuple[tuple[float, bytes], ...]
    gif_bytes: int


def make_film(
    moments: Iterable[Moment],
    *,
    video: Path | None = None,
    gif: Path | None = None,
    picture: Path | None = None,
    rate_hz: float = 10.0,
    still_times_s: Sequence[float] = (),
    on_page: Callable[[int], None] = lambda count: None,
) -> Film:
    """Draws every moment and writes what is asked for; `picture` gets the page that tells most.

    Args:
        moments: in their order, `rate_hz` a second.
        video, gif, picture: where they go; None for none.
        still_times_s: for each, the first page that is not before it is kept, ascending.
        on_page: called with the number of pages so far.

    Raises:
        FilmError: no moments, or no encoder.
    """
    reel = _Reel(still_times_s, round(GIF_PERIOD_S * rate_hz) if gif is not None else 0, on_page)
    if video is not None:
        write_video(reel.pages(moments), video, rate_hz)
    else:
        for _ in reel.pages(moments):
            pass
    gif_bytes = 0
    if gif is not None:
        step = -(-len(reel.small) // GIF_MAX_PAGES) or 1
        gif_bytes = write_gif(reel.small[::step], gif, GIF_RATE_HZ, GIF_MAX_BYTES, GIF_WIDTH)
    if picture is not None and reel.best is not None:
        write_png(reel.best, picture)
    return Film(reel.count, tuple(reel.stills), gif_bytes)


def telling(moment: Moment) -> float:
    """How much there is to be seen at a moment: a plan that moves, traffic ahead, something said, no rain or night."""
    if moment.plan is None or moment.alarm:
        return 0.0
    ahead = np.array([np.cos(moment.yaw_rad), np.sin(moment.yaw_rad)])
    offsets = [np.array(thing.xy) - np.array(moment.xy) for thing in moment.things]
    near = sum(0.0 < float(offset @ ahead) < NEAR_THING_M for offset in offsets)
    way = moment.plan.ahead_of(moment.xy, moment.yaw_rad)
    bend_m = float(np.ptp(way[:, 1]))
    brightness = float(moment.image[::8, ::8].mean()) / 128
    return (
        min(len(moment.text), 90) / 90 + min(near, 3) / 3 + min(bend_m, 6.0) / 6 + min(len(way), 60) / 60 + brightness
    )


class _Reel:
    """What is kept of the pages as they go by."""

    def __init__(self, still_times_s: Sequence[float], gif_step: int, on_page: Callable[[int], None]) -> None:
        self.count = 0
        self.small: list[NDArray[np.uint8]] = []
        self.stills: list[tuple[float, bytes]] = []
        self.best: NDArray[np.uint8] | None = None
        self._best_score = -1.0
        self._times_s = list(still_times_s)
        self._gif_step = gif_step
        self._on_page = on_page

    def pages(self, moments: Iterable[Moment]) -> Iterator[NDArray[np.uint8]]:
        for moment in moments:
            page = draw_page(moment)
            self._keep(moment, page)
            self.count += 1
            self._on_page(self.count)
            yield page

    def _keep(self, moment: Moment, page: NDArray[np.uint8]) -> None:
        if self._gif_step and self.count % self._gif_step == 0:
            size = (GIF_WIDTH, round(GIF_WIDTH * page.shape[0] / page.shape[1]))
            self.small.append(np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), np.uint8))
        while self._times_s and moment.time_s >= self._times_s[0] - 1e-6:
            self._times_s.pop(0)
            self.stills.append((moment.time_s, _jpeg(page)))
        if (score := telling(moment)) > self._best_score:
            self._best_score, self.best = score, page


def _jpeg(page: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(page).save(buffer, format="JPEG", quality=86, optimize=True)
    return buffer.getvalue()
