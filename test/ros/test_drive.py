"""The closed loop as processes over DDS: recorded, told of, filmed; and how it ends when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.bags import types as t
from reasoning_vla_ros.cli import app
from reasoning_vla_ros.cli.drive_view import DriveView
from reasoning_vla_ros.messages.stamps import stamp_to_ns
from reasoning_vla_ros.simulation.film import draw_page, moments_of_bag, read_log
from reasoning_vla_ros.simulation.film.report import still_times_s, write_drive_report
from reasoning_vla_ros.simulation.scene_view import SceneView

try:
    from reasoning_vla_ros.ros.drive import DriveError, DriveNodes, run_drive
    from reasoning_vla_ros.ros.drive_recorder import ContinuousTime, shifted
    from reasoning_vla_ros.ros.node_process import module_command
except ImportError as error:
    pytest.skip(f"ROS 2 or the built package is absent: {error}", allow_module_level=True)

HERE = Path(__file__).parent
REPO = HERE.parents[1]
STUB = (sys.executable, str(HERE / "stub_planner_node.py"))
SIMULATOR = module_command("reasoning_vla_ros.simulation.simulator_process")
TOUR = ("curves:10", "intersection:4")
S = 10**9


@dataclass
class Drive:
    bag: Path
    output: str  # plain
    screen: str  # of the live table
    topics: Counter[str]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    folder = tmp_path_factory.mktemp("drive")
    nodes = DriveNodes(
        simulator=SIMULATOR,
        planner=STUB,
        simulator_parameters={"cameras": ["front:0", "view:0:160x80"], "image_width": 64, "image_height": 32},
        planner_parameters={"model_path": "stub", "max_rate_hz": 2.0},
        other_cameras=("view",),
        cameras_in_base={"camera_view_optical_frame": SceneView().camera_in_base},
    )
    plain, screen = StringIO(), StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100, height=40)
    topics: Counter[str] = Counter()
    with (
        DriveView(Console(file=plain, width=200), len(TOUR), 1.0) as lines,
        DriveView(terminal, len(TOUR), 1.0) as live,
    ):

        def take(topic: str, message: object, time_ns: int) -> None:
            topics[topic] += 1
            lines.take(topic, message, time_ns)
            live.take(topic, message, time_ns)

        def turn(waits_for: str) -> None:
            lines.turn(waits_for)
            live.turn(waits_for)

        bag = run_drive(nodes, TOUR, 1.0, folder, on_message=take, on_turn=turn)
    return Drive(bag, plain.getvalue(), screen.getvalue(), topics)


def test_recording_holds_what_the_nodes_said_in_a_time_that_runs_on(drive: Drive) -> None:
    with BagReader(drive.bag) as reader:
        counts = {topic: info.count for topic, info in reader.topics.items()}
        assert counts["/odometry"] == counts["/tf"] > 100  # two scenarios of 3 s at 20 Hz
        assert counts["/map_markers"] == 2
        assert counts["/traffic"] == counts["/odometry"]
        assert counts["/camera/view/image"] > 50
        assert counts["/camera/front/image"] > 10
        assert counts["/cmd_vel"] > 10
        assert counts["/planner_node/output/plan"] >= 4
        stamps = [stamp_to_ns(message.header.stamp) for _, _, message in reader.messages(["/odometry"])]
        steps_s = np.diff(stamps) * 1e-9
        assert steps_s.min() > 0
        assert np.sort(steps_s)[-2:].tolist() == pytest.approx([0.05, 0.5], abs=0.011)
        for topic, time_ns, message in reader.messages():
            if (header := getattr(message, "header", None)) is not None and header.stamp.sec:
                assert 0 <= time_ns - stamp_to_ns(header.stamp) < 2 * S, topic
    assert sum(drive.topics.values()) == sum(counts.values()) - counts["/tf"] - counts["/tf_static"]


def test_log_of_the_recording(drive: Drive) -> None:
    legs = read_log(drive.bag).legs
    assert [(leg.scenario, leg.seed, leg.end) for leg in legs] == [
        ("curves", 10, "3 s are over"),
        ("intersection", 4, "3 s are over"),
    ]
    for leg in legs:
        assert leg.num_plans >= 2
        assert leg.num_invalid == 0
        assert 0.8 < leg.duration_s < 1.8
        assert leg.plan_seconds_at(50) == pytest.approx(0.1)
        # The stub goes on at the speed that it finds.
        assert leg.distance_m == pytest.approx(leg.mean_speed_mps * leg.duration_s, rel=0.15)
        assert [text for _, text in leg.texts] == ["keep going"]


def test_it_is_told_while_it_goes_on(drive: Drive) -> None:
    assert "loading the model" in drive.output
    assert "curves, seed 10:" in drive.output
    assert "intersection, seed 4:" in drive.output
    assert "keep going" in drive.output
    for text in ("curves (1 of 2)", "intersection (2 of 2)", "km/h", "limit", "go straight", "collisions"):
        assert text in drive.screen


def test_film_and_report_of_the_recording(drive: Drive, tmp_path: Path) -> None:
    moments = list(moments_of_bag(drive.bag, "stub"))
    log = read_log(drive.bag)
    assert len(moments) == pytest.approx(10 * sum(leg.duration_s for leg in log.legs), abs=4)
    assert [moment.leg for moment in moments] == sorted(moment.leg for moment in moments)
    first, last = moments[0], moments[-1]
    assert first.legs == ("curves", "intersection")
    assert first.image.shape == (80, 160, 3)
    assert last.plan is not None
    assert last.text == "keep going"
    assert last.speed_limit_mps is not None
    assert len(last.things) > 3
    # The plan begins where the vehicle was and goes straight ahead.
    way = last.plan.ahead_of(last.xy, last.yaw_rad)
    assert abs(way[:20, 1]).max() < 0.5
    assert (np.diff([moment.time_s for moment in moments]) > -1e-6).all()
    page = draw_page(last)
    assert page.shape == (720, 1280, 3)
    path = tmp_path / "report.html"
    write_drive_report(log, path, title="<stub>", stills=[(1.0, b"jpeg")])
    html = path.read_text()
    assert "&lt;stub&gt;" in html
    assert html.count("keep going") == 2
    assert len(still_times_s(log)) == 4


def test_film_command_leaves_what_the_demo_leaves(drive: Drive, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["film", str(drive.bag), "--output", str(tmp_path), "--title", "stub"])
    assert result.exit_code == 0, result.output
    assert "0 collisions, 0 off the road" in " ".join(result.output.split())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"demo.mp4", "demo.gif", "demo.png", "report.html"}
    report = (tmp_path / "report.html").read_text()
    assert report.count("data:image/jpeg;base64,") == 4
    assert 'src="demo.gif"' in report


def test_a_node_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "import sys; print('out of luck'); sys.exit(3)")
    with pytest.raises(DriveError, match=r"(?s)planner_node ended with exit code 3; its log:\nout of luck"):
        run_drive(DriveNodes(SIMULATOR, planner=words), TOUR, 1.0, tmp_path)
    assert not (tmp_path / "drive.mcap").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_the_nodes_along(number: int, tmp_path: Path) -> None:
    program = (
        "import sys; from reasoning_vla_ros.ros.drive import *; from pathlib import Path\n"
        "sleeper = (sys.executable, '-c', 'import time; time.sleep(100)')\n"
        "nodes = DriveNodes(sleeper, planner=sleeper, follower=sleeper)\n"
        f"run_drive(nodes, ('curves:1',), 1.0, {str(tmp_path)!r}, on_turn=lambda text: print('up', flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 2
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode != 0
    end_s = time.monotonic() + 10
    while any(_is_running(int(child)) for child in children):
        assert time.monotonic() < end_s, "orphans"
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_times_that_jump_back_are_put_one_after_another() -> None:
    time_line = ContinuousTime(5000 * S)
    assert time_line.at(2000 * S) == 5000 * S
    assert time_line.at(2003 * S) == 5003 * S
    assert time_line.at(1000 * S) == 5003 * S + S // 2
    # What comes late belongs to where it was said; a time of zero is none.
    assert time_line.at(2001 * S) == 5001 * S
    assert time_line.offset_ns(0) == 0
    assert time_line.at(0) == time_line.newest_ns == 5003 * S + S // 2
    assert time_line.at(999 * S) == 5002 * S + S // 2  # a little before the first
    stamp = t.Time(sec=1001, nanosec=5)
    moved = shifted(t.TFMessage(transforms=[t.TransformStamped(t.Header(stamp, "a"), "b", None)]), lambda _: 2 * S)
    assert moved.transforms[0].header.stamp == t.Time(sec=1003, nanosec=5)
