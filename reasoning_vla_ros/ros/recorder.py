"""Records topics into a bag without rosbag2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.node import Node

from reasoning_vla_ros.bags.types import TYPESTORE
from reasoning_vla_ros.bags.writer import BagWriter
from reasoning_vla_ros.ros.bag_publisher import message_class
from reasoning_vla_ros.ros.qos import OUTPUT_QOS


class Recorder:
    """Subscribes to topics and writes what comes into a bag.

    Attributes:
        counts: messages written by topic.

    Args:
        node: the node that subscribes.
        writer: an open bag.
        topics: type by topic name, as in {"/planner_node/output/plan": "reasoning_vla_ros/msg/Plan"}.
        now_ns: gives the log time of a message that arrives, nanoseconds.
        on_message: called with topic and message (of `reasoning_vla_ros.bags.types`) after it was written.
    """

    def __init__(
        self,
        node: Node,
        writer: BagWriter,
        topics: Mapping[str, str],
        now_ns: Callable[[], int],
        on_message: Callable[[str, Any], None] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._writer = writer
        self._now_ns = now_ns
        self._on_message = on_message
        for topic, type_name in topics.items():
            callback = partial(self._take, topic, type_name)
            node.create_subscription(message_class(type_name), topic, callback, OUTPUT_QOS, raw=True)

    def _take(self, topic: str, type_name: str, data: bytes) -> None:
        message = TYPESTORE.deserialize_cdr(data, type_name)
        self._writer.write(topic, message, self._now_ns())
        self.counts[topic] += 1
        if self._on_message is not None:
            self._on_message(topic, message)
