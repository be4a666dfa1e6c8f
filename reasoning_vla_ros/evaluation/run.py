"""Runs a planner over bags and scores what it plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.console import Console

from reasoning_vla_ros.bags import BagWriter, types
from reasoning_vla_ros.evaluation.cameras import CameraTopic
from reasoning_vla_ros.evaluation.errors import EvaluationError
from reasoning_vla_ros.evaluation.fitting import BaselineSet
from reasoning_vla_ros.evaluation.ground_truth import Future
from reasoning_vla_ros.evaluation.outcome import EvaluationResult, write_outcome
from reasoning_vla_ros.evaluation.progress import reporting
from reasoning_vla_ros.evaluation.recording import Moment, Recording
from reasoning_vla_ros.evaluation.report.samples import EvenSample, Shown
from reasoning_vla_ros.evaluation.scoring import ScoredPlan, ScoringSettings, score_plan
from reasoning_vla_ros.messages.plan_messages import plan_to_msg
from reasoning_vla_ros.planning.observation import Observation
from reasoning_vla_ros.planning.plan import Plan
from reasoning_vla_ros.planning.seeds import plan_seed

PLAN_TOPIC = "/planner_node/output/plan"
NUM_PICTURES = 12


class PlansFromObservations(Protocol):
    """What an evaluation needs of a planner; `planning.Planner` is one."""

    def plan(
        self,
        observation: Observation,
        num_samples: int = 1,
        deadline_s: float | None = None,
        *,
        seed: int | None = None,
    ) -> Plan:
        """See `planning.Planner.plan`."""
        ...


def evaluate(
    bags: Sequence[Path | str],
    planner: PlansFromObservations,
    output_dir: Path | str,
    *,
    num_samples: int = 1,
    seed: int = 0,
    stride: int = 1,
    max_plans: int | None = None,
    deadline_s: float | None = None,
    cameras: Sequence[CameraTopic] = (),
    odometry_topic: str | None = None,
    observation_options: Mapping[str, Any] | None = None,
    instruction: str = "",
    train_bags: Sequence[Path | str] = (),
    scoring: ScoringSettings | None = None,
    planner_name: str = "",
    notes: Iterable[str] = (),
    num_pictures: int = NUM_PICTURES,
    ground_z_m: float = 0.0,
    console: Console | None = None,
    force_progress: bool = False,
) -> EvaluationResult:
    """Plans at every (`stride`-th) camera frame; writes plans.mcap, metrics.json, report.html and pictures/.

    Args:
        bags: recordings to plan on; several are scored each and together, and their plans go to plans_1.mcap and so on.
        planner: a Planner.
        output_dir: made when missing; files of an earlier run in it are replaced.
        num_samples: K, candidates a plan.
        seed: of the run; the plan at t0 gets `plan_seed(seed, t0)`.
        max_plans: at most so many plans a bag.
        deadline_s: passed on to the planner.
        cameras, odometry_topic, observation_options: see `Recording`.
        instruction: navigation text of every observation; by default what each bag's own topic of them says.
        train_bags: recordings to fit the ego-history baseline on; by default it is cross-fitted within `bags`.
        scoring: horizons and thresholds.
        planner_name: for the report.
        notes: for the report, such as that the weights are untrained.
        num_pictures: plans shown as pictures.
        ground_z_m: height of the ground in the ego frame, for drawing.
        console: where progress goes; None for silence.
        force_progress: a progress bar even where the console is no terminal.

    Raises:
        EvaluationError: a bag is given twice, topics are missing or ambiguous, or not one plan could be made; the
            message says why.
        BagError: a bag can't be read.
    """
    if not bags:
        raise EvaluationError("no bag was given, needed at least one")
    require_distinct(bags, train_bags)
    scoring = scoring or ScoringSettings()
    options: dict[str, Any] = {"odometry_topic": odometry_topic, "observation_options": observation_options}
    recordings = [Recording(bag, cameras=cameras, **options) for bag in bags]
    training = [Recording(bag, need_cameras=False, **options).truth for bag in train_bags]
    baselines = BaselineSet([each.truth for each in recordings], recordings[0].config, training)
    output = Path(output_dir)
    plans: list[ScoredPlan] = []
    sample: EvenSample[Shown] = EvenSample(num_pictures)
    plans_paths = []
    with reporting(console, force_progress) as reporter:
        for source, recording in enumerate(recordings):
            path = output / ("plans.mcap" if len(recordings) == 1 else f"plans_{source + 1}.mcap")
            reporter.start(recording.path.name, recording.count_moments(stride, max_plans))
            with ExitStack() as stack:
                writer: BagWriter | None = None
                for moment in recording.moments(stride=stride, max_plans=max_plans, instruction=instruction):
                    t0_ns = moment.t0_ns
                    plan = planner.plan(moment.observation, num_samples, deadline_s, seed=plan_seed(seed, t0_ns))
                    # Opened with the first plan, so that a bag without any leaves no empty file behind.
                    writer = writer or stack.enter_context(BagWriter(path, storage="mcap", overwrite=True))
                    writer.write(PLAN_TOPIC, _message(plan, moment, recording), t0_ns)
                    scored = score_plan(
                        plan,
                        source=source,
                        pose_in_odom=moment.pose_in_odom,
                        truth=recording.truth,
                        history=_history(moment.observation),
                        dt_s=moment.observation.dt_s,
                        baselines=baselines.at(source, t0_ns),
                        settings=scoring,
                    )
                    plans.append(scored)
                    sample.offer(_shown(scored, moment, recording) if sample.wants_next() else None)
                    reporter.advance(f"{plan.status.name.lower()}, {plan.seconds.total:.2f} s")
                if writer is not None:
                    plans_paths.append(path)
            reporter.finish()
    if not plans:
        raise EvaluationError(f"not one plan could be made. {' '.join(_why_none(each) for each in recordings)}")
    return write_outcome(
        output,
        recordings,
        plans,
        sample.items(),
        scoring=scoring,
        run={
            "kind": "planner run over bags",
            "planner": planner_name,
            "num_samples": num_samples,
            "seed": seed,
            "stride": stride,
            "max_plans": max_plans,
            "deadline_s": deadline_s,
            "instruction": instruction,
            "instruction_topics": [] if instruction else _instruction_topics(recordings),
            "train_bags": [str(bag) for bag in train_bags],
        },
        notes=[*notes, baselines.statement],
        plans_paths=plans_paths,
        ground_z_m=ground_z_m,
    )


def _instruction_topics(recordings: Sequence[Recording]) -> list[str]:
    """Where instructions came from."""
    return sorted({each.instruction_topic for each in recordings if each.instruction_topic is not None})


def require_distinct(bags: Sequence[Path | str], train_bags: Sequence[Path | str] = ()) -> None:
    """Raises EvaluationError when a bag is given twice: the fitted baseline would have seen what it is scored on."""
    seen: dict[Path, Path | str] = {}
    for bag in (*bags, *train_bags):
        place = Path(bag).resolve()
        for other in (place, *place.parents):  # a file of a bag's folder is that bag
            if other in seen:
                raise EvaluationError(
                    f"bag {bag} is given twice (as {seen[other]} before); the ego-history baseline would be fitted on "
                    "what it is scored on, needed different recordings"
                )
        seen[place] = bag


def _message(plan: Plan, moment: Moment, recording: Recording) -> Any:
    cameras = moment.observation.cameras
    return plan_to_msg(
        plan,
        moment.pose_in_odom,
        recording.odom_frame,
        types,
        camera_names=[camera.name for camera in cameras],
        camera_stamps_ns=[camera.stamps_ns[-1] for camera in cameras],
    )


def _history(observation: Observation) -> Future:
    count = len(observation.history_xyz)
    return Future(
        times_s=-np.arange(count - 1, -1, -1).astype(np.float64) * observation.dt_s,
        xyz=observation.history_xyz.astype(np.float64),
        rot=observation.history_rot.astype(np.float64),
        valid=np.ones(count, np.bool_),
    )


def _shown(scored: ScoredPlan, moment: Moment, recording: Recording) -> Shown:
    camera = recording.front_camera()
    frames = next((each for each in moment.observation.cameras if camera and each.name == camera.name), None)
    return Shown(
        scored=scored,
        camera=frames.name if frames else "",
        image=frames.images[-1] if frames else None,
        calibration=recording.calibrations.get(frames.name) if frames else None,
        bag=recording.path.name,
    )


def _why_none(recording: Recording) -> str:
    reasons = "; ".join([*recording.skipped.lines(), *recording.notes]) or "nothing to plan at"
    needed_s = (recording.config.num_history - 1) * recording.config.history_dt_s
    return (
        f"Bag {recording.path}: {reasons}; its odometry spans {recording.truth.span_s:.1f} s, a plan needs "
        f"{needed_s:.1f} s of it and {recording.config.num_frames} frames of each camera before t0."
    )
