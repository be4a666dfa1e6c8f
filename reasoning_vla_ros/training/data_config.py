"""Which data a training run is given."""

from __future__ import annotations

from dataclasses import dataclass

from reasoning_vla_ros.training.errors import TrainingError


def require(holds: bool, name: str, value: object, needed: str) -> None:
    """Raises TrainingError with the setting, its value and the one needed."""
    if not holds:
        raise TrainingError(f"{name} is {value!r}, needed {needed}")


@dataclass(frozen=True)
class CorrectionsConfig:
    """Drives of a model with the expert's corrections, as `closed_loop.corrected_drives` makes them.

    Attributes:
        model: folder, name or hub id of who drives.
        count: of drives; 0 for none.
        seed: of the drives.
        stride: a sample every so many steps of 0.1 s.
        repeat: how many times each of these samples counts.
    """

    model: str = ""
    count: int = 0
    seed: int = 3
    stride: int = 5
    repeat: int = 1

    def __post_init__(self) -> None:
        require(self.count >= 0, "data.drives.corrections.count", self.count, "at least 0")
        for name in ("stride", "repeat"):
            value = getattr(self, name)
            require(value >= 1, f"data.drives.corrections.{name}", value, "at least 1")
        if self.count and not self.model:
            raise TrainingError("data.drives.corrections.model is empty, needed who drives: a folder, name or hub id")


@dataclass(frozen=True)
class DrivesConfig:
    """Simulated drives to train on, as `simulation.drives` makes them.

    Attributes:
        count, evaluation_count: drives to train on and to evaluate on; those to evaluate on are undisturbed.
        seed, evaluation_seed: of the drives; no drive of the one is among those of the other.
        scenarios: by name; none for all.
        episode_s: length of a drive.
        num_frames, frame_dt_s: frames of the front camera and their step.
        num_history: ego poses at 0.1 s.
        stride: a sample every so many steps of 0.1 s.
        disturbed_share: of the drives in which the ego is pushed off its way now and then.
        displaced_share: of the drives in which it is put beside its way instead, with all of its past.
        jobs: processes that make them.
        corrections: drives of a model to train on as well; see :class:`CorrectionsConfig`.
    """

    count: int = 1000
    evaluation_count: int = 20
    seed: int = 1
    evaluation_seed: int = 100
    scenarios: tuple[str, ...] = ()
    episode_s: float = 30.0
    num_frames: int = 2
    frame_dt_s: float = 0.8
    num_history: int = 16
    stride: int = 1
    disturbed_share: float = 0.5
    displaced_share: float = 0.0
    jobs: int = 1
    corrections: CorrectionsConfig = CorrectionsConfig()

    def __post_init__(self) -> None:
        for name in ("count", "num_frames", "num_history", "stride", "jobs"):
            require(getattr(self, name) >= 1, f"data.drives.{name}", getattr(self, name), "at least 1")
        require(self.evaluation_count >= 0, "data.drives.evaluation_count", self.evaluation_count, "at least 0")
        require(self.evaluation_seed != self.seed, "data.drives.evaluation_seed", self.evaluation_seed, "another seed")
        if self.corrections.count:
            others = (self.seed, self.evaluation_seed)
            seed = self.corrections.seed
            require(seed not in others, "data.drives.corrections.seed", seed, "another seed")


@dataclass(frozen=True)
class DataConfig:
    """Which recordings, and what of them; or simulated drives.

    Attributes:
        bags: recordings to train on.
        evaluation_bags: recordings to evaluate on; without any, a share of each bag is held out.
        held_out: that share, the last of each bag, in [0, 1).
        held_out_gap_s: time before it that is in neither part. History and future of the default 8 s do not overlap.
        stride: a sample every so many frames of the first camera.
        cameras: `name:id=topic` each; by default all there are.
        rig: rig file, or the name of one in the package, that gives the cameras instead.
        odometry: its topic; by default the only one.
        num_frames: frames a camera.
        instruction: navigation text of every sample; by default what a bag's own topic named `instruction` says.
        reasoning_file: JSONL with the texts, `{"t0_ns": …, "reasoning": "…", "meta_action": "…"}` a line.
        reasoning_topic: topic of the bags with the texts, std_msgs/String or ReasoningTrace.
        reasoning_tolerance_s: how far a text may lie from the instant that it is taken for.
        missing_reasoning: text of samples without one. None: only their trajectories are learned. Empty: the model
            learns to write nothing.
        drives: drives of the simulation's expert to train on instead; see :class:`DrivesConfig`.
    """

    bags: tuple[str, ...] = ()
    evaluation_bags: tuple[str, ...] = ()
    held_out: float = 0.1
    held_out_gap_s: float = 8.0
    stride: int = 5
    cameras: tuple[str, ...] = ()
    rig: str | None = None
    odometry: str | None = None
    num_frames: int = 4
    instruction: str = ""
    reasoning_file: str | None = None
    reasoning_topic: str | None = None
    reasoning_tolerance_s: float = 0.05
    missing_reasoning: str | None = None
    drives: DrivesConfig | None = None

    def __post_init__(self) -> None:
        require(0 <= self.held_out < 1, "data.held_out", self.held_out, "at least 0 and below 1")
        require(self.held_out_gap_s >= 0, "data.held_out_gap_s", self.held_out_gap_s, "at least 0")
        require(self.stride >= 1, "data.stride", self.stride, "at least 1")
        require(self.num_frames >= 1, "data.num_frames", self.num_frames, "at least 1")
        require(self.reasoning_tolerance_s >= 0, "data.reasoning_tolerance_s", self.reasoning_tolerance_s, "at least 0")
        if self.drives is not None and (self.bags or self.evaluation_bags):
            raise TrainingError("samples come from data.drives or from data.bags, not from both")
        if self.cameras and self.rig:
            raise TrainingError(f"cameras come from data.rig ({self.rig}) or data.cameras, not from both")
        if self.reasoning_file and self.reasoning_topic:
            raise TrainingError(
                f"reasoning texts come from data.reasoning_file ({self.reasoning_file}) or data.reasoning_topic "
                f"({self.reasoning_topic}), not from both"
            )
