"""Training samples from the world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reasoning_vla_ros.simulation.drive_samples import DriveSamples
from reasoning_vla_ros.simulation.drives import DriveSettings, make_drives
from reasoning_vla_ros.simulation.pushes import Pushes
from reasoning_vla_ros.simulation.world import World
from reasoning_vla_ros.simulation.world_state import EgoCommand

SHORT = DriveSettings(scenarios=("curves", "highway"), episode_s=12.0)


def samples_of(num_drives: int, seed: int, settings: DriveSettings = SHORT, jobs: int = 1) -> DriveSamples:
    return DriveSamples(make_drives(num_drives, seed, settings, jobs), settings)


@pytest.fixture(scope="module")
def samples() -> DriveSamples:
    return samples_of(2, 3)


def test_a_sample_is_what_was_seen_said_and_driven(samples: DriveSamples) -> None:
    assert len(samples) > 20
    number, step = samples.index[5]
    drive, sample = samples.drives[number], samples[5]
    observation = sample.observation
    assert observation.cameras[0].images.shape == (2, 96, 384, 3)
    assert np.diff(observation.cameras[0].stamps_ns).tolist() == [800_000_000]
    assert observation.cameras[0].stamps_ns[-1] == observation.t0_ns
    assert observation.history_xyz.shape == (16, 3)
    assert np.abs(observation.history_xyz[-1]).max() < 1e-6
    assert sample.future_xyz.shape == (64, 3)
    # The future goes on where the history ends, at the ego's own speed.
    speed_mps = drive.moments[step].state.ego.speed_mps
    assert np.linalg.norm(sample.future_xyz[0]) == pytest.approx(0.1 * speed_mps, abs=0.1)
    distance_m = np.linalg.norm(drive.poses_in_map[step + 64, :2] - drive.poses_in_map[step, :2])
    assert np.linalg.norm(sample.future_xyz[-1]) == pytest.approx(distance_m, rel=1e-5)
    assert sample.reasoning == drive.moments[step].reasoning
    assert "longitudinal:" in sample.meta_action
    assert "Limit" in observation.instruction
    assert set(samples.texts()) >= {sample.reasoning, sample.meta_action, observation.instruction}


def test_the_same_arguments_give_the_same_samples(samples: DriveSamples) -> None:
    again = samples_of(2, 3)
    assert again.index == samples.index
    for index in (0, len(samples) - 1):
        first, second = samples[index], again[index]
        assert np.array_equal(first.observation.cameras[0].images, second.observation.cameras[0].images)
        assert np.array_equal(first.future_xyz, second.future_xyz)
        assert first.reasoning == second.reasoning
    other = samples_of(2, 4)
    assert not np.array_equal(other[0].observation.cameras[0].images, samples[0].observation.cameras[0].images)


def test_no_future_holds_a_push() -> None:
    pushed = samples_of(2, 0, DriveSettings(("curves",), 24.0, disturbed_share=1.0))
    steps = [moment.is_pushed for drive in pushed.drives for moment in drive.moments]
    assert any(steps)
    for number, step in pushed.index:
        moments = pushed.drives[number].moments
        assert not any(moment.is_pushed for moment in moments[step : step + 64])
    assert len(pushed) > 0


def test_a_correction_takes_the_place_of_what_was_driven(samples: DriveSamples) -> None:
    number, step = samples.index[5]
    drive = samples.drives[number]
    # What the expert would do: stay where it is.
    there = np.repeat(drive.poses_in_map[step : step + 1], 64, axis=0)
    corrected = replace(drive, sample_steps=(step,), corrections={step: there})
    (sample,) = (DriveSamples([corrected], SHORT)[index] for index in range(1))
    assert np.abs(sample.future_xyz).max() < 1e-6
    assert np.array_equal(sample.observation.history_xyz, samples[5].observation.history_xyz)
    with pytest.raises(ValueError, match=r"1 drives of 12\.0 s gave not one sample"):
        DriveSamples([replace(drive, sample_steps=())], SHORT)


def test_pushes_come_and_go() -> None:
    world = World("curves", 0)
    pushes = Pushes(np.random.default_rng(0), 60.0)
    state, command = world.state(), EgoCommand(0.5, 0.01)
    assert len(pushes.pushes) >= 4
    disturbed, is_pushed = pushes.disturb(command, state)
    assert (disturbed, is_pushed) == (command, False)
    begin_s, end_s, _, longitudinal_mps2 = pushes.pushes[0]
    while world.time_s < begin_s:
        world.step(EgoCommand(0.0, 0.0))
    disturbed, is_pushed = pushes.disturb(command, world.state())
    assert is_pushed == (world.time_s < end_s)
    assert disturbed.acceleration_mps2 == pytest.approx(0.5 + longitudinal_mps2)
    assert not Pushes(np.random.default_rng(0), 0.0).pushes


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scenarios": ("moon",)}, r"no scenarios \['moon'\]"),
        ({"scenarios": ()}, "at least one scenario"),
        ({"frame_dt_s": 0.25}, "multiple of 0.1 s, got 0.25"),
        ({"disturbed_share": 1.5}, r"\[0, 1\], got 1.5"),
        ({"episode_s": 7.0}, "more than 7.9 s, history and horizon, got 7.0"),
    ],
)
def test_settings_that_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DriveSettings(**fields)
    with pytest.raises(ValueError, match="num_drives must be at least 1, got 0"):
        make_drives(0, seed=0)


def test_several_processes_make_the_same_drives_and_a_stride_leaves_samples_out(samples: DriveSamples) -> None:
    strided = replace(SHORT, stride=4)
    again = samples_of(2, 3, strided, jobs=2)
    for one, other in zip(again.drives, samples.drives, strict=True):
        assert np.array_equal(one.poses_in_map, other.poses_in_map)
        assert one.sample_steps == tuple(s for s in other.sample_steps if (s - SHORT.first_step) % 4 == 0)
    assert 0 < len(again) < len(samples) / 3
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        replace(SHORT, stride=0)
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        make_drives(1, 0, SHORT, jobs=0)


def test_a_displaced_ego_brings_its_past_along_and_is_driven_back() -> None:
    settings = DriveSettings(("curves", "highway"), 24.0, disturbed_share=0.0, displaced_share=1.0)
    samples = samples_of(4, 5, settings)
    straight = samples_of(4, 5, replace(settings, displaced_share=0.0))
    assert len(samples) > 100
    back = []
    for index in range(len(samples)):
        sample, (number, step) = samples[index], samples.index[index]
        way = np.vstack([sample.observation.history_xyz, sample.future_xyz])[:, :2]
        # No sample holds the leap itself: neither its past nor its future.
        assert np.abs(np.diff(np.linalg.norm(np.diff(way, axis=0), axis=1))).max() < 0.1
        lane = straight.drives[number].poses_in_map
        poses = samples.drives[number].poses_in_map
        back.append([_offset_m(poses[step], lane), _offset_m(poses[step + 64], lane)])
    now_m, then_m = np.array(back).T
    assert now_m.max() > 0.6
    far = now_m > 0.5
    assert far.sum() > 10
    assert then_m[far].mean() < 0.5 * now_m[far].mean()


def _offset_m(pose: np.ndarray, lane: np.ndarray) -> float:
    return float(np.linalg.norm(lane[:, :2] - pose[:2], axis=1).min())


def test_no_room_to_be_displaced() -> None:
    world = World("curves", 0)
    before = world.ego
    assert not world.displace(30.0, 0.0)
    assert world.ego == before
    assert world.displace(0.5, 0.05)
    assert world.ego.yaw_rad == pytest.approx(before.yaw_rad + 0.05)
    assert np.hypot(*(np.array(world.ego.xy) - before.xy)) == pytest.approx(0.5)
    assert not world.has_left_road
