"""Scores plans that a node published while it ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasoning_vla_ros.bags import BagReader
from reasoning_vla_ros.evaluation.cameras import CameraTopic
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.fitting import BaselineSet
from reasoning_vla_ros.evaluation.outcome import EvaluationResult, write_outcome
from reasoning_vla_ros.evaluation.recording import Recording
from reasoning_vla_ros.evaluation.report.samples import Shown
from reasoning_vla_ros.evaluation.run import NUM_PICTURES, require_distinct
from reasoning_vla_ros.evaluation.scoring import ScoredPlan, ScoringSettings, score_plan
from reasoning_vla_ros.messages.plan_messages import EGO_POSE, plan_from_msg
from reasoning_vla_ros.messages.stamps import stamp_to_ns

PLAN_TYPE = "reasoning_vla_ros/msg/Plan"
# A publication later than this after t0 is no latency but a node that runs on another clock than the bag's stamps.
MAX_LATENCY_S = 600.0


def score_recorded_plans(
    bag: Path | str,
    plans_bag: Path | str,
    output_dir: Path | str,
    *,
    plan_topic: str | None = None,
    cameras: Sequence[CameraTopic] = (),
    odometry_topic: str | None = None,
    observation_options: Mapping[str, Any] | None = None,
    train_bags: Sequence[Path | str] = (),
    scoring: ScoringSettings | None = None,
    planner_name: str = "",
    notes: Iterable[str] = (),
    num_pictures: int = NUM_PICTURES,
    ground_z_m: float = 0.0,
) -> EvaluationResult:
    """The same scores and report as `evaluate`, from a bag of Plan messages.

    Args:
        bag: the recording that was driven or played: odometry for the ground truth, images for the pictures.
        plans_bag: bag with a topic of type reasoning_vla_ros/msg/Plan; may be the same bag.
        plan_topic: by default the only one of that type.
        observation_options: `num_history` and `history_dt_s` set what the baselines see.
        (the others): as for `evaluate`.

    Raises:
        EvaluationError: topics are missing or ambiguous, plans in a frame that the bag's odometry does not give, or
            not one plan can be scored.
        BagError: a bag can't be read.
    """
    require_distinct([bag], train_bags)
    scoring = scoring or ScoringSettings()
    options: dict[str, Any] = {"odometry_topic": odometry_topic, "observation_options": observation_options}
    recording = Recording(bag, cameras=cameras, need_cameras=False, **options)
    training = [Recording(each, need_cameras=False, **options).truth for each in train_bags]
    baselines = BaselineSet([recording.truth], recording.config, training)
    clock_differs = False
    plans: list[ScoredPlan] = []
    for message in _plan_messages(Path(plans_bag), plan_topic):
        t0_ns = stamp_to_ns(message.header.stamp)
        if plans and t0_ns <= plans[-1].plan.t0_ns:
            recording.skipped.add(
                "plan_not_newer", f"t0 {t0_ns * 1e-9:.3f} s comes after {plans[-1].plan.t0_ns * 1e-9:.3f} s"
            )
            continue
        try:
            pose_in_odom = recording.truth.pose_in_odom(t0_ns)
        except EvaluationError as error:
            recording.skipped.add("no_odometry_at_t0", error)
            continue
        frame = str(message.header.frame_id)
        if frame not in (recording.odom_frame, recording.ego_frame):
            raise EvaluationError(
                f"the plans in {plans_bag} are in frame {frame!r}, needed {recording.odom_frame!r} or "
                f"{recording.ego_frame!r}, the frames of {recording.odometry_topic} in {bag}"
            )
        try:
            plan = plan_from_msg(message, pose_in_odom if frame == recording.odom_frame else EGO_POSE)
        except ValueError as error:
            recording.skipped.add("bad_plan", f"the plan at {t0_ns * 1e-9:.3f} s can't be read: {error}")
            continue
        published_ns = stamp_to_ns(message.publish_stamp)
        latency_s = (published_ns - t0_ns) * 1e-9
        is_latency = published_ns > 0 and 0 <= latency_s < MAX_LATENCY_S
        clock_differs |= published_ns > 0 and not is_latency
        history = recording.truth.history(t0_ns, recording.config.num_history, recording.config.history_dt_s)
        plans.append(
            score_plan(
                plan,
                source=0,
                pose_in_odom=pose_in_odom,
                truth=recording.truth,
                history=history,
                dt_s=recording.config.history_dt_s,
                baselines=baselines.at(0, t0_ns) if history.valid.all() else [],
                settings=scoring,
                end_to_end_s=latency_s if is_latency else None,
            )
        )
    if not plans:
        reasons = "; ".join([*recording.skipped.lines(), *recording.notes]) or "it holds none"
        raise EvaluationError(f"not one plan of {plans_bag} can be scored against {bag}: {reasons}")
    clock_note = ["Publication stamps are of another clock than t0, so no end-to-end latency is given."]
    return write_outcome(
        Path(output_dir),
        [recording],
        plans,
        _shown(recording, plans, num_pictures),
        scoring=scoring,
        run={"kind": "plans recorded from a node", "planner": planner_name, "plans": str(plans_bag)},
        notes=[*notes, baselines.statement, *(clock_note if clock_differs else [])],
        plans_paths=[Path(plans_bag)],
        ground_z_m=ground_z_m,
    )


def _plan_messages(path: Path, topic: str | None) -> Iterator[Any]:
    with BagReader(path) as reader:
        found = sorted(name for name, info in reader.topics.items() if info.msg_type == PLAN_TYPE and info.count)
        if topic is None and len(found) > 1:
            raise EvaluationError(f"bag {path} has {len(found)} topics of plans, name the one: {', '.join(found)}")
        if not found or (topic is not None and topic not in found):
            listed = ", ".join(f"{name} [{info.msg_type}] x{info.count}" for name, info in reader.topics.items())
            raise EvaluationError(f"bag {path} has no {PLAN_TYPE} on {topic or 'any topic'}. It has: {listed}")
        for _, _, message in reader.messages(topics=[topic or found[0]]):
            yield message


def _shown(recording: Recording, plans: Sequence[ScoredPlan], count: int) -> list[Shown]:
    picks = [plans[i] for i in np.linspace(0, len(plans) - 1, min(count, len(plans))).round().astype(int)]
    camera = recording.front_camera()
    images: dict[int, NDArray[np.uint8]] = {}
    if camera is not None:
        images = dict(recording.images([each.plan.t0_ns for each in picks], camera))
    return [
        Shown(
            scored=each,
            camera=camera.name if camera else "",
            image=images.get(each.plan.t0_ns),
            calibration=recording.calibrations.get(camera.name) if camera else None,
            bag=recording.path.name,
        )
        for each in picks
    ]
