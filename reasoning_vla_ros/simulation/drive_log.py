"""What came of a drive, leg by leg, told from its messages: while it goes on, and from its recording."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reasoning_vla_ros.messages.odometry import ego_pose_from_odometry
from reasoning_vla_ros.messages.scene_markers import scenario_of, things_in
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.simulation.footprints import corners, gap_m
from reasoning_vla_ros.simulation.navigation_text import told_limit_mps
from reasoning_vla_ros.simulation.world_state import EgoState

EGO_SIZE_M = (EgoState.length_m, EgoState.width_m)
# As far as World.min_gap_m looks.
FAR_GAP_M = 40.0
# Further than a vehicle drives from one odometry to the next: another scenario has begun.
JUMP_M = 10.0


def gap_text(min_gap_m: float) -> str:
    """Such as "4.2 m", or that nothing was within sight of the measurement."""
    return f"over {FAR_GAP_M:.0f} m" if min_gap_m >= FAR_GAP_M else f"{min_gap_m:.1f} m"


@dataclass
class Leg:
    """A scenario that was driven; times are nanoseconds of the recording.

    Attributes:
        scenario, seed: which.
        begin_ns, end_ns: its first and newest message.
        planned_ns: when the first plan came, from where the planner drives; None before. What follows is counted from
            there on.
        end: why it is over, such as "collision" or "14 s are over"; empty while it goes on.
        num_plans, num_invalid: plans, and those without a valid candidate.
        plan_seconds: how long each took.
        speeds_mps: at each odometry.
        distance_m: driven.
        min_gap_m: the nearest that the footprint came to another; at most 40 m.
        texts: time and text of each plan that gives another reason than the one before.
    """

    scenario: str
    seed: int
    begin_ns: int
    end_ns: int
    planned_ns: int | None = None
    end: str = ""
    num_plans: int = 0
    num_invalid: int = 0
    plan_seconds: list[float] = field(default_factory=list)
    speeds_mps: list[float] = field(default_factory=list)
    distance_m: float = 0.0
    min_gap_m: float = FAR_GAP_M
    texts: list[tuple[int, str]] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        """That the planner drove."""
        return 0.0 if self.planned_ns is None else (self.end_ns - self.planned_ns) * 1e-9

    @property
    def has_collided(self) -> bool:
        return self.end == "collision"

    @property
    def has_left_road(self) -> bool:
        return self.end == "left the road"

    @property
    def mean_speed_mps(self) -> float:
        return float(np.mean(self.speeds_mps)) if self.speeds_mps else 0.0

    def plan_seconds_at(self, percentile: float) -> float:
        """NaN without plans."""
        return float(np.percentile(self.plan_seconds, percentile)) if self.plan_seconds else math.nan


@dataclass
class DriveLog:
    """Takes the messages of a drive in their order.

    Attributes:
        legs: so far, the last one being driven.
        xy, yaw_rad, speed_mps: where the vehicle is, in the map.
        instruction: what it was told.
        text, meta_action: why it does what it does; text also while it is being written.
    """

    legs: list[Leg] = field(default_factory=list)
    xy: tuple[float, float] = (0.0, 0.0)
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    instruction: str = ""
    text: str = ""
    meta_action: str = ""
    _stamp_ns: int = -1
    _traffic: Any = None

    @property
    def leg(self) -> Leg | None:
        return self.legs[-1] if self.legs else None

    @property
    def limit_mps(self) -> float | None:
        return told_limit_mps(self.instruction)

    def take(self, topic: str, message: Any, time_ns: int) -> None:
        """A message of a topic that the recording has; others are passed over."""
        if topic == "/map_markers":
            self._begin(message, time_ns)
        elif topic == "/instruction":
            self.instruction = message.data
        if self.leg is None:
            return
        self.leg.end_ns = max(self.leg.end_ns, time_ns) if not self.leg.end else self.leg.end_ns
        if topic == "/odometry":
            self._move(message, time_ns)
        elif topic == "/traffic":
            self._traffic = message
            self._measure_gap()
        elif topic == "/planner_node/output/plan":
            self._plan(message, time_ns)
        elif topic == "/planner_node/output/reasoning":
            self.text = " ".join(message.text.split())
            self.meta_action = message.meta_action or self.meta_action
        elif topic == "/diagnostics":
            self._hear(message)

    def _begin(self, markers: Any, time_ns: int) -> None:
        scenario, seed = scenario_of(markers)
        self.legs.append(Leg(scenario, seed, time_ns, time_ns))
        self.text = self.meta_action = ""

    def _move(self, odometry: Any, time_ns: int) -> None:
        pose = ego_pose_from_odometry(odometry)
        x, y = float(pose.xyz[0]), float(pose.xyz[1])
        z, w = float(pose.quat_xyzw[2]), float(pose.quat_xyzw[3])
        moved_m = math.hypot(x - self.xy[0], y - self.xy[1])
        self.xy, self.yaw_rad, self._stamp_ns = (x, y), 2 * math.atan2(z, w), pose.stamp_ns
        self.speed_mps = float(odometry.twist.twist.linear.x)
        leg = self.leg
        if leg is not None and leg.planned_ns is not None and time_ns >= leg.planned_ns and moved_m < JUMP_M:
            leg.distance_m += moved_m
            leg.speeds_mps.append(self.speed_mps)
        self._measure_gap()

    def _measure_gap(self) -> None:
        """Where pose and traffic of one instant are there."""
        leg, traffic = self.leg, self._traffic
        if leg is None or leg.planned_ns is None or traffic is None:
            return
        if stamp_to_ns(traffic.markers[0].header.stamp) != self._stamp_ns:
            return
        outline = corners(self.xy, self.yaw_rad, *EGO_SIZE_M)
        for thing in things_in(traffic):
            if math.hypot(thing.xy[0] - self.xy[0], thing.xy[1] - self.xy[1]) < leg.min_gap_m + 15.0:
                theirs = corners(thing.xy, thing.yaw_rad, *thing.size_m[:2])
                leg.min_gap_m = min(leg.min_gap_m, gap_m(outline, theirs))

    def _plan(self, plan: Any, time_ns: int) -> None:
        leg = self.leg
        assert leg is not None
        if stamp_to_ns(plan.header.stamp) < leg.begin_ns:
            return  # it was still on its way when the scenario ended
        if leg.planned_ns is None:
            leg.planned_ns = time_ns
        leg.num_plans += 1
        leg.num_invalid += plan.selected < 0
        leg.plan_seconds.append(float(plan.total_duration_s))
        self.text, self.meta_action = " ".join(plan.trace.text.split()), plan.trace.meta_action
        if self.text and (not leg.texts or leg.texts[-1][1] != self.text):
            leg.texts.append((time_ns, self.text))

    def _hear(self, array: Any) -> None:
        leg = self.leg
        assert leg is not None
        for status in array.status:
            values = {value.key: value.value for value in status.values}
            is_of_leg = (values.get("scenario"), values.get("seed")) == (leg.scenario, str(leg.seed))
            if status.name == "simulator_node: simulator" and is_of_leg and not leg.end and values.get("end"):
                leg.end = values["end"]


def totals(log: DriveLog) -> dict[str, Any]:
    """Sums over the legs: what a headline tells."""
    plan_seconds = [seconds for leg in log.legs for seconds in leg.plan_seconds]
    return {
        "duration_s": sum(leg.duration_s for leg in log.legs),
        "distance_m": sum(leg.distance_m for leg in log.legs),
        "num_collisions": sum(leg.has_collided for leg in log.legs),
        "num_off_road": sum(leg.has_left_road for leg in log.legs),
        "min_gap_m": min((leg.min_gap_m for leg in log.legs), default=FAR_GAP_M),
        "num_plans": sum(leg.num_plans for leg in log.legs),
        "num_invalid": sum(leg.num_invalid for leg in log.legs),
        "plan_s_median": float(np.median(plan_seconds)) if plan_seconds else math.nan,
        "plan_s_p90": float(np.percentile(plan_seconds, 90)) if plan_seconds else math.nan,
    }
