"""The same plan everywhere: a bag through the live node over DDS, and through the evaluation, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.evaluation import evaluate
from reasoning_vla_ros.planning import Planner, PlannerSettings
from reasoning_vla_ros.simulation.rendered_drive import render_drive
from reasoning_vla_ros.simulation.road_view import PinholeCamera

NUM_SAMPLES, SEED, MAX_REASONING_TOKENS = 2, 7, 8


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    render_drive(path, duration_s=4.0, camera=PinholeCamera(width=160, height=96))
    return path


def recorded_plans(path: Path) -> dict[int, Any]:
    """Plan messages by t0."""
    with BagReader(path) as reader:
        topics = [name for name, info in reader.topics.items() if info.msg_type == "reasoning_vla_ros/msg/Plan"]
        plans = [message for _, _, message in reader.messages(topics=topics)]
    return {plan.header.stamp.sec * 10**9 + plan.header.stamp.nanosec: plan for plan in plans}


def comparable(message: Any) -> Any:
    """The message as plain values, less what depends on the clock."""
    if hasattr(message, "__dataclass_fields__"):
        clock = ("publish_stamp", "encode_duration_s", "prefill_duration_s", "reason_duration_s", "act_duration_s",
                 "total_duration_s")  # fmt: skip
        fields = [name for name in message.__dataclass_fields__ if name not in clock and not name.startswith("_")]
        return {name: comparable(getattr(message, name)) for name in fields}
    if hasattr(message, "tolist"):
        return message.tolist()
    return [comparable(item) for item in message] if isinstance(message, list) else message


def test_live_and_evaluated_plans_are_equal(bag: Path, small_model_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    pytest.importorskip("reasoning_vla_ros.msg", reason="needs the built package: make setup")
    from reasoning_vla_ros.ros.demo import run_demo

    settings = {"num_samples": NUM_SAMPLES, "max_reasoning_tokens": MAX_REASONING_TOKENS, "seed": SEED, "threads": 1}
    live = run_demo(
        bag, str(small_model_dir), tmp_path / "live", {"front:1": "/camera/front/image"}, parameters=settings
    )
    planner = Planner.from_pretrained(
        str(small_model_dir), settings=PlannerSettings(max_reasoning_tokens=MAX_REASONING_TOKENS)
    )
    evaluated = evaluate([bag], planner, tmp_path / "evaluated", num_samples=NUM_SAMPLES, seed=SEED, num_pictures=0)

    live_plans = recorded_plans(live.plans_path)
    evaluated_plans = recorded_plans(evaluated.plans_paths[0])
    # The first 1.5 s have no history yet; every frame after that is a plan.
    assert len(live_plans) >= 20
    assert live_plans.keys() == evaluated_plans.keys()
    for t0_ns, plan in live_plans.items():
        assert comparable(plan) == comparable(evaluated_plans[t0_ns]), t0_ns
    assert len({plan.trace.text for plan in live_plans.values()}) > 1, "seeds differ from plan to plan"
