"""`python -m reasoning_vla_ros.cli`, for torchrun and accelerate."""

import sys

from reasoning_vla_ros.cli import main

if __name__ == "__main__":
    sys.exit(main())
