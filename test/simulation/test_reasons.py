"""Texts: every wording is read back as it was meant, and the checker finds what is not so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.simulation import reasons
from reasoning_vla_ros.simulation.claims import claims_in
from reasoning_vla_ros.simulation.facts import LATERAL, LONGITUDINAL, Decision, Fact, MetaAction
from reasoning_vla_ros.simulation.reason_checker import check_plan, check_reason, is_true
from reasoning_vla_ros.simulation.reasons import MAX_WORDS, reason_text
from reasoning_vla_ros.simulation.world_state import EgoCommand, Junction

LEFT_JUNCTION = Junction("crossing", 20.0, 45.0, "left")


def decision(*facts: Fact, longitudinal: Any = "decelerate", lateral: Any = "keep lane") -> Decision:
    return Decision(EgoCommand(0.0, 0.0), facts, MetaAction(longitudinal, lateral))


@pytest.mark.parametrize("kind", reasons.CAUSES)
def test_every_wording_is_read_back(kind: Any) -> None:
    subject = "barrier" if kind == "obstacle" else "truck"
    sides = ("left", "right") if kind in ("curve", "merging", "lane_free", "turn", "roundabout") else (None,)
    for side, seed in itertools.product(sides, range(12)):
        fact = Fact(kind, 1, subject, 23.0, side)
        action = {"longitudinal": LONGITUDINAL[seed % 5], "lateral": LATERAL[seed % 9]}
        text = reason_text(decision(fact, Fact("speed_limit"), **action), seed)
        said = claims_in(text)
        assert [claim.kind for claim in said.causes] in ([kind, "speed_limit"], [kind]), text  # the second if it fits
        assert (said.longitudinal, said.lateral) == (action["longitudinal"], action["lateral"]), text
        assert said.causes[0].distance_m in (25.0, None), text
        assert len(text.split()) <= MAX_WORDS
        assert len(said.causes) == 2 or len(text.split()) > MAX_WORDS - 8
        if kind in ("curve", "merging", "lane_free", "turn"):
            assert said.causes[0].side == side, text


def test_wordings_vary_with_the_seed_alone() -> None:
    made = decision(Fact("lead_braking", 1, "car", 14.0))
    texts = {reason_text(made, seed) for seed in range(40)}
    assert len(texts) >= 8
    assert all("15 m" in text for text in texts)
    assert reason_text(made, 7) == reason_text(made, 7)


def test_the_meta_action_names_all_three_parts() -> None:
    assert str(MetaAction("decelerate", "keep lane")) == "longitudinal: decelerate; lateral: keep lane; lane: keep"
    assert MetaAction("accelerate", "change lane left").lane == "left"


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("Lead car 15 m ahead is braking, so slow down and keep the lane.", True),
        ("The car brakes, so slow down.", True),
        ("Lead car 40 m ahead is braking, so slow down and keep the lane.", False),
        ("Lead truck 15 m ahead is braking, so slow down and keep the lane.", False),
        ("The car 15 m ahead is pulling away, so speed up and keep the lane.", False),
        ("The car 15 m ahead has stopped, so stop and keep the lane.", False),
        ("The car 15 m ahead keeps its speed, so keep the speed and keep the lane.", False),
        ("A barrier blocks the lane 15 m ahead, so stop and keep the lane.", False),
        ("The road ahead is free, so speed up and keep the lane.", False),
        ("A left curve is 15 m ahead, so slow down and follow the curve to the left.", False),
        ("The speed limit is reached, so keep the speed and keep the lane.", False),
        ("A roundabout is 15 m ahead, so slow down and enter the roundabout.", False),
        ("The route turns left at the junction 15 m ahead, so slow down and turn left.", False),
        ("The left lane is free, so speed up and move to the left lane.", True),
        ("The right lane is free, so speed up and move to the right lane.", False),
        ("Bananas are yellow.", False),
        ("", False),
    ],
)
def test_a_braking_car_ahead(make_state: Any, make_vehicle: Any, text: str, truth: bool) -> None:
    state = make_state(make_vehicle(19.0, speed_mps=9.0, is_braking=True), speed_mps=11.0)
    assert is_true(text, state) is truth, check_reason(text, state)


def test_without_the_car_its_claims_are_false_and_the_road_is_free(make_state: Any) -> None:
    assert not is_true("Lead car 15 m ahead is braking, so slow down and keep the lane.", make_state())
    assert is_true("The road ahead is free, so speed up and keep the lane.", make_state())


def test_what_the_camera_cannot_see_makes_no_claim_true(make_state: Any, make_vehicle: Any) -> None:
    behind = make_state(make_vehicle(-20.0, speed_mps=9.0, is_braking=True))
    assert not is_true("Lead car 15 m ahead is braking, so slow down.", behind)
    assert is_true("There is no vehicle ahead, so speed up.", behind)


def test_turns_are_true_only_to_the_side_of_the_route(make_state: Any) -> None:
    state = make_state(junction=LEFT_JUNCTION)
    assert is_true("The route turns left at the junction 20 m ahead, so slow down and turn left.", state)
    assert not is_true("The route turns right at the junction 20 m ahead, so slow down and turn right.", state)
    assert not is_true("A roundabout is 20 m ahead, so slow down and enter the roundabout.", state)


def test_oncoming_is_true_only_of_what_comes_towards(make_state: Any, make_vehicle: Any) -> None:
    text = "An oncoming car is 30 m away and the route turns left at the junction 20 m ahead, so stop, then turn left."
    coming = make_state(make_vehicle(32.0, 4.0, yaw_rad=np.pi), junction=LEFT_JUNCTION)
    assert is_true(text, coming)
    assert not is_true(text, make_state(make_vehicle(32.0, 4.0), junction=LEFT_JUNCTION))


def plan(speed_mps: float, acceleration_mps2: float = 0.0, curvature_1pm: float = 0.0) -> np.ndarray:
    speed = np.maximum(speed_mps + acceleration_mps2 * np.arange(1, 65) * 0.1, 0.0)
    yaw = np.cumsum(speed * curvature_1pm * 0.1)
    return np.stack([np.cumsum(speed * np.cos(yaw)) * 0.1, np.cumsum(speed * np.sin(yaw)) * 0.1, 0 * yaw], axis=1)


@pytest.mark.parametrize(
    ("action", "good", "bad"),
    [
        ("speed up and keep the lane", plan(10.0, 1.0), plan(10.0, -1.0)),
        ("slow down and keep the lane", plan(10.0, -1.0), plan(10.0, 1.0)),
        ("stop and keep the lane", plan(10.0, -3.0), plan(10.0)),
        ("wait and keep the lane", plan(0.0), plan(10.0)),
        ("keep the speed and keep the lane", plan(10.0), plan(10.0, -3.0)),
        ("keep the speed and keep the lane", plan(10.0), plan(10.0, 0.0, 0.02)),
        ("keep the speed and turn left", plan(10.0, 0.0, 0.04), plan(10.0, 0.0, -0.04)),
        ("keep the speed and turn right", plan(10.0, 0.0, -0.04), plan(10.0, 0.0, 0.04)),
        ("keep the speed and turn left", plan(10.0, 0.0, 0.04), plan(10.0)),
        ("keep the speed and follow the curve to the left", plan(10.0, 0.0, 0.02), plan(10.0, 0.0, -0.02)),
        ("keep the speed and move to the left lane", plan(10.0, 0.0, 0.005), plan(10.0, 0.0, -0.005)),
        ("keep the speed and go straight on", plan(10.0), plan(10.0, 0.0, 0.03)),
    ],
)
def test_plans_are_held_against_the_action(make_state: Any, action: str, good: np.ndarray, bad: np.ndarray) -> None:
    state = make_state(speed_mps=float(np.hypot(*good[0, :2]) * 10))
    text = f"The road ahead is free, so {action}."
    assert all(checked.is_true for checked in check_plan(text, good, 0.1, state)), check_plan(text, good, 0.1, state)
    state = replace(state, ego=replace(state.ego, speed_mps=float(np.hypot(*bad[0, :2]) * 10)))
    assert not all(checked.is_true for checked in check_plan(text, bad, 0.1, state))


def test_plans_too_short_to_tell_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 3 s long, got \(20, 3\) at 0.1 s"):
        check_plan("so stop", np.zeros((20, 3)), 0.1)
