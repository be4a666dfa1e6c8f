# Makes the built package, and ROS 2 where it lies in .venv, visible to this shell. Source it, from any POSIX shell:
#     . scripts/ros_env.sh
# With bash or zsh from any folder, else from the root of the checkout. It needs `make setup` to have run once.
# A ROS installation that is sourced already (ROS_DISTRO is set) stays the one in use.

_rvla_source="${BASH_SOURCE:-}"
if [ -z "$_rvla_source" ] && [ -n "${ZSH_VERSION:-}" ]; then
    _rvla_source="$0"
fi
_rvla_root=$(pwd)
if [ -n "$_rvla_source" ]; then
    _rvla_root=$(CDPATH='' cd -- "$(dirname -- "$_rvla_source")/.." && pwd)
fi

if [ ! -f "$_rvla_root/install/setup.sh" ]; then
    echo "ros_env.sh: $_rvla_root/install/setup.sh is missing; run 'make setup' in the checkout first" >&2
    unset _rvla_source _rvla_root
    return 1
fi

if [ -x "$_rvla_root/.venv/bin/python" ]; then
    export VIRTUAL_ENV="$_rvla_root/.venv"
    case ":$PATH:" in
        *":$VIRTUAL_ENV/bin:"*) ;;
        *) export PATH="$VIRTUAL_ENV/bin:$PATH" ;;
    esac
fi
. "$_rvla_root/install/setup.sh"
if [ -d "$_rvla_root/.venv/share/rclpy" ]; then
    case ":${AMENT_PREFIX_PATH:-}:" in
        *":$VIRTUAL_ENV:"*) ;;
        *) export AMENT_PREFIX_PATH="${AMENT_PREFIX_PATH:+$AMENT_PREFIX_PATH:}$VIRTUAL_ENV" ;;
    esac
fi

# Nodes on this machine only, unless told otherwise: no other robot's topics, no traffic on the network.
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
# Large images through shared memory; see config/fastdds_profile.xml.
export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$_rvla_root/config/fastdds_profile.xml}"
unset _rvla_source _rvla_root
