"""Rate against distortion: fewer tokens at the same error are better, so is less error at the same tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.evaluation.tokenizers.comparison import Comparison
from reasoning_vla_ros.evaluation.tokenizers.labels import families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

SUFFIXES = (".png", ".svg", ".pdf")
# Paul Tol's muted and bright colours; readers who are colour-blind can tell them apart.
COLOURS = (
    "#332288", "#CC6677", "#117733", "#DDAA33", "#88CCEE", "#AA4499", "#44AA99", "#882255", "#999933", "#EE7733",
    "#0077BB", "#555555",
)  # fmt: skip
MARKERS = "osD^vh"
# Where a label may stand beside its point, in points, the best place first.
PLACES = [
    (dx * reach, dy * reach)
    for reach in (8, 14, 22, 32)
    for dx, dy in (
        (1, 0.4),
        (1, -0.4),
        (-1, 0.4),
        (-1, -0.4),
        (0, 1),
        (0, -1),
        (0.8, 1),
        (0.8, -1),
        (-0.8, 1),
        (-0.8, -1),
    )
]

Row = dict[str, Any]


def plot(result: Comparison, path: Path) -> None:
    """Draws tokens against ADE, both logarithmic, to a file whose suffix says its format (.png, .svg, .pdf).

    Rows of one family, the same tokenizer at several lengths, are joined by a line. A dotted line shows what the first
    tokens of a tokenizer alone reach, where its prefixes decode.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    figure = Figure(figsize=(9.5, 6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    names: list[tuple[float, float, str, str]] = []
    lines: list[tuple[list[float], list[float]]] = []
    for index, (name, rows) in enumerate(_families(result).items()):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]
        tokens, errors = [row["tokens_mean"] for row in rows], [row["ade"] for row in rows]
        axes.plot(
            tokens, errors, color=colour, marker=marker, linewidth=1.6, markersize=7, markeredgecolor="white",
            markeredgewidth=0.8, zorder=3,
        )  # fmt: skip
        if len(rows) == 1 and (prefix := rows[0]["prefix_ade"]):
            first = [float(count) for count in prefix], list(prefix.values())
            axes.plot(*first, ":", color=colour, linewidth=1.2, zorder=2)
            lines.append(first)
        lines.append((tokens, errors))
        names.append((tokens[-1], errors[-1], name, colour))  # a family is named once, at its longest
    axes.set_xlabel("tokens a trajectory")
    axes.set_ylabel(f"mean error ({result.unit})")
    kind = "drives" if result.is_driving else "arm motions"
    axes.set_title(f"{result.num_tested:,} {kind}, {result.tested_on}", loc="left", fontsize=10)
    axes.grid(True, which="major", color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.06, y=0.08)
    axes.set_xlim(right=2.2 * axes.get_xlim()[1])  # names stand to the right of their points
    _label(figure, axes, names, lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=170)


def _families(result: Comparison) -> dict[str, list[Row]]:
    """Rows by the name of their family, shortest first."""
    names = families([row["tokenizer"] for row in result.rows])
    found: dict[str, list[Row]] = {}
    for row in result.rows:
        if row["ade"] > 0:  # a logarithm has no place for zero, nor for NaN where nothing decoded
            found.setdefault(names[row["tokenizer"]], []).append(row)
    return {name: sorted(rows, key=lambda row: float(row["tokens_mean"])) for name, rows in found.items()}


def _label(
    figure: Figure,
    axes: Axes,
    names: list[tuple[float, float, str, str]],
    lines: list[tuple[list[float], list[float]]],
) -> None:
    """Writes names (x, y, name, colour) beside their points, each where it covers the least of lines and names."""
    figure.draw_without_rendering()  # settles where the axes lie
    drawn = np.concatenate([_along(axes, x, y) for x, y in lines])
    boxes: list[Bbox] = []
    for x, y, name, colour in names:
        tried: list[tuple[int, int, Text, Bbox]] = []
        for dx, dy in PLACES:
            text = axes.annotate(
                name, (x, y), (dx, dy), textcoords="offset points", color=colour, fontsize=9,
                ha="center" if dx == 0 else "left" if dx > 0 else "right",
                va="center" if abs(dy) < abs(dx) else "bottom" if dy > 0 else "top",
            )  # fmt: skip
            box = text.get_window_extent().padded(2)
            covers = sum(box.overlaps(other) for other in boxes) * len(drawn)
            covers += int(((drawn > (box.x0, box.y0)) & (drawn < (box.x1, box.y1))).all(1).sum())
            inside = axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1) and axes.bbox.containsy(box.y0)
            tried.append((covers + (0 if inside else len(drawn)), len(tried), text, box))
        _, _, best, box = min(tried)
        for _, _, other, _ in tried:
            if other is not best:
                other.remove()
        boxes.append(box)


def _along(axes: Axes, x: list[float], y: list[float]) -> NDArray[np.float64]:
    """Places [N, 2] in the picture along a line, close to one another."""
    corners = axes.transData.transform(np.stack([x, y], -1))
    steps = np.linspace(0, len(corners) - 1, 20 * len(corners))
    return np.stack([np.interp(steps, np.arange(len(corners)), column) for column in corners.T], -1)
