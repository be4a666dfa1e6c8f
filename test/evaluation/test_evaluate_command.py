from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from reasoning_vla_ros.evaluation import EvaluationError
from reasoning_vla_ros.evaluation.command import evaluate_command, model_notes, rig_notes
from reasoning_vla_ros.planning.camera_rig import CameraRig, RigError
from reasoning_vla_ros.planning.settings import PlannerSettings


def run(bags, **changes):
    """The command with a model that is none: whatever fails before it is loaded fails first."""
    options = dict.fromkeys(("tokenizer", "vlm", "max_plans", "cameras", "odometry", "json_path"))
    options |= {"device": "cpu", "dtype": "float32", "num_samples": 1, "seed": 0, "stride": 1, "num_frames": 4}
    settings = PlannerSettings(0.6, 0.98, 16)
    evaluate_command(
        bags, "/no/model", Path("/no/output"), settings=settings, console=Console(quiet=True), **options | changes
    )


def test_bad_requests_fail_before_the_model_is_loaded(drive, tmp_path):
    with pytest.raises(EvaluationError, match=r"--json .* is a folder, needed the name of a file"):
        run([drive], json_path=tmp_path)
    with pytest.raises(EvaluationError, match="is given twice"):
        run([drive, drive])
    with pytest.raises(EvaluationError, match="have the same topic"):
        run([drive], cameras=["a:1=/camera/front/image", "b:2=/camera/front/image"])


def test_a_rig_that_cannot_be_had_fails_before_the_model_is_loaded(drive):
    with pytest.raises(EvaluationError, match="--rig kitti and --camera front=/a both say which cameras there are"):
        run([drive], rig="kitti", cameras=["front=/a"])
    with pytest.raises(RigError, match="no rig has the name 'kitty'"):
        run([drive], rig="kitty")
    with pytest.raises(EvaluationError, match=r"topic /oakd/rgb/preview/image_raw of camera 'front' is missing"):
        run([drive], rig="turtlebot")


def test_the_notes_say_how_a_rig_differs():
    planner = SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(model_type="alpamayo_r1")))
    notes = rig_notes(CameraRig.load("kitti"), {"num_frames": 2}, planner)
    assert "Camera rig kitti: camera front (1) sees 82 deg, the model was trained with 120 deg." in notes
    assert "Camera rig kitti: 2 frames a camera, the model was trained with 4." in notes
    assert (
        rig_notes(None, {"num_frames": 2}, planner)
        == rig_notes(CameraRig.load("nvidia_4_camera"), {"num_frames": 4}, planner)
        == []
    )


def test_the_notes_of_an_untrained_model_say_that_nearness_is_no_skill(monkeypatch):
    monkeypatch.setattr("reasoning_vla_ros.planning.model_loading.model_config", lambda model: {"untrained": True})
    (note,) = model_notes("any")
    assert "never trained" in note
    assert "no skill" in note
