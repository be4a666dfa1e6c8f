"""A frame of the film: camera, bird's-eye view, speed and words on one page."""

from __future__ import annotations

import textwrap
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reasoning_vla_ros.simulation.film.birds_eye import draw_birds_eye
from reasoning_vla_ros.simulation.film.camera_picture import draw_camera
from reasoning_vla_ros.simulation.film.moment import Moment
from reasoning_vla_ros.simulation.film.style import (
    BLUE,
    CARD,
    CHIP,
    DRIVEN,
    INK,
    LINE,
    PAPER,
    RED,
    SOFT,
    Rgb,
    font,
)

PAGE_SIZE = (1280, 720)
CAMERA = (24, 72, 824, 472)
ABOVE = (848, 72, 1256, 696)
WORDS = (24, 488, 824, 696)
RADIUS = 14
TEXT_COLUMNS, MAX_LINES = 50, 3
OVER_LIMIT_MPS = 1.0

Box = tuple[int, int, int, int]


def draw_page(moment: Moment) -> NDArray[np.uint8]:
    """The page of a moment, uint8 [720, 1280, 3], RGB."""
    page = Image.new("RGB", PAGE_SIZE, PAPER)
    draw = ImageDraw.Draw(page)
    _draw_head(draw, moment)
    _paste(page, draw_camera(moment, _size(CAMERA)), CAMERA)
    _draw_instruction(page, moment.instruction)
    _paste(page, draw_birds_eye(moment, _size(ABOVE)), ABOVE)
    draw.rounded_rectangle(WORDS, RADIUS, fill=CARD, outline=LINE)
    _draw_speed(draw, moment, (WORDS[0] + 26, WORDS[1] + 30))
    _draw_words(draw, moment, (WORDS[0] + 256, WORDS[1] + 20))
    _draw_legend(page, moment)
    if moment.alarm:
        _draw_alarm(draw, moment.alarm)
    return np.asarray(page, np.uint8)


def _size(box: Box) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def _draw_head(draw: ImageDraw.ImageDraw, moment: Moment) -> None:
    draw.text((CAMERA[0], 36), moment.title, INK, font(22, True), anchor="lm")
    clock = f"{int(moment.time_s // 60)}:{moment.time_s % 60:04.1f}"
    draw.text((PAGE_SIZE[0] - 24, 36), clock, SOFT, font(18), anchor="rm")
    right = PAGE_SIZE[0] - 24 - 84
    for number in range(len(moment.legs) - 1, -1, -1):
        name = moment.legs[number]
        is_this = number == moment.leg
        lettering = font(15, is_this)
        width = round(draw.textlength(name, lettering)) + 26
        box = (right - width, 20, right, 52)
        color = CARD if is_this else INK if number < moment.leg else SOFT
        draw.rounded_rectangle(box, 16, fill=BLUE if is_this else LINE if number < moment.leg else PAPER, outline=LINE)
        draw.text(((box[0] + box[2]) / 2, 36), name, color, lettering, anchor="mm")
        right = box[0] - 8


def _draw_speed(draw: ImageDraw.ImageDraw, moment: Moment, corner: tuple[int, int]) -> None:
    x, y = corner
    limit = moment.speed_limit_mps
    is_over = limit is not None and moment.speed_mps > limit + OVER_LIMIT_MPS
    draw.text((x, y), f"{moment.speed_mps * 3.6:.0f}", RED if is_over else INK, font(68, True), anchor="lt")
    draw.text((x + 2, y + 66), "km/h", SOFT, font(17), anchor="lt")
    if limit is None:
        return
    middle, radius = (x + 154, y + 30), 30
    circle = tuple(value + sign * radius for sign in (-1, 1) for value in middle)
    draw.ellipse(circle, fill=CARD, outline=RED, width=6)
    draw.text(middle, f"{limit * 3.6:.0f}", INK, font(21, True), anchor="mm")
    _draw_meter(draw, (x, y + 112, x + 184, y + 120), moment.speed_mps / max(limit, 1.0), is_over)


def _draw_meter(draw: ImageDraw.ImageDraw, box: Box, share: float, is_over: bool) -> None:
    """Speed as a share of the limit."""
    left, top, right, bottom = box
    draw.rounded_rectangle(box, 4, fill=LINE)
    width = round((right - left) * min(max(share, 0.0), 1.0))
    if width >= 8:
        draw.rounded_rectangle((left, top, left + width, bottom), 4, fill=RED if is_over else BLUE)


