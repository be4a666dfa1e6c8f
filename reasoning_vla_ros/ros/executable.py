"""A node as an executable: until SIGINT or SIGTERM, which may come at any time, or until it is done."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Protocol, TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from reasoning_vla_ros.ros.parameter_specs import ParameterError

# A wait for messages does not end at a signal, so it ends by itself this often.
SIGNAL_LATENCY_S = 0.2


class Executable(Protocol):
    """What a node needs besides being one."""

    def start(self) -> object:
        """Once it is in the executor."""

    def close(self) -> None:
        """The last thing before it is destroyed."""


NodeT = TypeVar("NodeT", bound=Executable)


def spin(node: Executable, executor: SingleThreadedExecutor) -> bool:
    """Messages and timers until the next chance of a signal; True, for a node that goes on for ever."""
    executor.spin_once(timeout_sec=SIGNAL_LATENCY_S)
    return True


def run_node(
    make_node: Callable[[], NodeT],
    args: list[str] | None = None,
    turn: Callable[[NodeT, SingleThreadedExecutor], bool] = spin,
) -> int:
    """Runs a node; 0 after a signal or when it is done, 1 where its parameters are of no use, which its log tells.

    Args:
        make_node: an rclpy node that is an :class:`Executable`.
        args: of the command line, with ROS arguments.
        turn: called over and over until it gives False; at most about 0.2 s each.
    """
    # rclpy's own handlers shut its context down in another thread, while this one is still destroying what lives in
    # it: about one run in twelve ended with a segmentation fault. Python's raise KeyboardInterrupt here, and only here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        _run(make_node, turn)
    except KeyboardInterrupt:
        pass
    except ParameterError as error:
        get_logger("reasoning_vla_ros").error(f"not started: {error}")
        return 1
    finally:
        # The process is ending anyway; a signal in what is left of it would only change its exit code.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        rclpy.try_shutdown()
    return 0


def _run(make_node: Callable[[], NodeT], turn: Callable[[NodeT, SingleThreadedExecutor], bool]) -> None:
    node = make_node()
    assert isinstance(node, Node)
    executor = SingleThreadedExecutor()
    try:
        executor.add_node(node)
        node.start()
        while rclpy.ok() and turn(node, executor):
            pass
    finally:
        executor.shutdown()
        node.close()
        node.destroy_node()
