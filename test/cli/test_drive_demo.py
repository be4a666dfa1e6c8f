"""What the demo drives, and how it says what is wrong; the drive itself is in test/ros/test_drive.py."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from reasoning_vla_ros.cli import app
from reasoning_vla_ros.cli.drive_demo import TOUR, tour_of
from reasoning_vla_ros.simulation.world import World


def test_tour_fills_the_duration() -> None:
    assert tour_of(60.0) == (TOUR, 12.0)
    assert tour_of(5.0) == (TOUR[:1], 5.0)
    legs, leg_s = tour_of(80.0)
    assert (len(legs), round(leg_s, 2)) == (7, 11.43)
    assert legs[5:] == ("highway:112", "intersection:104")
    with pytest.raises(ValueError, match=r"must be positive, got 0\.0 s"):
        tour_of(0.0)


def test_tour_is_of_worlds_that_there_are() -> None:
    for leg in TOUR:
        scenario, _, seed = leg.partition(":")
        assert World(scenario, int(seed)).state().conditions.weather == "clear"


def test_options_that_do_not_go_together() -> None:
    result = CliRunner().invoke(app, ["demo", "--max-plans", "3"])
    assert result.exit_code == 2
