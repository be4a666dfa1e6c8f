"""A bag's messages over DDS, as they were serialised."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from reasoning_vla_ros.bags.errors import BagTopicsError
from reasoning_vla_ros.bags.reader import BagReader
from reasoning_vla_ros.bags.storage import RawMessage
from reasoning_vla_ros.messages.stamps import ns_to_stamp
from reasoning_vla_ros.ros import message_types

LATCHED_TOPICS = ("/tf_static",)
DEPTH = 10


def message_class(type_name: str) -> Any:
    """The class of a type such as sensor_msgs/msg/Image. Raises ImportError where its package is absent."""
    package, _, name = type_name.partition("/msg/")
    module = importlib.import_module(f"{package}.msg")
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ImportError(f"{package} has no message {name}") from error


class BagPublisher:
    """Publishers for the topics of a bag, reliable so that every subscriber's quality of service fits.

    Attributes:
        skipped: reason by topic, for topics whose message package is absent here or that have several types.

    Args:
        node: the node that publishes; its remappings hold.
        reader: an open bag.
        topics: only these; None for all.
        with_clock: publish /clock too, with the log time of each message before the message.

    Raises:
        BagTopicsError: a topic that the bag has not.
    """

    def __init__(
        self, node: Node, reader: BagReader, topics: Collection[str] | None = None, with_clock: bool = False
    ) -> None:
        self.skipped: dict[str, str] = {}
        self._publishers: dict[str, Any] = {}
        self._node = node
        self._reader = reader
        if missing := sorted(set(topics or ()) - reader.topics.keys()):
            raise BagTopicsError(f"bag {reader.path} has no {', '.join(missing)}; it has {', '.join(reader.topics)}")
        for topic, info in reader.topics.items():
            if topics is not None and topic not in topics:
                continue
            try:
                kind = message_class(info.msg_type)
            except ImportError as error:
                self.skipped[topic] = f"{info.msg_type}: {error}"
                continue
            self._publishers[topic] = node.create_publisher(kind, topic, _qos(topic))
        self._clock = node.create_publisher(Clock, "/clock", DEPTH) if with_clock else None

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that are played, as the bag names them."""
        return tuple(self._publishers)

    def subscriptions(self, topic: str) -> int:
        """Subscriptions matched with a topic."""
        return int(self._publishers[topic].get_subscription_count())

    def subscribers(self, topic: str) -> set[str]:
        """Full names of the nodes that subscribe to a topic, such as /car/planner_node."""
        name = self._publishers[topic].topic_name
        return {
            f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in self._node.get_subscriptions_info_by_topic(name)
        }

    def messages(self) -> Iterator[RawMessage]:
        """The messages that can be published, by log time."""
        return self._reader.raw_messages(self.topics)

    def publish(self, raw: RawMessage) -> None:
        """Publishes a message as it is."""
        self.publish_clock(raw.time_ns)
        self._publishers[raw.topic].publish(bytes(raw.data))

    def publish_clock(self, time_ns: int) -> None:
        """Sets /clock; nothing where it is not asked for."""
        if self._clock is not None:
            self._clock.publish(Clock(clock=ns_to_stamp(time_ns, message_types.Time)))

    def flush(self, timeout_s: float) -> None:
        """Waits until reliable subscribers have everything; ending before that would lose the last messages."""
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=timeout_s))


def _qos(topic: str) -> QoSProfile:
    is_latched = topic in LATCHED_TOPICS
    return QoSProfile(
        depth=1 if is_latched else DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )
