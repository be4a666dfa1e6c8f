#!/usr/bin/env python3
"""Draws docs/pictures/demo.gif and demo.png from a drive that `make demo` recorded."""

from __future__ import annotations

import argparse
from pathlib import Path

from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL
from reasoning_vla_ros.simulation.film import make_film, moments_of_bag

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drive", type=Path, nargs="?", default=REPO / "output" / "demo" / "drive.mcap")
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "pictures")
    parser.add_argument("--title", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    moments = moments_of_bag(arguments.drive, arguments.title)
    film = make_film(moments, gif=arguments.out / "demo.gif", picture=arguments.out / "demo.png")
    print(f"{arguments.out / 'demo.gif'}: {film.gif_bytes / 1e6:.1f} MB, from {film.num_pages} pages")


if __name__ == "__main__":
    main()
