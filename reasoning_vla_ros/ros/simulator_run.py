"""What the simulator node knows of the scenario that runs."""

from __future__ import annotations

from dataclasses import dataclass

from reasoning_vla_ros.ros.simulated_vehicle import VelocityTarget


@dataclass
class SimulatorRun:
    """One scenario from its start on: its time, and what has come in it. Stamps are nanoseconds.

    Attributes:
        start_ns: its time at first, and `steps` since.
        target, target_ns: the newest command and its stamp.
        plan_ns, image_ns: stamps of the newest plan and of the newest image.
        is_loose: a plan was waited for in vain; none is until one comes.
        told_end: why it is over, where that was told.
        is_map_out: whether the road was published.
    """

    start_ns: int
    steps: int = 0
    target: VelocityTarget | None = None
    target_ns: int | None = None
    plan_ns: int | None = None
    image_ns: int = 0
    is_loose: bool = False
    told_end: str = ""
    is_map_out: bool = False
