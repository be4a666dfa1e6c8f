"""ROS messages, of rclpy or of rosbags, as arrays and dataclasses, so that the node and bag evaluation share one path."""
