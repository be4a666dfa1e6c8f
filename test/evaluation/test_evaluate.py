import dataclasses
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.evaluation import EvaluationError, ScoringSettings, evaluate, score_recorded_plans
from reasoning_vla_ros.evaluation.report.samples import EvenSample
from reasoning_vla_ros.evaluation.scoring import PLANNER, UNCHECKED
from reasoning_vla_ros.planning import plan_seed

START_NS = 1_700_000_000_000_000_000
NASTY = "Yield <script>alert('x')</script> & {{ 7 * 7 }} $x_1$ \N{CJK UNIFIED IDEOGRAPH-6F22}"


class Page(HTMLParser):
    """Checks that tags close, and gathers text, tags and addresses."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.sources, self.words = [], set(), [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def finished(drive, tmp_path_factory, stub_planner):
    """A run over a small bag with three candidates, every fifth plan invalid."""
    folder = tmp_path_factory.mktemp("run")
    planner = stub_planner(text=NASTY, invalid_every=5)
    result = evaluate(
        [drive],
        planner,
        folder,
        num_samples=3,
        seed=7,
        stride=2,
        num_pictures=13,
        planner_name="stub",
        notes=["The weights are untrained."],
    )
    return result, planner, folder


def test_metrics_file(finished):
    result, planner, folder = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(result.metrics))
    overall = metrics["overall"]
    assert overall["num_plans"] == len(planner.calls) == 13
    assert overall["validity_rate"] == pytest.approx(11 / 13)
    assert list(overall["methods"]) == [PLANNER, "constant velocity", "constant turn rate", "ego history"]
    for scores in overall["methods"].values():
        assert scores["ade_m"]["3"]["count"] == 11
    turn = overall["methods"]["constant turn rate"]["ade_m"]["6.4"]["mean"]
    assert turn < 0.05 < overall["methods"]["constant velocity"]["ade_m"]["6.4"]["mean"]
    best_of = overall["methods"][PLANNER]
    assert best_of["min_ade_per_horizon_m"]["3"]["mean"] <= best_of["min_ade_once_m"]["3"]["mean"]
    assert best_of["min_ade_once_m"]["6.4"]["mean"] < best_of["ade_m"]["6.4"]["mean"]
    assert overall["methods_at_all_instants"]["constant velocity"]["ade_m"]["3"]["count"] == 13
    assert next(iter(overall["methods_at_all_instants"])) == UNCHECKED
    assert PLANNER not in overall["methods_at_all_instants"]
    assert overall["plan_deviation"][PLANNER]["count"] == 8
    assert overall["plan_deviation"][PLANNER]["mean_gap_s"] == pytest.approx(0.2)
    assert overall["latency_s"]["total"]["p50"] == pytest.approx(0.11)
    assert sum(each["count"] for each in overall["manoeuvres"].values()) == 11
    skipped = metrics["bags"][0]["skipped"]
    assert {reason: skip["count"] for reason, skip in skipped.items()} == {"stale_frame": 1, "history_span": 7}
    assert skipped["stale_frame"]["first"].startswith("camera 'front' needs a frame within 0.120 s")
    assert len(metrics["bags"][0]["plans"]) == 13
    assert metrics["definitions"]["ade_m"].startswith("ADE@h")
    assert metrics["run"]["seed"] == 7


def test_each_plan_has_the_seed_of_its_instant(finished):
    _, planner, _ = finished
    assert all(seed == plan_seed(7, t0_ns) for t0_ns, seed in planner.calls)


def test_plans_are_recorded_at_t0(finished):
    result, planner, folder = finished
    assert result.plans_paths == (folder / "plans.mcap",)
    with BagReader(folder / "plans.mcap") as reader:
        messages = list(reader.messages())
    assert [time_ns for _, time_ns, _ in messages] == [t0_ns for t0_ns, _ in planner.calls]
    assert {topic for topic, _, _ in messages} == {"/planner_node/output/plan"}
    assert messages[0][2].header.frame_id == "odom"


def test_recorded_plans_get_the_same_scores(finished, drive, tmp_path):
    result, _, folder = finished
    again = score_recorded_plans(drive, folder / "plans.mcap", tmp_path, num_pictures=1)
    first, second = result.metrics["overall"], again.metrics["overall"]
    for name, scores in first["methods"].items():
        for horizon, cell in scores["ade_m"].items():
            assert second["methods"][name]["ade_m"][horizon]["count"] == cell["count"]
            assert second["methods"][name]["ade_m"][horizon]["mean"] == pytest.approx(cell["mean"], abs=1e-3)
    assert second["validity_rate"] == first["validity_rate"]
    assert (tmp_path / "report.html").is_file()


def test_the_report_is_complete_in_itself_and_escapes_text(finished):
    _, _, folder = finished
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert "script" not in page.tags
    assert "<script>alert('x')</script> & {{ 7 * 7 }} $x_1$" in page.text
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    for expected in (
        "The weights are untrained.",
        "constant turn rate",
        "ego history",
        "minADE_K",
        "ADE at all instants",
        "speed of 99 m/s, at most 60 m/s",
        "history_span",
        "first: odometry covers",
        "cross-fitted",
        "keep lane",
    ):
        assert expected in page.text, expected


def test_pictures_lie_beside_the_report(finished):
    _, _, folder = finished
    names = {path.name for path in (folder / "pictures").iterdir()}
    assert {"overview.png", "errors.png", "latency.png", "plan_1.png"} <= names


def test_the_same_run_gives_the_same_metrics(finished, drive, tmp_path, stub_planner):
    result, _, _ = finished
    again = evaluate([drive], stub_planner(invalid_every=5), tmp_path, num_samples=3, seed=7, stride=2, num_pictures=0)
    assert again.metrics["overall"] == result.metrics["overall"]


def test_a_planner_without_any_valid_plan_is_reported(drive, tmp_path, stub_planner):
    result = evaluate([drive], stub_planner(invalid_every=1), tmp_path, max_plans=3, num_pictures=1)
    overall = result.metrics["overall"]
    assert overall["validity_rate"] == 0
    assert "all instants" in overall["scored_on"]
    assert PLANNER not in overall["methods"]
    assert overall["methods"][UNCHECKED]["ade_m"]["3"]["count"] == 3
    assert overall["methods"]["constant velocity"]["ade_m"]["3"]["count"] == 3
    Page(result.report_path.read_text(encoding="utf-8"))


def test_horizons_that_the_recording_does_not_reach_are_counted_out(drive_writer, tmp_path, stub_planner):
    bag = drive_writer(tmp_path / "short.mcap", seconds=6.0, image_seconds=6.0)
    result = evaluate([bag], stub_planner(), tmp_path / "out", num_pictures=1)
    cells = result.metrics["overall"]["methods"][PLANNER]["ade_m"]
    # t0 from 1.5 s to 5.9 s, odometry until 5.95 s
    assert [cells[h]["count"] for h in ("1", "2", "3", "5", "6.4")] == [35, 25, 15, 0, 0]
    assert cells["5"]["mean"] is None
    assert "ego history" not in result.metrics["overall"]["methods"]  # too short for a clean cross-fit
    Page(result.report_path.read_text(encoding="utf-8"))


def test_several_bags_are_scored_each_and_together(drive, drive_writer, tmp_path, stub_planner):
    other = drive_writer(tmp_path / "other.mcap", seconds=20, image_seconds=3, yaw_rate_rps=-0.1)
    result = evaluate([drive, other], stub_planner(), tmp_path / "out", stride=5, num_pictures=2)
    counts = [bag["scores"]["num_plans"] for bag in result.metrics["bags"]]
    assert sum(counts) == result.metrics["overall"]["num_plans"]
    assert [path.name for path in result.plans_paths] == ["plans_1.mcap", "plans_2.mcap"]
    pairs = [bag["scores"]["plan_deviation"][PLANNER]["count"] for bag in result.metrics["bags"]]
    assert result.metrics["overall"]["plan_deviation"][PLANNER]["count"] == sum(pairs) == sum(counts) - 2


def test_the_history_baseline_can_be_fitted_on_other_bags(drive, drive_writer, tmp_path, stub_planner):
    training = drive_writer(tmp_path / "training.mcap", seconds=30, image_seconds=0)
    result = evaluate([drive], stub_planner(), tmp_path / "out", stride=9, train_bags=[training], num_pictures=0)
    assert any("fitted on" in note and "1 other recordings" in note for note in result.metrics["notes"])
    assert result.metrics["overall"]["methods"]["ego history"]["ade_m"]["6.4"]["mean"] < 0.1


def test_no_plan_at_all_is_an_error_with_the_reasons(drive_writer, tmp_path, stub_planner):
    bag = drive_writer(tmp_path / "tiny.mcap", seconds=1.0, image_seconds=1.0)
    reasons = (
        r"not one plan could be made\. Bag .*8 x history_span \(first: odometry covers .*"
        r"2 x stale_frame \(first: camera 'front' .*needs 1.5 s"
    )
    with pytest.raises(EvaluationError, match=reasons):
        evaluate([bag], stub_planner(), tmp_path / "out")
    assert not (tmp_path / "out" / "plans.mcap").exists()
    with pytest.raises(EvaluationError, match="no bag was given"):
        evaluate([], stub_planner(), tmp_path / "out")


def test_images_that_cannot_be_read_are_named_in_the_error(drive, bag_rewriter, tmp_path, stub_planner):
    def as_nv12(topic, message, time_ns):
        changed = dataclasses.replace(message, encoding="nv12") if topic == "/camera/front/image" else message
        return [(topic, changed, time_ns)]

    bag = bag_rewriter(drive, tmp_path / "nv12.mcap", as_nv12)
    with pytest.raises(EvaluationError, match=r"41 x image_decode \(first: /camera/front/image: .*nv12"):
        evaluate([bag], stub_planner(), tmp_path / "out")


def test_the_same_bag_twice_is_refused(drive, tmp_path, stub_planner):
    (tmp_path / "link.mcap").symlink_to(drive)
    for bags, train_bags in (([drive, drive], []), ([drive, tmp_path / "link.mcap"], []), ([drive], [drive])):
        with pytest.raises(EvaluationError, match=r"drive.mcap before\); .*needed different recordings"):
            evaluate(bags, stub_planner(), tmp_path / "out", train_bags=train_bags)
    with pytest.raises(EvaluationError, match="is given twice"):
        score_recorded_plans(drive, drive, tmp_path, train_bags=[drive])


def test_nothing_is_scored_across_a_jump_of_the_odometry(drive, bag_rewriter, tmp_path, stub_planner):
    jump_ns = START_NS + 3_000_000_000

    def shift(topic, message, time_ns):
        if topic == "/odometry" and time_ns >= jump_ns:
            pose = message.pose.pose
            moved = dataclasses.replace(pose, position=dataclasses.replace(pose.position, x=pose.position.x + 500.0))
            message = dataclasses.replace(message, pose=dataclasses.replace(message.pose, pose=moved))
        return [(topic, message, time_ns)]

    bag = bag_rewriter(drive, tmp_path / "jump.mcap", shift)
    result = evaluate([bag], stub_planner(), tmp_path / "out", num_pictures=1)
    assert "odometry jumps 1 time(s), first at" in result.metrics["bags"][0]["notes"][0]
    assert result.metrics["bags"][0]["skipped"]["history_gap"]["first"].startswith("odometry jumps at")
    before, after = ([each for each in result.plans if (each.plan.t0_ns < jump_ns) is side] for side in (True, False))
    assert before
    assert not any(each.future.valid[each.future.times_s > 1.6].any() for each in before)
    curves = np.array([each.curves["constant velocity"] for each in before])
    assert np.nanmax(curves) < 1.0  # not the 500 m of the jump
    overall = result.metrics["overall"]
    assert overall["plan_deviation"][PLANNER]["count"] == max(len(before) - 1, 0) + max(len(after) - 1, 0)
    for name in ("ego history", "constant velocity"):
        assert overall["methods"][name]["ade_m"]["1"]["mean"] < 1.0


def test_recorded_plans_must_be_there(drive, tmp_path):
    with pytest.raises(EvaluationError, match=r"has no reasoning_vla_ros/msg/Plan on any topic\. It has: /camera"):
        score_recorded_plans(drive, drive, tmp_path)


def test_progress_is_plain_lines_where_the_console_is_no_terminal(drive, tmp_path, stub_planner):
    stream = io.StringIO()
    evaluate(
        [drive],
        stub_planner(),
        tmp_path,
        max_plans=4,
        num_pictures=0,
        console=Console(file=stream, force_terminal=False),
    )
    lines = stream.getvalue().splitlines()
    assert lines[0] == "drive.mcap: up to 4 plans"
    assert lines[-1] == "drive.mcap: 4 plans done"
    assert "\x1b" not in stream.getvalue()


def test_progress_is_a_bar_when_asked_for(drive, tmp_path, stub_planner):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    evaluate([drive], stub_planner(), tmp_path, max_plans=2, num_pictures=0, console=console)
    assert "2/2" in stream.getvalue()


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"positive and ascending, got \[2.0, 1.0\]"):
        ScoringSettings(horizons_s=(2.0, 1.0))
    with pytest.raises(ValueError, match=r"got 3\.0 and -1"):
        ScoringSettings(miss_threshold_m=-1)


@pytest.mark.parametrize("total", [0, 1, 4, 7, 8, 9, 100])
def test_even_samples_are_few_and_spread(total):
    sample = EvenSample(4)
    for i in range(total):
        sample.offer(i if sample.wants_next() else None)
    kept = sample.items()
    assert len(kept) == min(total, 4)
    assert kept == sorted(set(kept))
    if total == 100:
        assert kept[0] == 0
        assert kept[-1] >= 75
        assert np.diff(kept).max() <= 2 * np.diff(kept).min()


def test_kitti(test_data, tmp_path, stub_planner):
    from reasoning_vla_ros.bags.kitti import import_kitti

    import_kitti(test_data / "kitti_06_head", tmp_path / "kitti.mcap")
    result = evaluate(
        [tmp_path / "kitti.mcap"], stub_planner(), tmp_path / "out", num_samples=2, stride=4, num_pictures=1
    )
    overall = result.metrics["overall"]
    assert overall["num_plans"] >= 8
    # a car at a steady 43 km/h on a nearly straight road
    assert 0 < overall["methods"]["constant velocity"]["ade_m"]["3"]["mean"] < 0.5
    assert overall["methods"]["ego history"]["ade_m"]["6.4"]["count"] == overall["num_plans"]
    assert list(overall["manoeuvres"]) == ["straight"]
