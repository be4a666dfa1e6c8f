"""The driver whose driving and reasons are learnt: IDM, curves taken gently, right of way, lane changes.

It acts on what its front camera sees, on the ego's motion and on the route. The one exception is a look into the
mirrors before a lane change (see :mod:`lane_change`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.simulation.explaining import Term, explained, of_lead
from reasoning_vla_ros.simulation.facts import Decision, Fact
from reasoning_vla_ros.simulation.footprints import corners
from reasoning_vla_ros.simulation.idm import idm_acceleration
from reasoning_vla_ros.simulation.lane_change import PAUSE_S, has_room, reason_to_change
from reasoning_vla_ros.simulation.paths import Path
from reasoning_vla_ros.simulation.perception import OnPath, on_path, visible
from reasoning_vla_ros.simulation.right_of_way import hazards
from reasoning_vla_ros.simulation.traffic import TrafficVehicle
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand, VehicleState, WorldState

CREEP_MPS = 0.8  # at which it turns out from behind something that stands


@dataclass(frozen=True)
class ExpertSettings:
    """How the expert drives.

    Attributes:
        acceleration_mps2, brake_mps2, headway_s, standstill_m: of IDM.
        max_brake_mps2: in an emergency.
        lateral_acceleration_mps2: at most, in curves.
        curve_brake_mps2: with which it slows down for them.
    """

    acceleration_mps2: float = 1.8
    brake_mps2: float = 2.8
    headway_s: float = 1.3
    standstill_m: float = 5.0
    max_brake_mps2: float = 7.0
    lateral_acceleration_mps2: float = 2.0
    curve_brake_mps2: float = 1.3
    lane_change_lateral_mps2: float = 1.6


class ExpertDriver:
    """Drives one ego. What it remembers is the lane that it changes to, and when it last did."""

    def __init__(self, settings: ExpertSettings | None = None) -> None:
        self.settings = settings or ExpertSettings()
        self.target_lane: int | None = None
        self._changed_at_s = -PAUSE_S
        self._left_lane: int | None = None
        self._left_for: int | None = None

    def drive(self, world: World, state: WorldState | None = None) -> EgoCommand:
        """The command for this instant; see :meth:`decide`."""
        return self.decide(world, state).command

    def decide(self, world: World, state: WorldState | None = None) -> Decision:
        """What to do at this instant, and why. `state` is the world's state if it is at hand."""
        state = state or world.state()
        seen = visible(state, world.road.sight)
        own = world.lane if self.target_lane is None else self.target_lane
        leads = on_path(seen, world.paths[own], state.ego, world.s_m[own], world.road.sight.range_m)
        own = self._choose_lane(world, state, seen, own, leads[0] if leads else None)
        if own != world.lane and self.target_lane is not None:
            leads = on_path(seen, world.paths[own], state.ego, world.s_m[own], world.road.sight.range_m)
        path, s_m = world.paths[own], world.s_m[own]

        terms = [self._limit_term(state), self._curve_term(path, s_m, state)]
        if leads:
            terms.append(self._lead_term(leads[0], state))
        if own != world.lane:
            terms += self._terms_beside(world, state, seen)
        terms += self._hazard_terms(world, state)
        binding = min(terms, key=lambda term: term.acceleration_mps2)
        lowest = -self.settings.max_brake_mps2
        acceleration = float(np.clip(binding.acceleration_mps2, lowest, self.settings.acceleration_mps2))
        acceleration = max(acceleration, -state.ego.speed_mps / 0.1)
        command = EgoCommand(acceleration, self._curvature(world, path, s_m, own != world.lane))
        change, change_fact = self._change_side(world, own), self._change_fact(world, state, seen)
        meta, facts = explained(state, path, s_m, binding, command, leads[0] if leads else None, change, change_fact)
        return Decision(command, facts, meta)

    def _choose_lane(
        self, world: World, state: WorldState, seen: tuple[VehicleState, ...], own: int, lead: OnPath | None
    ) -> int:
        if self.target_lane is not None:
            _, left_m = world.paths[own].project(state.ego.xy, world.s_m[own])
            if abs(left_m) < 0.35:
                self.target_lane, self._changed_at_s = None, state.time_s
            return own
        is_blocked = lead is not None and lead.thing.is_obstacle
        if lead is None or not reason_to_change(lead, state.speed_limit_mps):
            return own
        if state.time_s - self._changed_at_s < PAUSE_S and not is_blocked:
            return own
        for lane in (own - 1, own + 1):
            if 0 <= lane < len(world.paths) and has_room(
                lead, world.paths[lane], world.s_m[lane], state.ego, seen, state.things
            ):
                self.target_lane, self._left_lane, self._left_for = lane, own, lead.thing.id
                return lane
        return own

    def _change_side(self, world: World, own: int) -> str | None:
        if self.target_lane is None:
            return None
        _, left_m = world.paths[own].project(world.ego.xy, world.s_m[own])
        return "left" if left_m < 0 else "right"

    def _change_fact(self, world: World, state: WorldState, seen: tuple[VehicleState, ...]) -> Fact | None:
        """Why the lane is changed: what is ahead in the old lane, or that the new one is free once that is passed."""
        if self.target_lane is None or self._left_lane is None:
            return None
        path, s_m = world.paths[self._left_lane], world.s_m[self._left_lane]
        reasons = [one for one in on_path(seen, path, state.ego, s_m, 90.0) if one.thing.id == self._left_for]
        side: Literal["left", "right"] = "left" if self.target_lane < self._left_lane else "right"
        is_in_way = reasons and reasons[0].gap_m > 1.0
        if not is_in_way or not (reasons[0].thing.is_obstacle or reasons[0].speed_mps < state.ego.speed_mps - 0.5):
            return Fact("lane_free", side=side)
        fact = of_lead(reasons[0], "decelerate", state)
        return fact if fact.kind != "lead_close" else Fact("lane_free", side=side)

    def _limit_term(self, state: WorldState) -> Term:
        speed, limit = state.ego.speed_mps, state.speed_limit_mps
        share = self.settings.acceleration_mps2 * (1 - (speed / limit) ** 4)
        return Term("limit", max(share, -2.0))

    def _curve_term(self, path: Path, s_m: float, state: WorldState) -> Term:
        """The speed at which every curve ahead is still reached gently enough."""
        first, last = path.index(s_m), path.index(s_m + 90.0) + 1
        distance = np.maximum(np.arange(last - first) * 0.5 - 2.0, 0.0)
        bend = np.maximum(np.abs(path.curvature[first:last]), 1e-4)
        allowed = np.sqrt(
            self.settings.lateral_acceleration_mps2 / bend + 2 * self.settings.curve_brake_mps2 * distance
        )
        tightest = int(np.argmin(allowed))
        speed, slowest = state.ego.speed_mps, float(allowed[tightest])
        acceleration = self.settings.acceleration_mps2 * (1 - (speed / slowest) ** 4)
        if speed > slowest:
            acceleration = max(1.2 * (slowest - speed) - 0.5 * self.settings.curve_brake_mps2, -3.5)
        return Term("curve", acceleration, distance_m=float(distance[tightest]))

    def _lead_term(self, lead: OnPath, state: WorldState, headway_s: float | None = None) -> Term:
        chosen, headway = self.settings, headway_s if headway_s is not None else self.settings.headway_s
        standstill_m = chosen.standstill_m + (3.0 if lead.thing.is_obstacle else 0.0)
        acceleration = idm_acceleration(
            state.ego.speed_mps,
            lead.gap_m,
            lead.speed_mps,
            chosen.acceleration_mps2,
            chosen.brake_mps2,
            headway,
            standstill_m,
        )
        return Term("lead", acceleration, lead.thing, lead.gap_m, lead.speed_mps)

    def _terms_beside(self, world: World, state: WorldState, seen: tuple[VehicleState, ...]) -> list[Term]:
        """What is ahead in the lane that is being left, while it still counts."""
        path, s_m = world.paths[world.lane], world.s_m[world.lane]
        ahead = on_path(seen, path, state.ego, s_m, 40.0)
        if not ahead:
            return []
        lead, ego = ahead[0], state.ego
        _, left_m = path.project(ego.xy, s_m)
        clear_m = ego.speed_mps * max(0.0, 2.4 - abs(left_m)) / 1.3 + 4.0
        outline = corners(lead.thing.xy, lead.thing.yaw_rad, lead.thing.length_m, lead.thing.width_m)
        cos, sin = np.cos(ego.yaw_rad), np.sin(ego.yaw_rad)
        forward_m, beside_m = ((outline - np.array(ego.xy)) @ np.array([[cos, -sin], [sin, cos]])).T
        gap_m = float(forward_m.min()) - ego.length_m / 2
        strip_m = ego.width_m / 2 + 0.3
        is_straight_ahead = beside_m.min() < strip_m and beside_m.max() > -strip_m
        if gap_m > clear_m or not is_straight_ahead or ego.speed_mps < CREEP_MPS:
            return []
        return [self._lead_term(replace(lead, gap_m=max(gap_m, 0.3)), state, 0.2)]

    def _hazard_terms(self, world: World, state: WorldState) -> list[Term]:
        ego = world.road.ego
        assert ego is not None
        terms = []
        states = {vehicle.id: vehicle for vehicle in state.vehicles}
        for hazard in hazards(world.road, ego, world.road.ego_sees):
            if not isinstance(hazard.vehicle, TrafficVehicle):
                continue
            chosen, is_line = self.settings, hazard.kind != "merging"
            acceleration = idm_acceleration(
                state.ego.speed_mps,
                hazard.gap_m + (1.0 if is_line else 0.0),
                hazard.speed_mps,
                chosen.acceleration_mps2,
                chosen.brake_mps2,
                0.5 if is_line else 1.0,
                1.5 if is_line else 3.0,
            )
            floor = -3.0 if hazard.kind == "merging" else -chosen.max_brake_mps2
            other = states[hazard.vehicle.number]
            terms.append(Term(hazard.kind, max(acceleration, floor), other, hazard.gap_m, hazard.speed_mps))
        return terms

    def _curvature(self, world: World, path: Path, s_m: float, is_changing: bool) -> float:
        """Follows a path: its curvature a moment ahead, less what brings offset and heading back to it."""
        ego = world.ego
        _, left_m = path.project(ego.xy, s_m)
        here, soon = path.index(s_m), path.index(s_m + 0.1 * ego.speed_mps + 0.5)
        turn = float((ego.yaw_rad - path.yaw_rad[here] + np.pi) % (2 * np.pi) - np.pi)
        reach_m = float(np.clip(1.2 * ego.speed_mps, 3.5 if is_changing else 4.5, 26.0))
        back = -left_m / reach_m**2 - 2.0 * turn / reach_m
        most = self.settings.lane_change_lateral_mps2 / max(ego.speed_mps, 3.0) ** 2
        return float(path.curvature[soon]) + float(np.clip(back, -most, most))


