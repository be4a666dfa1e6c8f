"""The structure that docs/architecture.md promises: imports run one way, ROS stays in ros/, files stay short."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PACKAGE = REPO / "reasoning_vla_ros"
FLOORS = [
    {"geometry"},
    {"tokenizers"},
    {"models"},
    {"planning"},
    {"messages"},
    {"bags"},
    {"datasets"},
    {"ros"},
    {"evaluation", "simulation", "training"},
    {"closed_loop"},
    {"cli"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ROS_MODULES = {"rclpy", "launch", "launch_ros", "ament_index_python"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def test_imports_run_one_way() -> None:
    upward = []
    for path in FILES:
        room = room_of(path)
        for module in imported_modules(path):
            top, _, rest = module.partition(".")
            target = rest.partition(".")[0]
            if top != "reasoning_vla_ros" or target == room:
                continue
            below = target in FLOOR_OF and FLOOR_OF[target] < FLOOR_OF[room]
            if not below and not (target == "msg" and room == "ros"):
                upward.append(f"{path.relative_to(REPO)} imports {module}")
    assert upward == []


def test_libraries_stay_on_their_floor() -> None:
    strays = []
    for path in FILES:
        room = room_of(path)
        for module in imported_modules(path):
            top = module.partition(".")[0]
            is_ros = top in ROS_MODULES or top.endswith("_msgs")
            if (is_ros and room != "ros") or (top == "transformers" and room in ("geometry", "tokenizers")):
                strays.append(f"{path.relative_to(REPO)} imports {module}")
    assert strays == []


def test_files_stay_short() -> None:
    lengths = {str(path.relative_to(REPO)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: count for name, count in lengths.items() if count > 400} == {}


def test_the_pure_part_imports_without_ros() -> None:
    """In a process where rclpy and the messages cannot be imported, everything outside ros/ can."""
    modules = [
        ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if room_of(path) != "ros"
    ]
    code = (
        "import sys, importlib\n"
        f"for name in {sorted(ROS_MODULES)}: sys.modules[name] = None\n"
        f"for name in {modules}: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO)
