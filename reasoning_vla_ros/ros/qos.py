"""Quality of service of the node's topics; the same on Humble, Jazzy and Kilted."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _newest(depth: int) -> QoSProfile:
    """The newest count, so a lost one is not sent again; `depth` are kept for a node that is held up."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


# Images, those of a second at 10 Hz: frames some tenths of a second back are planned with as well.
SENSOR_QOS = _newest(10)

# Odometry: every pose of the last seconds counts. With 5, a node on a busy machine lost 0.3 s at 20 Hz, and planned no
# more until they were out of its history.
ODOMETRY_QOS = _newest(200)

# The instruction: a node that starts later still gets the last one.
LATCHED_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

OUTPUT_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
