"""Drives to train on, as the command makes them."""

from __future__ import annotations

from reasoning_vla_ros.cli.train import simulated_drives
from reasoning_vla_ros.models.shipped_models import DEFAULT_MODEL
from reasoning_vla_ros.training.data_config import CorrectionsConfig, DrivesConfig

CURVES = DrivesConfig(count=1, evaluation_count=1, scenarios=("curves",), episode_s=13.0, disturbed_share=0.0)


def test_drives_to_train_on_and_to_evaluate_on() -> None:
    samples, held_out = simulated_drives(CURVES)
    assert 20 < len(samples) < 60
    assert 20 < len(held_out) < 60
    assert samples[0].future_xyz.shape == (64, 3)
    assert samples[0].observation.instruction != "" != samples[0].reasoning


def test_a_models_drives_count_as_often_as_told() -> None:
    few = DrivesConfig(
        count=1,
        evaluation_count=0,
        scenarios=("curves",),
        episode_s=13.0,
        disturbed_share=0.0,
        corrections=CorrectionsConfig(DEFAULT_MODEL, count=1, stride=5, repeat=3),
    )
    samples, held_out = simulated_drives(few)
    without, _ = simulated_drives(CURVES)
    added = len(samples) - len(without)
    assert added > 0
    assert added % 3 == 0
    assert len(held_out) == 0
    # The model's own drive: the sample is where the model was, its future where the expert would have gone.
    first, again = samples[len(without)], samples[len(without) + added // 3]
    assert first.observation.t0_ns == again.observation.t0_ns
    assert first.future_xyz.shape == (64, 3)
