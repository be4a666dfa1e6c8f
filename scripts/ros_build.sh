#!/bin/sh
# Builds the ROS package into install/, with ROS 2 from .venv or from a sourced ROS installation.
# Usage: scripts/ros_build.sh [arguments of colcon build]; run from anywhere. Then `. scripts/ros_env.sh`.
set -eu
cd "$(dirname "$0")/.."

if [ -x .venv/bin/python ]; then
    VIRTUAL_ENV="$(pwd)/.venv"
    PATH="$VIRTUAL_ENV/bin:$PATH"
    export VIRTUAL_ENV PATH
fi
if [ -d .venv/share/rclpy ]; then
    AMENT_PREFIX_PATH="$VIRTUAL_ENV"
    export AMENT_PREFIX_PATH
    set -- "$@" --cmake-args -DBUILD_TESTING=OFF "-DCMAKE_PROJECT_INCLUDE=$(pwd)/cmake/ros_from_pypi.cmake"
elif [ -n "${ROS_DISTRO:-}" ]; then
    set -- "$@" --cmake-args -DBUILD_TESTING=OFF
else
    echo "ros_build.sh: no ROS 2: needed either 'make setup' or a sourced ROS installation" >&2
    exit 1
fi
# Links instead of copies, so that edits count at once. Going from copies to links needs a clean build.
if [ ! -e build/.symlink_install ]; then
    rm -rf build install
fi
colcon build --symlink-install "$@"
touch build/.symlink_install
