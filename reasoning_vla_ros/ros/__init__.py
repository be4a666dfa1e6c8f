"""The ROS 2 side: a lifecycle node around the planner; playing and recording bags over DDS. Alone in using rclpy."""
