"""The executable bag_player: plays a bag over DDS on machines without rosbag2."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from reasoning_vla_ros.bags import BagError, BagReader
from reasoning_vla_ros.ros.bag_publisher import BagPublisher

# /clock goes on at this step between messages.
CLOCK_STEP_S = 0.01
FLUSH_S = 2.0
# What --wait-for needs its node to subscribe to: one topic of each group that is played.
NEEDED_TYPES = (
    ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    ("nav_msgs/msg/Odometry",),
)


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
    """Plays until the end, SIGINT or SIGTERM. 1 where --wait-s ran out, 2 where there is nothing to play."""
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


def missing_topics(topic_types: Mapping[str, str], subscribers: Callable[[str], set[str]], node_name: str) -> list[str]:
    """Topics that playing has to wait for; empty when it may begin.

    Args:
        topic_types: message type by topic that is played.
        subscribers: full names of the nodes that subscribe to a topic.
        node_name: the node to wait for, with its namespace where it begins with a slash; empty for any. Of the image
            topics and of the odometry topics it has to subscribe to one each, where such topics are played, and to
            any topic where neither are.
    """

    def is_taken(topic: str) -> bool:
        names = subscribers(topic)
        if node_name and not node_name.startswith("/"):
            return node_name in {name.rpartition("/")[2] for name in names}
        return node_name in names if node_name else bool(names)

    groups = [[topic for topic, kind in topic_types.items() if kind in kinds] for kinds in NEEDED_TYPES]
    if not node_name or not any(groups):
        groups = [list(topic_types)]
    return [topic for group in groups if not any(map(is_taken, group)) for topic in group]


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
            topic_types = {topic: reader.topics[topic].msg_type for topic in publisher.topics}
            who = options.wait_for or "a node"
            log.info(f"waiting until {who} subscribes to what is played: {', '.join(publisher.topics)}")
            end_s = time.monotonic() + (options.wait_s or math.inf)
            while rclpy.ok() and (missing := missing_topics(topic_types, publisher.subscribers, options.wait_for)):
                if time.monotonic() > end_s:
                    who = options.wait_for or "nobody"
                    log.error(f"{who} subscribed to none of {', '.join(missing)} within {options.wait_s:g} s")
                    return 1
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
    parser.add_argument("--start-paused", action="store_true", help="begin when a node subscribes to a topic")
    parser.add_argument(
        "--wait-for",
        metavar="NODE",
        default="",
        help="with --start-paused, begin only when the node of this name subscribes to an image topic and an odometry "
        "topic, as far as the bag has them; by default any subscription to any topic will do",
    )
    parser.add_argument(
        "--wait-s",
        type=_seconds,
        default=600.0,
        help="with --start-paused, exit with 1 after so many seconds of waiting; 0 for never (default: %(default)g)",
    )
    parser.add_argument(
        "--settle", type=_seconds, default=1.0, help="seconds to wait behind --start-paused (default: %(default)g)"
    )
    parser.add_argument("--clock", action="store_true", help="publish /clock, for nodes with use_sim_time")
    parser.add_argument("--loop", action="store_true", help="start over at the end")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"must be finite and at least 0, got {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
