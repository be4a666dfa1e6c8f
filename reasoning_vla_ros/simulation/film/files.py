"""Pages as files: PNG, GIF by Pillow, video by OpenCV."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reasoning_vla_ros.simulation.film.style import BLUE, CARD, CHIP, EGO, INK, LIGHT_BLUE, OBSTACLE, RED, Rgb

# MPEG-4, which OpenCV's wheels can always write: 6 ms a page. They have no H.264, and VP9 took 200 ms a page.
CODECS = ("mp4v",)
GIF_COLORS = 128
# The page's own, and brake lights in the camera's picture.
SIGNAL_COLORS: tuple[Rgb, ...] = (RED, BLUE, LIGHT_BLUE, CHIP, CARD, INK, EGO, OBSTACLE, (255, 30, 20), (150, 20, 15))


class FilmError(RuntimeError):
    """A film that cannot be written; the message says why."""


def write_png(page: NDArray[np.uint8], path: Path) -> None:
    """One page, uint8 [H, W, 3], RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).save(path, optimize=True)


def write_video(pages: Iterable[NDArray[np.uint8]], path: Path, rate_hz: float) -> int:
    """An MP4 of pages of one size, uint8 [H, W, 3], RGB; the number of pages.

    Raises:
        FilmError: no pages, or no encoder in this build of OpenCV.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: cv2.VideoWriter | None = None
    count = 0
    try:
        for page in pages:
            if writer is None:
                writer = _video_writer(path, rate_hz, (page.shape[1], page.shape[0]))
            writer.write(np.ascontiguousarray(page[..., ::-1]))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    if not count:
        raise FilmError(f"{path}: there are no pages to write")
    return count


def write_gif(
    pages: Sequence[NDArray[np.uint8]], path: Path, rate_hz: float, max_bytes: int | None = None, width: int = 800
) -> int:
    """An animation that loops; its size in bytes. Where it would exceed `max_bytes` it gets narrower, to a third.

    Raises:
        FilmError: no pages.
    """
    if not pages:
        raise FilmError(f"{path}: there are no pages to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        data = _gif(pages, rate_hz, width)
        if max_bytes is None or len(data) <= max_bytes or width <= pages[0].shape[1] // 3:
            path.write_bytes(data)
            return len(data)
        # Its bytes go with its area, a little less.
        width = max(pages[0].shape[1] // 3, min(width - 40, round(width * (max_bytes / len(data)) ** 0.55)))


def _gif(pages: Sequence[NDArray[np.uint8]], rate_hz: float, width: int) -> bytes:
    size = (width, round(width * pages[0].shape[0] / pages[0].shape[1]))
    small = [cv2.resize(page, size, interpolation=cv2.INTER_AREA) for page in pages]
    # One palette for all, of a contact sheet: colours that changed from frame to frame would flicker, and cost bytes.
    sheet = np.concatenate([page[::4, ::4] for page in small[:: max(1, len(small) // 24)]])
    palette = _palette(sheet)
    frames = [Image.fromarray(page).quantize(palette=palette, dither=Image.Dither.NONE) for page in small]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / rate_hz),
        loop=0,
        optimize=False,
    )
    return buffer.getvalue()


def _palette(sheet: NDArray[np.uint8]) -> Image.Image:
    """The colours of a sheet, and with them the signal colours, which are too rare in it to be found."""
    found = Image.fromarray(sheet).quantize(GIF_COLORS - len(SIGNAL_COLORS), Image.Quantize.MEDIANCUT)
    colors = (found.getpalette() or [])[: 3 * (GIF_COLORS - len(SIGNAL_COLORS))]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colors, *(value for color in SIGNAL_COLORS for value in color)])
    return palette


def _video_writer(path: Path, rate_hz: float, size: tuple[int, int]) -> cv2.VideoWriter:
    for codec in CODECS:
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate_hz, size)
        if writer.isOpened():
            return writer
    raise FilmError(f"{path}: this build of OpenCV can encode none of {', '.join(CODECS)}")
