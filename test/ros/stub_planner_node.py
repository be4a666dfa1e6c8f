"""planner_node with the stub that goes straight on, as an executable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest import StubPlanner

from reasoning_vla_ros.ros.executable import run_node
from reasoning_vla_ros.ros.planner_node import PlannerNode

raise SystemExit(run_node(lambda: PlannerNode(lambda parameters: StubPlanner())))
