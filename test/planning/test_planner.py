"""The planner on a small untrained model: what it promises, whatever the weights."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from reasoning_vla_ros.models.vocabulary import TRAJ_TOKENS
from reasoning_vla_ros.planning import (
    CameraFrames,
    Observation,
    PlanLimits,
    Planner,
    PlannerSettings,
    PlanStatus,
    plan_seed,
)
from reasoning_vla_ros.planning.planner import without_control_characters

SETTINGS = PlannerSettings(max_reasoning_tokens=6, temperature=1.0)


@pytest.fixture(scope="module")
def planner(small_model_dir: Path) -> Planner:
    return Planner.from_pretrained(str(small_model_dir), device="cpu", settings=SETTINGS)


def observation(speed_mps: float = 10.0, seed: int = 0, cameras: int = 1, **fields: str) -> Observation:
    rng = np.random.default_rng(seed)
    views = tuple(
        CameraFrames(index, f"camera{index}", rng.integers(0, 255, (2, 64, 96, 3), np.uint8), (0, 100_000_000))
        for index in range(cameras)
    )
    xyz = np.zeros((16, 3), np.float32)
    xyz[:, 0] = np.arange(-15, 1) * 0.1 * speed_mps
    return Observation(10**18, views, xyz, np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)), **fields)


def test_a_plan_has_all_it_should(planner: Planner) -> None:
    plan = planner.plan(observation(), num_samples=3, seed=1)
    assert plan.xyz.shape == (3, 64, 3)
    assert plan.rot.shape == (3, 64, 3, 3)
    assert plan.speed_mps.shape == (3, 64)
    assert plan.dt_s == 0.1
    assert plan.stamps_ns()[[0, -1]].tolist() == [10**18 + 100_000_000, 10**18 + 6_400_000_000]
    assert len(plan.reasoning) == len(plan.meta_actions) == len(plan.invalid_reasons) == 3
    assert plan.num_trajectory_tokens == 128
    assert all(0 <= count <= 6 for count in plan.num_reasoning_tokens)
    assert plan.status == PlanStatus.OK
    assert plan.selected == np.where(plan.valid, plan.score, -np.inf).argmax()
    assert plan.seed == 1
    stages = dataclasses.asdict(plan.seconds)
    assert all(seconds > 0 for seconds in stages.values())
    assert sum(stages.values()) - plan.seconds.total <= plan.seconds.total
    # It starts at the vehicle, with the vehicle's speed.
    assert np.allclose(plan.xyz[:, 0], [1.0, 0, 0], atol=0.05)
    assert np.allclose(plan.speed_mps[:, 0], 10, atol=0.5)


def test_the_same_seed_gives_the_same_plan(planner: Planner) -> None:
    first, again = (planner.plan(observation(), num_samples=2, seed=5) for _ in range(2))
    other = planner.plan(observation(), num_samples=2, seed=6)
    assert np.array_equal(first.xyz, again.xyz)
    assert first.reasoning == again.reasoning
    assert np.array_equal(first.score, again.score)
    assert not np.array_equal(first.xyz, other.xyz)
    drawn = planner.plan(observation(), seed=None)
    assert np.array_equal(drawn.xyz, planner.plan(observation(), seed=drawn.seed).xyz)


def test_seeds_depend_on_run_and_instant() -> None:
    seeds = {plan_seed(base, t0_ns) for base in range(10) for t0_ns in range(10**18, 10**18 + 10)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert plan_seed(3, 10**18) == plan_seed(3, 10**18)


def test_planning_leaves_the_global_random_state_alone(planner: Planner) -> None:
    before = torch.get_rng_state()
    planner.plan(observation(), seed=None)
    assert torch.equal(before, torch.get_rng_state())


def test_images_and_text_and_history_all_count(planner: Planner) -> None:
    base = planner.plan(observation(), seed=2)
    assert not np.array_equal(base.score, planner.plan(observation(seed=9), seed=2).score)
    assert not np.array_equal(base.score, planner.plan(observation(instruction="Turn left"), seed=2).score)
    assert not np.array_equal(base.score, planner.plan(observation(speed_mps=3.0), seed=2).score)


def test_any_number_of_cameras(planner: Planner) -> None:
    counts = [planner.plan(observation(cameras=count), seed=0).num_prompt_tokens for count in (0, 1, 4)]
    per_camera = counts[1] - counts[0]
    assert per_camera > 0
    assert counts[2] - counts[0] == 4 * per_camera


def test_a_row_does_not_depend_on_its_neighbours(planner: Planner) -> None:
    """Greedy decoding gives each of K rows what it gives alone."""
    greedy = Planner(planner.model, dataclasses.replace(SETTINGS, temperature=0.0))
    alone, batch = greedy.plan(observation(), seed=0), greedy.plan(observation(), num_samples=3, seed=0)
    for k in range(3):
        assert np.allclose(batch.xyz[k], alone.xyz[0], atol=1e-4)
        assert batch.reasoning[k] == alone.reasoning[0]


def test_text_never_holds_trajectory_tokens(planner: Planner) -> None:
    wild = Planner(planner.model, dataclasses.replace(SETTINGS, temperature=50.0, top_p=1.0, max_reasoning_tokens=40))
    plan = wild.plan(observation(), num_samples=4, seed=3)
    assert not any("<i" in text or TRAJ_TOKENS["future_start"] in text for text in plan.reasoning)
    assert plan.xyz.shape[1] == 64


def test_text_holds_no_control_characters(planner: Planner) -> None:
    assert without_control_characters("a\x00b\x1b[31m\n\tç") == "a\ufffdb\ufffd[31m\n\tç"
    wild = Planner(planner.model, dataclasses.replace(SETTINGS, temperature=50.0, top_p=1.0, max_reasoning_tokens=60))
    text = "".join(wild.plan(observation(), num_samples=4, seed=3).reasoning)
    assert text
    assert not any(ord(char) < 32 and char not in "\n\t" for char in text)


def test_no_reasoning_at_all(planner: Planner) -> None:
    silent = Planner(planner.model, dataclasses.replace(SETTINGS, max_reasoning_tokens=0))
    plan = silent.plan(observation(), seed=0)
    assert plan.reasoning == ("",)
    assert plan.reasoning_complete == (False,)
    assert plan.status == PlanStatus.OK


def test_text_is_told_as_it_is_written(planner: Planner) -> None:
    told: list[tuple[str, bool]] = []
    talkative = Planner(planner.model, dataclasses.replace(SETTINGS, max_reasoning_tokens=20))
    plan = talkative.plan(observation(), seed=4, on_text=lambda text, complete: told.append((text, complete)))
    assert told[-1] == (plan.reasoning[0], True)
    assert not any(complete for _, complete in told[:-1])
    assert len(told) == plan.num_reasoning_tokens[0] + 1


def test_a_deadline_cuts_the_reasoning_and_says_so(planner: Planner) -> None:
    long_winded = Planner(planner.model, dataclasses.replace(SETTINGS, max_reasoning_tokens=5000))
    plan = long_winded.plan(observation(), seed=0, deadline_s=1e-6)
    assert plan.status == PlanStatus.REDUCED
    assert plan.num_reasoning_tokens == (0,)
    assert "reasoning cut after 0 tokens to meet the deadline of 1e-06 s" in plan.status_reason
    assert "took" in plan.status_reason
    assert plan.valid.all()


def test_invalid_candidates_are_marked_and_never_selected(planner: Planner) -> None:
    strict = Planner(planner.model, dataclasses.replace(SETTINGS, limits=PlanLimits(max_speed_mps=1.0)))
    plan = strict.plan(observation(), num_samples=2, seed=0)
    assert plan.status == PlanStatus.INVALID
    assert plan.selected == -1
    assert not plan.valid.any()
    assert "candidate 0: speed" in plan.status_reason
    assert "at most 1 m/s" in plan.status_reason


def test_bad_arguments(planner: Planner) -> None:
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        planner.plan(observation(), num_samples=0)
    short = dataclasses.replace(
        observation(),
        history_xyz=np.zeros((4, 3), np.float32),
        history_rot=np.tile(np.eye(3, dtype=np.float32), (4, 1, 1)),
    )
    with pytest.raises(ValueError, match="row 0 has 48 history placeholders for 12 trajectory tokens"):
        planner.plan(short)


def test_loading_errors(tmp_path: Path, small_model_dir: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Planner.from_pretrained(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json; it holds \[\]"):
        Planner.from_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match="3000 future"):
        Planner.from_pretrained(str(small_model_dir), tokenizer="unicycle+uniform")
    with pytest.raises(ValueError, match="dtype must be auto or one of"):
        Planner.from_pretrained(str(small_model_dir), dtype="int8")
    with pytest.raises(ValueError, match="device"):
        Planner.from_pretrained(str(small_model_dir), device="cuda:99")
    with pytest.raises(ValueError, match="device must be auto"):
        Planner.from_pretrained(str(small_model_dir), device="abacus")
    for tokenizer, message in (
        ("nope:X", "tokenizer 'nope:X': .*nope"),
        ("os:nope", "tokenizer 'os:nope'"),
        ("json:JSONDecoder", "tokenizer 'json:JSONDecoder'"),
    ):
        with pytest.raises(ValueError, match=message):
            Planner.from_pretrained(str(small_model_dir), tokenizer=tokenizer)
    with pytest.raises(ValueError, match="is empty"):
        Planner.from_pretrained("")
    with pytest.raises(FileNotFoundError, match="vlm folder '/nowhere/at/all' does not exist"):
        Planner.from_pretrained(str(small_model_dir), vlm="/nowhere/at/all")
    (tmp_path / "config.json").write_text('{"model_type": "other_model"}')
    with pytest.raises(ValueError, match=r"type 'other_model'; known types: \['alpamayo1_5', 'alpamayo_r1'"):
        Planner.from_pretrained(str(tmp_path))


def test_damaged_models_say_what_is_wrong(tmp_path: Path, small_model_dir: Path) -> None:
    broken = tmp_path / "model"
    shutil.copytree(small_model_dir, broken)
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=f"the weights of {broken} cannot be read"):
        Planner.from_pretrained(str(broken))
    without_vlm = tmp_path / "without_vlm"
    shutil.copytree(small_model_dir, without_vlm, ignore=shutil.ignore_patterns("vlm"))
    with pytest.raises(FileNotFoundError, match=r"the folder 'vlm' does not exist .*`hf download"):
        Planner.from_pretrained(str(without_vlm))


def test_another_tokenizer_that_fits(small_model_dir: Path) -> None:
    planner = Planner.from_pretrained(
        str(small_model_dir),
        tokenizer={"name": "unicycle+uniform", "num_bins": 101, "n_waypoints": 20},
        settings=SETTINGS,
    )
    plan = planner.plan(observation(), seed=0)
    assert plan.xyz.shape == (1, 20, 3)
    assert plan.num_trajectory_tokens == 40


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_halves_plan_too(small_model_dir: Path, dtype: str) -> None:
    planner = Planner.from_pretrained(str(small_model_dir), dtype=dtype, settings=SETTINGS)
    plan = planner.plan(observation(), seed=0)
    assert plan.valid.all()
    assert plan.xyz.dtype == np.float32


@pytest.mark.parametrize("seed", [0, 1])
def test_a_shipped_tokenizer_plans_in_eight_tokens(tmp_path: Path, seed: int) -> None:
    from reasoning_vla_ros.models.small import build_small_model

    build_small_model(tmp_path / "model", traj_tokenizer="driving-klt-8")
    planner = Planner.from_pretrained(str(tmp_path / "model"), device="cpu", settings=SETTINGS)
    plan = planner.plan(observation(), num_samples=4, seed=seed)
    assert plan.num_trajectory_tokens == 8
    assert plan.xyz.shape == (4, 64, 3)
    # Any eight ids that the model may write are a trajectory; whether it can be driven is for the checks to say.
    assert np.isfinite(plan.xyz).all()
    assert plan.dt_s == 0.1
