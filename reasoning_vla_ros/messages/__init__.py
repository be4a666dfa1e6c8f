"""ROS messages, of rclpy or of rosbags, as arrays and dataclasses: one path for the node and for bag evaluation."""
