"""The executable bag_player: plays a bag over DDS on machines without rosbag2."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from reasoning_vla_ros.bags import BagError, BagReader
from reasoning_vla_ros.ros.bag_publisher import BagPublisher

# /clock goes on at this step between messages.
CLOCK_STEP_S = 0.01
FLUSH_S = 2.0


def play(publisher: BagPublisher, rate: float, is_wanted: Callable[[], bool]) -> int:
    """Plays the bag once at `rate` times its speed while `is_wanted`; the number of messages played."""
    start_s = time.monotonic()
    first_ns: int | None = None
    count = 0
    for raw in publisher.messages():
        first_ns = raw.time_ns if first_ns is None else first_ns
        due_s = start_s + (raw.time_ns - first_ns) * 1e-9 / rate
        while (left_s := due_s - time.monotonic()) > 0 and is_wanted():
            time.sleep(min(left_s, CLOCK_STEP_S))
            publisher.publish_clock(min(raw.time_ns, first_ns + round((time.monotonic() - start_s) * rate * 1e9)))
        if not is_wanted():
            break
        publisher.publish(raw)
        count += 1
    return count


def main(args: list[str] | None = None) -> int:
    """Plays until the end, SIGINT or SIGTERM."""
    argv = sys.argv if args is None else ["bag_player", *args]
    options = _parse(remove_ros_args(argv)[1:])
    rclpy.init(args=argv)
    node = Node("bag_player")
    try:
        return _run(node, options)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except BagError as error:
        node.get_logger().error(str(error))
        return 2
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _run(node: Node, options: argparse.Namespace) -> int:
    log = node.get_logger()
    with BagReader(options.bag, on_truncated="warn") as reader:
        publisher = BagPublisher(node, reader, options.topics, options.clock)
        for topic, reason in publisher.skipped.items():
            log.warning(f"{topic} is not played: {reason}")
        if not publisher.topics:
            log.error("there is nothing to play")
            return 2
        if options.start_paused:
            log.info(f"waiting for a subscription to one of {', '.join(publisher.topics)}")
            while rclpy.ok() and not any(publisher.subscriptions(topic) for topic in publisher.topics):
                time.sleep(0.05)
            time.sleep(options.settle)  # the others of the same node match within moments
        while rclpy.ok():
            count = play(publisher, options.rate, rclpy.ok)
            if rclpy.ok():
                publisher.flush(FLUSH_S)
            log.info(f"played {count} messages of {options.bag}")
            if not options.loop:
                break
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bag_player", description="Plays a bag over DDS; remap topics with -r.")
    parser.add_argument("bag", help="rosbag2 folder, .mcap or .db3 file")
    parser.add_argument("--rate", type=_positive, default=1.0, help="times the speed of the recording")
    parser.add_argument("--topics", nargs="+", help="only these topics")
    parser.add_argument("--start-paused", action="store_true", help="begin when there is a subscription")
    parser.add_argument("--settle", type=float, default=1.0, help="seconds to wait behind --start-paused")
    parser.add_argument("--clock", action="store_true", help="publish /clock, for nodes with use_sim_time")
    parser.add_argument("--loop", action="store_true", help="start over at the end")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