def expert_poses(
    world: World, driver: ExpertDriver | None = None, horizon_s: float = 6.4, dt_s: float = 0.1
) -> NDArray[np.float64] | None:
    """What the expert would do from here on; None where it would hit something or leave the road.

    A copy of the world is driven on; world and driver stay as they are.

    Returns:
        float64 [T, 3], x, y, yaw of base_link in the map at dt_s, 2 dt_s, …
    """
    poses, twin = _driven_on(world, driver, horizon_s, dt_s)
    return None if twin.has_collided or twin.has_left_road else poses


def expert_future(
    world: World, driver: ExpertDriver | None = None, horizon_s: float = 6.4, dt_s: float = 0.1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `expert_poses`, whatever comes of it: xyz float64 [T, 3] and yaw [T] in base_link of now, metres, radians."""
    poses, _ = _driven_on(world, driver, horizon_s, dt_s)
    return relative_to(poses, world.ego.xy, world.ego.yaw_rad)


def _driven_on(
    world: World, driver: ExpertDriver | None, horizon_s: float, dt_s: float
) -> tuple[NDArray[np.float64], World]:
    twin, driver = world.copy(), copy.deepcopy(driver) if driver else ExpertDriver()
    poses = []
    for _ in range(round(horizon_s / dt_s)):
        twin.step(driver.drive(twin), dt_s)
        poses.append((*twin.ego.xy, twin.ego.yaw_rad))
    return np.array(poses), twin


def relative_to(
    poses_in_map: NDArray[np.float64], xy: tuple[float, float], yaw_rad: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Poses [T, 3] (x, y, yaw) of the map as xyz [T, 3] and yaw [T] in the frame of a pose."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    local = (poses_in_map[:, :2] - np.array(xy)) @ np.array([[cos, -sin], [sin, cos]])
    turn = (poses_in_map[:, 2] - yaw_rad + np.pi) % (2 * np.pi) - np.pi
    return np.column_stack([local, np.zeros(len(local))]), turn
