"""Reasoning vision-language-action models for ROS 2.

This file holds no API. It extends the package's path so that a checkout or a pip installation finds the
generated ``reasoning_vla_ros.msg`` in a sourced ROS overlay.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
