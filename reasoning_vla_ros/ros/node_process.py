"""A node as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

STOP_S = 30.0
PROFILE = Path("config/fastdds_profile.xml")


class NodeProcess:
    """Runs a node as long as the context lasts; its log goes to a file.

    Attributes:
        name: of the node.

    Args:
        name: of the node; `folder` gets its parameters as .param.yaml and <name>.log.
        command: that starts it, without ROS arguments; see :func:`module_command`.
        folder: is there.
        parameters: of the node.
        remappings: topic by the node's name for it, as in {"~/input/odometry": "/odometry"}.
        environment: variables on top of this process's own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        parameters: Mapping[str, Any],
        remappings: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._command = tuple(command)
        self._parameter_path = folder / f"{name.removesuffix('_node')}.param.yaml"
        self._parameters = dict(parameters)
        self._remappings = dict(remappings)
        self._environment = {**os.environ, **(environment or {})}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def return_code(self) -> int | None:
        """Exit code; None while it runs or before it has begun."""
        return self._child.poll() if self._child is not None else None

    def __enter__(self) -> NodeProcess:
        document = {"/**": {"ros__parameters": self._parameters}}
        self._parameter_path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        command = [*self._command, "--ros-args", "--params-file", str(self._parameter_path)]
        for name, topic in self._remappings.items():
            command += ["-r", f"{name}:={topic}"]
        with self.log_path.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for the parent, which then ends the child in order.
            self._child = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        except BaseException:  # a second Ctrl-C: whoever is that impatient gets no orphans either
            child.kill()
            child.wait()
            raise

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of its log."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def module_command(module: str) -> tuple[str, ...]:
    """The command that runs a module of this installation, such as "reasoning_vla_ros.ros.planner_node"."""
    return sys.executable, "-m", module


def fastdds_profile() -> Path | None:
    """The profile for large images, in a checkout or an installed share folder; None where it is not found."""
    package = Path(__file__).resolve().parents[1]
    candidates = [
        package.parent / PROFILE,
        *(parent / "share/reasoning_vla_ros" / PROFILE for parent in package.parents),
    ]
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    candidates += [prefix / "share/reasoning_vla_ros" / PROFILE for prefix in prefixes]
    return next((path for path in candidates if path.is_file()), None)
