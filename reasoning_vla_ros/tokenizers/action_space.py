"""What an action space is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch

from reasoning_vla_ros.tokenizers.parts import Part


class ActionSpace(Part, ABC):
    """Trajectories in the ego frame at t0, as sequences of actions, and back.

    Subclasses set the attributes below, implement `encode` and `decode`, and keep every constructor argument as an
    attribute of the same name (`get_config` reads them). All methods take any leading axes, work on the device of
    their input, compute in float32 at least, and never mix rows: NaN actions give a NaN trajectory in that row only.

    Attributes:
        action_dim: D, numbers an action.
        horizon: T, the number of waypoints it works with; None when any.
        dt_s: seconds between waypoints; None when the space does not depend on it.
    """

    name: ClassVar[str]
    action_dim: int
    horizon: int | None = None
    dt_s: float | None = None

    @abstractmethod
    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, D] of a trajectory.

        Args:
            history_xyz: [..., Th, 3], metres, the last pose at t0.
            history_rot: [..., Th, 3, 3].
            future_xyz: [..., T, 3], metres, the first waypoint one step after t0.
            future_rot: [..., T, 3, 3].

        Raises:
            ValueError: shapes that do not fit, values that are not finite.
        """

    @abstractmethod
    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory, xyz [..., T, 3] in metres and rot [..., T, 3, 3], of actions [..., T, D].

        Raises:
            ValueError: shapes that do not fit, a history that is not finite.
        """

    def is_within_bounds(self, actions: torch.Tensor) -> torch.Tensor:
        """Flags [...]: all actions of a trajectory are physically plausible. By default, finite."""
        return torch.isfinite(actions).flatten(-2).all(-1)

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        """Arguments that suit an action tokenizer behind this space.

        `create_tokenizer` gives an action tokenizer those that its constructor takes and the caller left open.
        """
        return {"action_dims": self.action_dim, "horizon": self.horizon, "dt_s": self.dt_s}
