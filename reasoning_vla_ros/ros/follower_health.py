"""What the follower tells about itself."""

from __future__ import annotations

from dataclasses import dataclass

from reasoning_vla_ros.planning.plan_follower import FollowCommand
from reasoning_vla_ros.ros.diagnostics import Level, Status


@dataclass
class FollowerHealth:
    """Record of the plans and of the newest command."""

    plans: int = 0
    refused: int = 0
    command: FollowCommand | None = None
    _unreported: str = ""

    def accept(self) -> None:
        self.plans += 1

    def refuse(self, problem: str) -> None:
        self.refused += 1
        self._unreported = f"plan refused: {problem}"

    def commanded(self, command: FollowCommand) -> None:
        self.command = command

    def restart(self) -> None:
        """The vehicle or time starts anew; the counters go on."""
        self.command = None

    def report(self, has_odometry: bool) -> Status:
        """Status since the last report."""
        unreported, self._unreported = self._unreported, ""
        if self.command is None:
            missing = "a plan" if has_odometry else "odometry, a plan"
            level, message = Level.WARN, unreported or f"waiting for {missing}"
        elif self.command.reason:
            level, message = Level.ERROR, f"stopping: {self.command.reason}"
        elif unreported:
            level, message = Level.WARN, unreported
        else:
            level, message = Level.OK, "following"
        values = {"plans": str(self.plans), "refused": str(self.refused)}
        if self.command is not None:
            age_s = self.command.plan_age_s
            values |= {
                "plan_age_s": "" if age_s is None else f"{age_s:.3f}",
                "lateral_error_m": f"{self.command.lateral_error_m:.3f}",
                "place_error_m": f"{self.command.place_error_m:.3f}",
                "speed_mps": f"{self.command.speed_mps:.3f}",
                "acceleration_mps2": f"{self.command.acceleration_mps2:.3f}",
                "curvature_1pm": f"{self.command.curvature_1pm:.4f}",
            }
        return Status("follower", level, message, values)
