"""A model at the wheel, and the expert's corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from reasoning_vla_ros.closed_loop.corrected_drives import CorrectedDriveTask, make_corrected_drives
from reasoning_vla_ros.closed_loop.planner_source import ExpertPlanners
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.simulation.drive_samples import DriveSamples
from reasoning_vla_ros.simulation.drives import make_drive
from reasoning_vla_ros.simulation.expert_planner import ExpertPlanner


class DriftingPlanner:
    """Plans what the expert would, and drifts to the left."""

    def __init__(self, planner: ExpertPlanner) -> None:
        self.planner = planner

    def plan(self, *args: Any, **options: Any) -> Plan:
        plan = self.planner.plan(*args, **options)
        xyz = plan.xyz.copy()
        xyz[..., 1] += 0.02 * np.arange(1, 65) ** 1.2
        return replace(plan, xyz=xyz)


@dataclass(frozen=True)
class Drifting:
    name: str = "drifting"

    def planner(self, world: Any, expert: Any = None) -> DriftingPlanner:
        return DriftingPlanner(ExpertPlanner(world, expert))


@pytest.fixture(scope="module")
def settings(tiny: Any) -> Any:
    return replace(tiny, scenarios=("curves", "highway"), drive_s=16.0)


def test_the_expert_shows_the_way_back(settings: Any) -> None:
    drive = CorrectedDriveTask("curves", 3_000_000).run(Drifting(), settings)
    assert drive.sample_steps
    assert all(step % 5 == 0 and step >= settings.drives(0.0).first_step for step in drive.sample_steps)
    expert = make_drive("curves", 3_000_000, settings.drives(0.0))
    drift_m, back_m = [], []
    for step in drive.sample_steps:
        assert drive.future(step, 64).shape == (64, 3)
        # The correction begins where the model has driven to, and not where the expert would have been.
        gap_m = np.linalg.norm(drive.future(step, 64)[0, :2] - drive.poses_in_map[step, :2])
        assert gap_m < 0.1 * drive.moments[step].state.ego.speed_mps + 0.2
        drift_m.append(_offset_m(drive.poses_in_map[step], expert.poses_in_map))
        back_m.append(_offset_m(drive.future(step, 64)[-1], expert.poses_in_map))
    assert max(drift_m) > 0.3
    assert np.mean(back_m) < 0.5 * max(drift_m)


def _offset_m(pose: np.ndarray, path: np.ndarray) -> float:
    """Distance from the way that the expert takes."""
    return float(np.linalg.norm(path[:, :2] - pose[:2], axis=1).min())


def test_they_are_samples_as_others(settings: Any) -> None:
    progress: list[tuple[int, int]] = []
    drives = make_corrected_drives(
        2, 3, ExpertPlanners(), settings, stride=10, on_progress=lambda done, of: progress.append((done, of))
    )
    assert [(drive.scenario, drive.seed) for drive in drives] == [("curves", 3_000_000), ("highway", 3_000_001)]
    assert progress == [(1, 2), (2, 2)]
    samples = DriveSamples(drives, settings.drives(0.0), settings.view())
    assert len(samples) == sum(len(drive.corrections) for drive in drives) > 4
    number, step = samples.index[-1]
    sample = samples[len(samples) - 1]
    assert sample.future_xyz.shape == (64, 3)
    assert sample.reasoning == drives[number].moments[step].reasoning
    again = make_corrected_drives(2, 3, ExpertPlanners(), settings, stride=10)
    for one, other in zip(drives, again, strict=True):
        assert np.array_equal(one.poses_in_map, other.poses_in_map)
        assert one.sample_steps == other.sample_steps


def test_worlds_to_evaluate_in_are_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 5000\), got 5000"):
        make_corrected_drives(1, 5000, ExpertPlanners(), settings)
