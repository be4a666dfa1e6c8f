"""One plan as a picture: in the camera's image, from above, and in words."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from reasoning_vla_ros.evaluation.calibration import Calibration
from reasoning_vla_ros.evaluation.report.samples import Shown
from reasoning_vla_ros.evaluation.report.style import (
    CANDIDATE_COLOUR,
    HISTORY_COLOUR,
    INK,
    METHOD_COLOURS,
    PLAN_COLOUR,
    TRUTH_COLOUR,
    drawable,
    new_figure,
)

VEHICLE_WIDTH_M = 1.8
VEHICLE_LENGTH_M = 4.5
MAX_IMAGE_WIDTH = 1280
IMAGE_IN = 8.2
ABOVE_IN = 3.1
TEXT_IN = 1.75
MAX_STRETCH = 3.0
BASELINE_SHOWN = "constant velocity"


def draw_plan(shown: Shown, *, with_text: bool = True, ground_z_m: float = 0.0) -> Figure:
    """Camera image with the plan and the truth drawn in, the scene from above, and the reasoning text.

    Args:
        shown: the plan and its image.
        with_text: add the text panel.
        ground_z_m: height of the ground in the ego frame; 0 where base_link lies on the ground.
    """
    text_in = TEXT_IN if with_text else 0.0
    image_in = 0.0 if shown.image is None else IMAGE_IN * shown.image.shape[0] / shown.image.shape[1]
    height_in = max(image_in + text_in + 0.2, 3.4)
    width_in = IMAGE_IN + ABOVE_IN + 0.4
    figure = new_figure(width_in, height_in)
    if shown.image is not None:
        top = (height_in - 0.1 - image_in) / height_in
        axes = figure.add_axes((0.1 / width_in, top, IMAGE_IN / width_in, image_in / height_in))
        _draw_camera(axes, shown, shown.image, ground_z_m)
    left = (IMAGE_IN + 0.65) / width_in
    above = figure.add_axes((left, 0.5 / height_in, (ABOVE_IN - 0.4) / width_in, (height_in - 0.6) / height_in))
    _draw_from_above(above, shown, (ABOVE_IN - 0.4) / (height_in - 0.6))
    if with_text:
        panel = figure.add_axes((0.1 / width_in, 0.0, IMAGE_IN / width_in, (height_in - image_in - 0.2) / height_in))
        _write_text(panel, shown)
    return figure


def _draw_camera(axes: Axes, shown: Shown, image: NDArray[np.uint8], ground_z_m: float) -> None:
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    if width > MAX_IMAGE_WIDTH:
        picture = picture.resize((MAX_IMAGE_WIDTH, round(height * MAX_IMAGE_WIDTH / width)))
    axes.imshow(picture, extent=(0, width, height, 0), aspect="auto", interpolation="lanczos")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    if shown.calibration is None:
        _caption(axes, f"{shown.camera} (no calibration, plan not drawn)")
        return
    calibration, size = shown.calibration, (width, height)
    plan, future = shown.scored.plan, shown.scored.future
    for k in range(len(plan.xyz)):
        if k != plan.shown:
            _draw_line(axes, calibration, size, plan.xyz[k], ground_z_m, CANDIDATE_COLOUR, 1.0)
    if len(plan.xyz):
        _draw_ribbon(axes, calibration, size, plan.xyz[plan.shown], ground_z_m)
        _draw_line(axes, calibration, size, plan.xyz[plan.shown], ground_z_m, PLAN_COLOUR, 2.4)
    _draw_line(axes, calibration, size, future.xyz[future.valid], ground_z_m, TRUTH_COLOUR, 2.4)
    _caption(axes, f"{shown.camera}   ▬ plan  ▬ truth", (None, PLAN_COLOUR, TRUTH_COLOUR))


def _draw_line(
    axes: Axes,
    calibration: Calibration,
    size: tuple[int, int],
    xyz: NDArray[np.floating],
    ground_z_m: float,
    colour: str,
    width: float,
) -> None:
    pixels, _ = calibration.project(_dense_on_ground(xyz, ground_z_m), size)
    if width > 2:
        axes.plot(pixels[:, 0], pixels[:, 1], color="white", linewidth=width + 1.6, alpha=0.8, clip_on=True)
    axes.plot(pixels[:, 0], pixels[:, 1], color=colour, linewidth=width, clip_on=True)


def _draw_ribbon(
    axes: Axes, calibration: Calibration, size: tuple[int, int], xyz: NDArray[np.floating], ground_z_m: float
) -> None:
    """The strip of road that a vehicle on the plan would cover."""
    points = _dense_on_ground(xyz, ground_z_m)
    if len(points) < 2 or np.ptp(points[:, :2], axis=0).max() < 0.5:
        return
    ahead = np.gradient(points[:, :2], axis=0)
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], -1) / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
    edges = []
    for sign in (1.0, -1.0):
        edge = points.copy()
        edge[:, :2] += sign * aside * VEHICLE_WIDTH_M / 2
        edges.append(calibration.project(edge, size))
    both = edges[0][1] & edges[1][1]
    if both.sum() < 2:
        return
    outline = np.concatenate([edges[0][0][both], edges[1][0][both][::-1]])
    axes.fill(outline[:, 0], outline[:, 1], color=PLAN_COLOUR, alpha=0.28, linewidth=0)


def _dense_on_ground(xyz: NDArray[np.floating], ground_z_m: float) -> NDArray[np.float64]:
    """From the vehicle along the waypoints, in steps short enough for lines near the camera."""
    known = np.concatenate([np.zeros((1, 3)), np.asarray(xyz, np.float64)])
    known = known[np.isfinite(known).all(axis=1)]
    index = np.linspace(0, len(known) - 1, 8 * (len(known) - 1) + 1)
    dense = np.stack([np.interp(index, np.arange(len(known)), known[:, axis]) for axis in range(3)], axis=-1)
    return dense + np.array([0.0, 0.0, ground_z_m])


def _caption(axes: Axes, text: str, colours: tuple[str | None, ...] = (None,)) -> None:
    parts = text.split("▬")
    x = 0.01
    for part, colour in zip(parts, colours, strict=False):
        label = drawable(part if colour is None else f"▬ {part.strip()}")
        axes.text(
            x,
            0.03,
            label.rstrip(),
            transform=axes.transAxes,
            color=colour or INK,
            fontsize=9,
            fontweight="bold",
            parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2.5},
        )
        x += 0.0125 * (len(label.rstrip()) + 1)


def _draw_from_above(axes: Axes, shown: Shown, aspect: float) -> None:
    """The scene from above, forward up, left to the left."""
    plan, future, history = shown.scored.plan, shown.scored.future, shown.scored.history
    truth = np.concatenate([np.zeros((1, 3)), future.xyz[future.valid]])
    others = [k for k in range(len(plan.xyz)) if k != plan.shown]
    for k in others:
        label = "other candidates" if k == others[0] else None
        axes.plot(*_seen_from_above(plan.xyz[k]), color=CANDIDATE_COLOUR, linewidth=1.0, zorder=2, label=label)
    baseline = shown.scored.trajectories.get(BASELINE_SHOWN)
    if baseline is not None:
        axes.plot(
            *_seen_from_above(baseline),
            color=METHOD_COLOURS[BASELINE_SHOWN],
            linewidth=1.3,
            linestyle=(0, (2, 2)),
            label=BASELINE_SHOWN,
            zorder=3,
        )
    axes.plot(*_seen_from_above(truth), color=TRUTH_COLOUR, linewidth=3.2, label="truth", zorder=4)
    drawn = [truth, history.xyz]
    if len(plan.xyz):
        label = "plan" if plan.selected >= 0 else "invalid plan"
        line = "-" if plan.selected >= 0 else (0, (4, 1.5))
        axes.plot(
            *_seen_from_above(plan.xyz[plan.shown]),
            color=PLAN_COLOUR,
            linewidth=2,
            linestyle=line,
            label=label,
            zorder=5,
        )
        drawn.append(plan.xyz[plan.shown])
    axes.plot(*_seen_from_above(history.xyz), color=HISTORY_COLOUR, linewidth=2, label="history", zorder=4)
    axes.add_patch(
        Rectangle((-VEHICLE_WIDTH_M / 2, -VEHICLE_LENGTH_M / 4), VEHICLE_WIDTH_M, VEHICLE_LENGTH_M, color=INK, zorder=6)
    )
    _frame(axes, drawn, aspect)
    axes.legend(loc="lower right", fontsize=7, frameon=True, framealpha=0.85, edgecolor="none")


def _frame(axes: Axes, drawn: list[NDArray[np.floating]], aspect: float) -> None:
    """Limits that show truth, history and as much of the plan as leaves them readable; `aspect` is width / height."""
    reference = np.concatenate([each[np.isfinite(each).all(axis=1)] for each in drawn[:2]])
    low, high = reference[:, :2].min(axis=0), reference[:, :2].max(axis=0)
    span = max(float((high - low).max()), 20.0)
    for each in drawn[2:]:
        finite = each[np.isfinite(each).all(axis=1), :2]
        if len(finite):
            low = np.minimum(low, np.maximum(finite.min(axis=0), low - span / 2))
            high = np.maximum(high, np.minimum(finite.max(axis=0), high + span / 2))
    centre, size = (low + high) / 2, (high - low) * 1.12
    ahead_m = max(float(size[0]), float(size[1]) / aspect, 20.0)
    # On a straight road true proportions would show one line; sideways the scale may be up to MAX_STRETCH times larger.
    aside_m = max(ahead_m * aspect / MAX_STRETCH, float(size[1]) * 1.3, 8.0)
    stretch = max(ahead_m * aspect / aside_m, 1.0)
    aside_m = ahead_m * aspect / stretch
    axes.set_ylim(centre[0] - ahead_m / 2, centre[0] + ahead_m / 2)
    axes.set_xlim(centre[1] + aside_m / 2, centre[1] - aside_m / 2)
    axes.set_facecolor("#f3f4f6")
    axes.grid(color="white", linewidth=1.0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(labelsize=7, colors=INK, length=0)
    wider = f", {stretch:.1f} times the scale ahead" if stretch > 1.05 else ""
    axes.set_xlabel(f"left (m){wider}", fontsize=8, color=INK, labelpad=1)
    axes.set_ylabel("ahead (m)", fontsize=8, color=INK, labelpad=1)


def _seen_from_above(xyz: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    return xyz[:, 1], xyz[:, 0]


def _write_text(axes: Axes, shown: Shown) -> None:
    axes.axis("off")
    plan = shown.scored.plan
    status = plan.status.name.lower()
    head = f"{shown.bag}   t0 = {plan.t0_ns * 1e-9:.3f} s   {shown.scored.manoeuvre.value}   {plan.seconds.total:.2f} s"
    colour = {"ok": TRUTH_COLOUR, "invalid": "#dc2626", "reduced": "#d97706"}[status]
    axes.text(0.0, 0.95, drawable(head), va="top", fontsize=8.5, color=HISTORY_COLOUR, parse_math=False)
    meta = plan.meta_actions[plan.shown] if plan.meta_actions else ""
    label = f"{status}" + (f"   {meta}" if meta else "")
    axes.text(
        0.0, 0.78, drawable(_clip(label, 90)), va="top", fontsize=10, fontweight="bold", color=colour, parse_math=False
    )
    reasoning = plan.reasoning[plan.shown] if plan.reasoning else ""
    body = " ".join((reasoning or "(no reasoning text)").split())
    if plan.status_reason:
        body = f"{_clip(' '.join(plan.status_reason.split()), 150)}\n{body}"
    lines = [line for part in body.split("\n") for line in textwrap.wrap(drawable(part), 104)]
    text = "\n".join(lines[:4]) + (" …" if len(lines) > 4 else "")
    axes.text(0.0, 0.58, text, va="top", fontsize=9.5, color=INK, linespacing=1.4, parse_math=False)


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
