"""Where the package's config/ and schema/ lie, without asking ROS's index: a checkout or an installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "reasoning_vla_ros"


def share_path(relative: str) -> Path:
    """A file or folder of the package's share folder, such as "config/rigs".

    Looked for, in this order, in the checkout that this module lies in, under the prefix that it is installed in, under
    each entry of AMENT_PREFIX_PATH and under Python's prefix; so the files are those of the code that runs, where it
    has some.

    Raises:
        FileNotFoundError: it is in none of them; the message names all.
    """
    tried = []
    for folder in _share_folders():
        path = folder / relative
        if path.exists():
            return path
        tried.append(str(path))
    raise FileNotFoundError(f"{relative} of {PACKAGE} is missing, looked for {', '.join(dict.fromkeys(tried))}")


def _share_folders() -> Iterator[Path]:
    root = Path(__file__).resolve().parents[2]
    if (root / "package.xml").is_file():
        yield root
    # PREFIX/lib/pythonX.Y/site-packages is `root` where the package is installed.
    if len(root.parents) > 2:
        yield root.parents[2] / "share" / PACKAGE
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / PACKAGE
    yield Path(sys.prefix) / "share" / PACKAGE