def _draw_words(draw: ImageDraw.ImageDraw, moment: Moment, corner: tuple[int, int]) -> None:
    x, y = corner
    right = WORDS[2] - 20
    draw.line((x - 24, WORDS[1] + 22, x - 24, WORDS[3] - 22), fill=LINE, width=2)
    left = x
    for action in actions_of(moment.meta_action):
        width = round(draw.textlength(action, font(15, True))) + 28
        draw.rounded_rectangle((left, y, left + width, y + 30), 15, fill=CHIP)
        draw.text((left + width / 2, y + 15), action, BLUE, font(15, True), anchor="mm")
        left += width + 8
    top = y + 52 if left > x else y + 16
    lines = textwrap.wrap(moment.text, TEXT_COLUMNS)
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], lines[MAX_LINES - 1][: TEXT_COLUMNS - 1] + "\N{HORIZONTAL ELLIPSIS}"]
    for number, line in enumerate(lines):
        draw.text((x, top + 26 * number), line, INK, font(19), anchor="lm")
    step = (right - x) / max(len(moment.figures), 1)
    for number, (label, value) in enumerate(moment.figures):
        left = round(x + number * step)
        draw.text((left, WORDS[3] - 46), value, INK, font(16, True), anchor="lt")
        draw.text((left, WORDS[3] - 26), label, SOFT, font(12), anchor="lt")


def actions_of(meta_action: str) -> tuple[str, ...]:
    """What a meta action such as "longitudinal: keep speed; lateral: keep lane; lane: keep" says, each thing once."""
    said: list[str] = []
    for part in meta_action.split(";"):
        key, _, value = part.rpartition(":")
        action = f"{value.strip()} lane" if key.strip() == "lane" else value.strip()
        if action and not any(set(action.split()) <= set(other.split()) for other in said):
            said.append(action)
    return tuple(said)


def _draw_instruction(page: Image.Image, instruction: str) -> None:
    """What the vehicle was told, as a banner over the camera's picture."""
    if not instruction:
        return
    draw = ImageDraw.Draw(page, "RGBA")
    text = _shortened(draw, instruction, CAMERA[2] - CAMERA[0] - 80)
    width = round(draw.textlength(text, font(15))) + 32
    box = (CAMERA[0] + 14, CAMERA[1] + 14, CAMERA[0] + 14 + width, CAMERA[1] + 46)
    draw.rounded_rectangle(box, 16, fill=(17, 24, 39, 165))
    draw.text((box[0] + 16, CAMERA[1] + 30), text, CARD, font(15), anchor="lm")


def _draw_legend(page: Image.Image, moment: Moment) -> None:
    """Names of the lines, in the corner of the bird's-eye view."""
    draw = ImageDraw.Draw(page, "RGBA")
    entries: list[tuple[str, Rgb]] = [("plan", BLUE)] if moment.plan is not None else []
    entries.append(("driven", DRIVEN))
    x, y = ABOVE[0] + 26, ABOVE[3] - 30
    width = 12 + sum(48 + round(draw.textlength(label, font(14))) for label, _ in entries)
    draw.rounded_rectangle((x - 12, y - 16, x - 12 + width, y + 16), 16, fill=(255, 255, 255, 215))
    for label, color in entries:
        draw.rounded_rectangle((x, y - 3, x + 22, y + 3), 3, fill=color)
        draw.text((x + 30, y), label, INK, font(14), anchor="lm")
        x += 48 + round(draw.textlength(label, font(14)))


def _draw_alarm(draw: ImageDraw.ImageDraw, alarm: str) -> None:
    lettering = font(20, True)
    width = round(draw.textlength(alarm, lettering)) + 44
    right = CAMERA[2] - 14
    draw.rounded_rectangle((right - width, CAMERA[1] + 14, right, CAMERA[1] + 58), 22, fill=RED)
    draw.text((right - width / 2, CAMERA[1] + 36), alarm, CARD, lettering, anchor="mm")


def _shortened(draw: ImageDraw.ImageDraw, text: str, width: float) -> str:
    lettering = font(15)
    if draw.textlength(text, lettering) <= width:
        return text
    while text and draw.textlength(text + "\N{HORIZONTAL ELLIPSIS}", lettering) > width:
        text = text[:-1]
    return text.rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _paste(page: Image.Image, pixels: NDArray[np.uint8], box: Box) -> None:
    """A picture with rounded corners."""
    page.paste(Image.fromarray(pixels), box[:2], _rounded_mask(pixels.shape[1], pixels.shape[0]))
    ImageDraw.Draw(page).rounded_rectangle(box, RADIUS, outline=LINE)


@lru_cache(maxsize=8)
def _rounded_mask(width: int, height: int) -> Image.Image:
    mask = Image.new("L", (width * 2, height * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), RADIUS * 2, fill=255)
    return mask.resize((width, height))
