"""Plans on held-out drives, instructions at junctions, and worlds without the lead vehicle."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from reasoning_vla_ros.closed_loop import EvaluationSettings, ExpertPlanners
from reasoning_vla_ros.closed_loop.counterfactual import Answered, CounterfactualTask
from reasoning_vla_ros.closed_loop.ego_mlp import EgoMLP, Motions, MotionTask
from reasoning_vla_ros.closed_loop.navigation import NavigationTask, way_of
from reasoning_vla_ros.closed_loop.open_loop import OpenLoopTask, waypoints
from reasoning_vla_ros.closed_loop.open_loop_scores import open_loop_scores
from reasoning_vla_ros.closed_loop.scores import counterfactual_scores, navigation_scores
from reasoning_vla_ros.closed_loop.seeds import PARTS, ego_mlp_seed, evaluation_seed, training_seed
from reasoning_vla_ros.simulation.world import World


@pytest.fixture(scope="module")
def motions(tiny: EvaluationSettings) -> Motions:
    names = tiny.scenarios
    return Motions.join(
        [MotionTask(names[number % 2], ego_mlp_seed(number)).run(ExpertPlanners(), tiny) for number in range(6)]
    )


def test_plans_of_the_expert_are_what_it_drove(tiny: EvaluationSettings, motions: Motions) -> None:
    for is_disturbed in (False, True):
        planned = OpenLoopTask("curves", 4, is_disturbed).run(ExpertPlanners(), tiny)
        scores = open_loop_scores(planned, EgoMLP(motions, 10))
        assert scores["open_loop_plans"] == len(planned) >= 1
        assert (scores["min_ade_3s"], scores["min_ade_6_4s"]) == pytest.approx((0.0, 0.0), abs=1e-4)
        assert (scores["blind_min_ade_3s"] is None) == is_disturbed
        assert all(each.text.is_true for each in planned)


def test_constant_velocity_as_a_planner_scores_as_the_baseline(
    tiny: EvaluationSettings, fakes: SimpleNamespace, motions: Motions
) -> None:
    def straight_unless_blind(seen):
        return fakes.straight_on(seen) if seen.cameras[0].images.max() else fakes.arc_plan(seen, 0.0)

    planned = OpenLoopTask("intersection", 4).run(fakes.Fake(straight_unless_blind), tiny)
    scores = open_loop_scores(planned, EgoMLP(motions, 10))
    baselines = scores["baseline_min_ade_3s"]
    assert set(baselines) == {"constant_velocity", "constant_turn_rate", "ego_mlp"}
    assert scores["min_ade_3s"] == pytest.approx(baselines["constant_velocity"], rel=0.02)
    assert scores["blind_min_ade_3s"] > scores["min_ade_3s"]
    assert scores["min_ade_6_4s"] > scores["min_ade_3s"]


def test_a_plan_that_cannot_be_decoded_stays_where_it_is(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    planned = OpenLoopTask("curves", 4).run(fakes.Fake(fakes.undecodable), tiny)
    assert not any(each.is_valid or each.plan_xyz.any() for each in planned)


def test_plans_at_another_step_are_interpolated(fakes: SimpleNamespace) -> None:
    observation = SimpleNamespace(t0_ns=0, speed_mps=10.0)
    plan = replace(fakes.straight_on(observation), dt_s=0.2)
    assert waypoints(plan, 64)[:, 0] == pytest.approx(np.arange(1, 65) * 0.5, abs=1e-4)
    with pytest.raises(ValueError, match=r"must reach 6\.4 s, got 64 waypoints at 0\.05 s"):
        waypoints(replace(plan, dt_s=0.05), 64)


def test_the_ego_history_baseline_learns(motions: Motions) -> None:
    threads = [EgoMLP(motions, 150).waypoints(motions) for _ in range(2)]
    assert np.array_equal(*threads)
    untrained = EgoMLP(motions, 1).waypoints(motions)
    errors_m = [np.linalg.norm(each - motions.future_xyz, axis=-1).mean() for each in (threads[0], untrained)]
    assert errors_m[0] < 0.5 * errors_m[1]
    with pytest.raises(ValueError, match="motions to train on, got none"):
        EgoMLP(Motions(motions.history_xyz[:0], motions.history_rot[:0], motions.future_xyz[:0]))


def test_the_expert_goes_where_it_is_told(tiny: EvaluationSettings) -> None:
    found = [each for way in ("left", "right") for each in NavigationTask(11, way).run(ExpertPlanners(), tiny)]
    assert len(found) == 12
    assert {each.asked for each in found} == {"left", "straight", "right"}
    scores = navigation_scores(found)
    assert scores["navigation_success_rate"] == scores["navigation_against_approach"] == 1.0


def test_who_does_not_read_is_right_a_third_of_the_time(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    def fast(observation):
        return fakes.arc_plan(observation, 10.0)

    found = NavigationTask(11, "straight").run(fakes.Fake(fast), tiny)
    scores = navigation_scores(found)
    assert scores["navigation_success_rate"] == pytest.approx(1 / 3)
    assert scores["navigation_by_direction"] == {"left": 0.0, "straight": 1.0, "right": 0.0}
    assert scores["navigation_against_approach"] == 0.0


def test_only_the_instruction_differs(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    seen: list = []

    def noting(observation):
        seen.append(observation)
        return fakes.arc_plan(observation, 10.0)

    NavigationTask(11, "left").run(fakes.Fake(noting), tiny)
    for three in (seen[:3], seen[3:]):
        for other in three[1:]:
            assert np.array_equal(other.cameras[0].images, three[0].cameras[0].images)
            assert np.array_equal(other.history_xyz, three[0].history_xyz)
        words = ("left", "straight", "right")
        assert [next(word for word in words if word in each.instruction.lower()) for each in three] == list(words)
        assert all("km/h" in each.instruction for each in three)


@pytest.mark.parametrize(
    ("speed_mps", "curvature_1pm", "way"),
    [
        (6.0, 0.04, "left"),
        (6.0, -0.04, "right"),
        (6.0, 0.0, "straight"),
        (0.5, 0.0, None),  # does not get to the junction
        (6.0, 0.015, None),  # half way between two
    ],
)
def test_where_a_plan_goes(fakes: SimpleNamespace, speed_mps: float, curvature_1pm: float, way: str | None) -> None:
    plan = fakes.arc_plan(SimpleNamespace(t0_ns=0, speed_mps=speed_mps), speed_mps, curvature_1pm)
    assert way_of(plan, 12.0) == way


def test_the_expert_without_its_lead(tiny: EvaluationSettings) -> None:
    found = [each for number in range(2) for each in CounterfactualTask("highway", number).run(ExpertPlanners(), tiny)]
    scores = counterfactual_scores(found)
    assert scores["instants"] == len(found) >= 2
    assert scores["planner"] == scores["expert"]
    assert scores["expert"]["plan_moved_m"] > 1.0
    assert scores["expert"]["text_true_without_rate"] == 1.0


def test_who_does_not_look_is_not_moved_by_it(tiny: EvaluationSettings, fakes: SimpleNamespace) -> None:
    found = CounterfactualTask("highway", 0).run(fakes.Fake(fakes.straight_on), tiny)
    scores = counterfactual_scores(found)["planner"]
    assert (scores["text_changes_rate"], scores["plan_moves_rate"], scores["plan_moved_m"]) == (0.0, 0.0, 0.0)


def test_the_vehicle_is_gone_from_the_pictures(fakes: SimpleNamespace) -> None:
    seen: list = []

    def noting(observation):
        seen.append(observation.cameras[0].images)
        return fakes.straight_on(observation)

    found = CounterfactualTask("highway", 0).run(
        fakes.Fake(noting), EvaluationSettings(scenarios=("highway",), drive_s=13.0)
    )
    assert len(seen) == 2 * len(found) > 0
    for before, after in zip(seen[::2], seen[1::2], strict=True):
        assert all((one != other).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("text", "text_without", "is_new"),
    [
        ("The car 20 m ahead is braking, so stop.", "A braking car is 25 m ahead, so stop.", False),
        ("The car 20 m ahead is braking, so stop.", "The car 40 m ahead is braking, so stop.", True),
        ("The car 20 m ahead is braking, so stop.", "The road ahead is free, so speed up.", True),
        ("The road ahead is free, so speed up.", "There is no vehicle ahead, so speed up.", False),
        ("Nothing of this.", "The road ahead is free, so speed up.", True),
    ],
)
def test_another_cause(text: str, text_without: str, is_new: bool) -> None:
    assert Answered(text, text_without, True, 0.0, 0.0).has_new_cause == is_new


def test_no_world_is_trained_on_and_evaluated_in() -> None:
    trained = {training_seed(seed, index) for seed in (0, 1, 99, 4999) for index in (0, 999_999)}
    baseline = {ego_mlp_seed(index) for index in (0, 999_999)}
    evaluated = [evaluation_seed(seed, part, i) for seed in (0, 1, 2, 99) for part in PARTS for i in (0, 999_999)]
    assert len(set(evaluated)) == len(evaluated)
    assert max(trained) < min(baseline) <= max(baseline) < min(evaluated)
    assert training_seed(3, 7) == 3_000_007  # those of make_drives(2, seed=3)
    for call in (lambda: training_seed(5_000, 0), lambda: training_seed(-1, 0), lambda: ego_mlp_seed(1_000_000)):
        with pytest.raises(ValueError, match="must lie in"):
            call()
    with pytest.raises(ValueError, match="at least 0, got -1"):
        evaluation_seed(-1, "driving", 0)


def test_another_route_is_taken_before_a_junction_only() -> None:
    world = World("intersection", 2)
    geometry = world.lanes
    for direction in ("left", "straight", "right"):
        world.take_route(direction)
        junction = world.junction()
        assert junction is not None
        assert (junction.direction, world.lanes) == (direction, geometry)
        assert direction in world.navigation.lower()
    with pytest.raises(ValueError, match=r"highway has routes .*, got direction 'left'"):
        World("highway", 2).take_route("left")
    with pytest.raises(ValueError, match="before a junction, up to 120 m; none is near"):
        World("highway", 2).take_route("straight")
