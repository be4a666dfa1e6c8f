"""Installs the Python half with pip; the metadata is in setup.cfg. `colcon build` takes CMakeLists.txt instead."""

from pathlib import Path

from setuptools import setup

PACKAGE = "reasoning_vla_ros"


def share_files(folder: str) -> tuple[str, list[str]]:
    """The files of a folder, to be installed under the package's share folder."""
    return f"share/{PACKAGE}/{folder}", sorted(str(path) for path in Path(folder).glob("*") if path.is_file())


setup(
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *(share_files(folder) for folder in ("config", "config/rigs", "config/train", "launch", "msg", "schema")),
    ]
)
