"""The planner on models with an action expert."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.planning import (
    CameraFrames,
    FlowSettings,
    Observation,
    Planner,
    PlannerSettings,
    PlanStatus,
)
from reasoning_vla_ros.planning.action_decoders import agreement
from reasoning_vla_ros.planning.prompt import build_prompt, build_question, label_images

SETTINGS = PlannerSettings(max_reasoning_tokens=6, temperature=1.0)
IMAGE = "<img>"


@pytest.fixture(scope="module")
def planner(small_alpamayo_dir: Path) -> Planner:
    return Planner.from_pretrained(str(small_alpamayo_dir), device="cpu", settings=SETTINGS)


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    model = build_small_model(
        tmp_path_factory.mktemp("small_alpamayo_15"), hidden_size=64, num_layers=2, kind="alpamayo1_5"
    )
    return Planner(model, SETTINGS)


def observation(ids: tuple[int, ...] = (0, 1), frames: int = 2, **fields: str) -> Observation:
    rng = np.random.default_rng(0)
    stamps = tuple(range(frames))
    views = tuple(
        CameraFrames(index, f"camera{index}", rng.integers(0, 255, (frames, 64, 96, 3), np.uint8), stamps)
        for index in ids
    )
    xyz = np.zeros((16, 3), np.float32)
    xyz[:, 0] = np.arange(-15, 1)
    return Observation(10**18, views, xyz, np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)), **fields)


def with_flow(planner: Planner, **flow: object) -> Planner:
    return Planner(planner.model, dataclasses.replace(SETTINGS, flow=FlowSettings(**flow)))


def test_the_expert_acts_unless_told_otherwise(planner: Planner) -> None:
    plan = planner.plan(observation(), num_samples=3, seed=1)
    assert plan.action_decoder == "flow"
    assert plan.xyz.shape == (3, 64, 3)
    assert plan.dt_s == 0.1
    assert plan.num_trajectory_tokens == 0
    assert plan.status == PlanStatus.OK
    assert plan.selected == int(np.where(plan.valid, plan.score, -np.inf).argmax())
    assert np.allclose(plan.speed_mps[:, 0], 10, atol=1.0)
    tokens = Planner(planner.model, dataclasses.replace(SETTINGS, action_decoder="tokens"))
    plan = tokens.plan(observation(), num_samples=3, seed=1)
    assert plan.action_decoder == "tokens"
    assert plan.num_trajectory_tokens == 128
    assert plan.status == PlanStatus.OK


def test_the_text_is_the_same_either_way(planner: Planner) -> None:
    tokens = Planner(planner.model, dataclasses.replace(SETTINGS, action_decoder="tokens"))
    plans = [each.plan(observation(), num_samples=2, seed=4) for each in (planner, tokens)]
    assert plans[0].reasoning == plans[1].reasoning


def test_the_plan_is_what_the_originals_method_gives(planner: Planner) -> None:
    """The same text and noise through `sample_trajectories_from_data_with_vlm_rollout` give the same trajectory."""
    greedy = Planner(planner.model, dataclasses.replace(SETTINGS, temperature=0.0, max_reasoning_tokens=0))
    plan = greedy.plan(observation(), seed=9)
    model = planner.model
    history = greedy._history(observation())
    inputs = greedy._inputs(observation(), *history)
    # Without reasoning the planner closes the chain of thought and starts the trajectory.
    forced = [model.special_token_ids["cot_end"], model.config.traj_token_ids["future_start"]]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([forced])], dim=1)
    generator = torch.Generator().manual_seed(9)
    noise = torch.randn(1, *model.diffusion.x_dims, generator=generator)
    from reasoning_vla_ros.models.rollout import Rollout

    with torch.inference_mode():
        rollout = Rollout(model, inputs, 1)
        context = model.context_behind(rollout.cache, rollout.mask, rollout.next_position)
        xyz, _ = model.action_space.decode(*history, model.sample_actions(context, noise=noise))
    assert np.allclose(plan.xyz[0], xyz[0].numpy(), atol=1e-4)


def test_the_same_seed_gives_the_same_plan_and_the_random_state_stays(planner: Planner) -> None:
    before = torch.get_rng_state()
    first, again = (planner.plan(observation(), num_samples=2, seed=5) for _ in range(2))
    assert np.array_equal(first.xyz, again.xyz)
    assert not np.array_equal(first.xyz, planner.plan(observation(), num_samples=2, seed=6).xyz)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "flow",
    [{"steps": 3}, {"solver": "midpoint"}, {"noise_temperature": 0.0}, {"reuse_tolerance": 100.0}],
    ids=lambda flow: next(iter(flow)),
)
def test_settings_of_the_flow_count(planner: Planner, flow: dict) -> None:
    base = planner.plan(observation(), num_samples=2, seed=7)
    plan = with_flow(planner, **flow).plan(observation(), num_samples=2, seed=7)
    assert plan.reasoning == base.reasoning
    assert not np.allclose(plan.xyz, base.xyz, atol=1e-5)
    if "reuse_tolerance" in flow:
        assert planner.model.diffusion.evaluations == 6  # of 10 steps


def test_navigation_guidance(newer: Planner) -> None:
    seen = observation(instruction="Turn left in 30 m")
    plain, same, strong = (
        with_flow(newer, navigation_guidance=weight).plan(seen, num_samples=2, seed=2) for weight in (1.0, 1.001, 4.0)
    )
    assert plain.reasoning == strong.reasoning
    assert np.allclose(plain.xyz, same.xyz, atol=0.01)
    assert not np.allclose(plain.xyz, strong.xyz, atol=1e-4)
    # Without navigation text there is nothing to guide by.
    bare = [with_flow(newer, navigation_guidance=weight).plan(observation(), seed=2).xyz for weight in (1.0, 4.0)]
    assert np.array_equal(*bare)


def test_a_model_without_an_expert_cannot_flow(small_model_dir: Path) -> None:
    with pytest.raises(ValueError, match="'flow' needs a model with an action expert, ReasoningVLA has none"):
        Planner.from_pretrained(str(small_model_dir), settings=PlannerSettings(action_decoder="flow"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": -1}, "steps must be at least 0, got -1"),
        ({"solver": "rk4"}, r"solver must be one of \['auto', 'euler', 'midpoint'\], got 'rk4'"),
        ({"navigation_guidance": float("nan")}, "navigation_guidance must be"),
        ({"solver": "midpoint", "reuse_tolerance": 0.1}, "reuse_tolerance 0.1 is for euler"),
    ],
)
def test_what_flow_settings_refuse(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowSettings(**fields)
    with pytest.raises(ValueError, match="action_decoder must be one of"):
        PlannerSettings(action_decoder="diffusion")


def test_the_solvers_are_the_models() -> None:
    from reasoning_vla_ros.models.flow_solvers import SOLVERS
    from reasoning_vla_ros.planning.settings import FLOW_SOLVERS

    assert ("auto", *SOLVERS) == FLOW_SOLVERS


def test_reading_parameters_loads_no_transformers() -> None:
    code = "import sys, reasoning_vla_ros.planning.settings as s; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_agreement_prefers_the_candidate_in_the_middle() -> None:
    xyz = np.zeros((4, 3, 3), np.float32)
    xyz[:, :, 1] = np.array([0.0, 1.0, 5.0, np.nan])[:, None]
    assert agreement(xyz).tolist() == [-3.0, -2.5, -4.5, -np.inf]
    assert agreement(xyz[:1]).tolist() == [0.0]


def test_images_are_labelled_as_in_15() -> None:
    labelled = label_images(observation(ids=(0, 6, 9)), [IMAGE] * 6)
    assert labelled == [
        f"Front left camera: frame 0 {IMAGE}",
        f"frame 1 {IMAGE}",
        f"Front telephoto camera: frame 0 {IMAGE}",
        f"frame 1 {IMAGE}",
        f"Camera 9: frame 0 {IMAGE}",
        f"frame 1 {IMAGE}",
    ]


def test_prompts_of_15(newer: Planner) -> None:
    ids = newer.model.special_token_ids
    text = build_prompt(observation(instruction="Turn left"), [IMAGE] * 4, 1, ids)
    assert "<|traj_history_end|><|route_start|>Turn left<|route_end|>output the chain" in text
    question = build_question([IMAGE], "What is ahead?")
    assert question.endswith(
        f"{IMAGE}<|question_start|>What is ahead?<|question_end|><|im_end|>\n<|im_start|>assistant\n<|answer_start|>"
    )
    seen = []
    tokenizer = newer.model.tokenizer

    class Spy:
        def __call__(self, text: str, **arguments: object) -> object:
            seen.append(text)
            return tokenizer(text, **arguments)

        def __getattr__(self, name: str) -> object:
            return getattr(tokenizer, name)

    newer.model.tokenizer = Spy()
    try:
        newer.plan(observation(), seed=0)
    finally:
        newer.model.tokenizer = tokenizer
    assert "Front left camera: frame 0 <|vision_start|>" in seen[0]
    assert "Front camera: frame 0 <|vision_start|>" in seen[0]


def test_questions(newer: Planner, planner: Planner, small_model_dir: Path) -> None:
    answers = newer.ask(observation(), "What is ahead?", num_answers=2, max_tokens=8, seed=1)
    assert len(answers) == 2
    assert answers == newer.ask(observation(), "What is ahead?", num_answers=2, max_tokens=8, seed=1)
    assert not any("<i" in answer for answer in answers)
    with pytest.raises(ValueError, match="the question is empty"):
        newer.ask(observation(), "  ")
    with pytest.raises(ValueError, match="at least 1 new token and 1 sample are needed, got 8 and 0"):
        newer.ask(observation(), "What?", num_answers=0, max_tokens=8)


def test_a_deadline_holds_for_the_expert_too(planner: Planner) -> None:
    talkative = Planner(planner.model, dataclasses.replace(SETTINGS, max_reasoning_tokens=5000))
    plan = talkative.plan(observation(), seed=0, deadline_s=1e-6)
    assert plan.status == PlanStatus.REDUCED
    assert plan.num_reasoning_tokens == (0,)
    assert np.isfinite(plan.xyz).all()


def test_the_public_pixel_bounds(planner: Planner) -> None:
    from reasoning_vla_ros.models import AlpamayoR1Config, ReasoningVLAConfig

    assert AlpamayoR1Config().pixel_bounds == (163_840, 196_608)
    assert AlpamayoR1Config(min_pixels=1, max_pixels=2).pixel_bounds == (1, 2)
    assert ReasoningVLAConfig().pixel_bounds == (None, None)
