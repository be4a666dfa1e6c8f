"""`simulator_node`, the executable: the driving world behind the ROS node."""

from __future__ import annotations


def main(args: list[str] | None = None) -> int:
    """Runs the node until SIGINT or SIGTERM; 0 then, and 1 where its parameters are of no use."""
    # Imported here, as this is the one place outside of ros/ that needs rclpy.
    from reasoning_vla_ros.ros.simulator_node import run
    from reasoning_vla_ros.simulation.world_vehicle import WorldVehicle

    return run(WorldVehicle, args)


if __name__ == "__main__":
    raise SystemExit(main())
