"""An action space and an action tokenizer as one."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import torch

from reasoning_vla_ros.geometry.arrays import at_least_float32
from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, valid_tokens
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.numpy_arrays import takes_numpy, wrap_methods
from reasoning_vla_ros.tokenizers.parts import plain

CONFIG_FILE = "trajectory_tokenizer.json"

Trajectory = tuple[torch.Tensor, torch.Tensor, None]
CheckedTrajectory = tuple[torch.Tensor, torch.Tensor, None, torch.Tensor]


class TrajectoryTokenizer:
    """Trajectories as token ids in 0..vocab_size-1, and back; the interface of Alpamayo-R1's tokenizers.

    Trajectories are in the ego frame at t0, metres, any leading axes. Given numpy arrays, `encode` and `decode` give
    numpy arrays. Alpamayo's discrete tokenizer is unicycle with
    uniform, its delta tokenizer delta_xyz with uniform.

    Args:
        action_space: trajectories to actions.
        action_tokenizer: actions to ids.

    Raises:
        ValueError: the two disagree about the number of action dimensions.
    """

    name: ClassVar[str] = "trajectory_tokenizer"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = f"{cls.__module__}:{cls.__qualname__}"
        wrap_methods(cls, ("encode", "decode"))

    def __init__(self, action_space: ActionSpace, action_tokenizer: ActionTokenizer) -> None:
        dims = getattr(action_tokenizer, "action_dims", action_space.action_dim)
        if dims != action_space.action_dim:
            raise ValueError(
                f"action space {action_space.name!r} has {action_space.action_dim} dimensions, "
                f"action tokenizer {action_tokenizer.name!r} takes {dims}"
            )
        self.action_space = action_space
        self.action_tokenizer = action_tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return self.action_tokenizer.vocab_size

    @property
    def num_tokens(self) -> int | None:
        """Ids of one trajectory; None where it depends on the trajectory."""
        return self.action_tokenizer.num_tokens_for(self.action_space.horizon)

    @property
    def pad_id(self) -> int | None:
        """The id that fills rows on the right where N varies from row to row; None where it does not."""
        return self.action_tokenizer.pad_id

    @takes_numpy
    def fit(
        self,
        hist_xyz: torch.Tensor,
        hist_rot: torch.Tensor,
        fut_xyz: torch.Tensor,
        fut_rot: torch.Tensor,
        **kwargs: Any,
    ) -> TrajectoryTokenizer:
        """Fits the action tokenizer to the actions of trajectories, and returns itself.

        Args:
            hist_xyz, hist_rot, fut_xyz, fut_rot: as `encode`.
            **kwargs: go to the action tokenizer's `fit`.

        Raises:
            ValueError: as `encode`, and as the action tokenizer's `fit`.
        """
        actions = self.action_space.encode(hist_xyz, hist_rot, fut_xyz, fut_rot)
        self.action_tokenizer.fit((actions if actions.ndim > 2 else actions[None]).flatten(0, -3), **kwargs)
        return self

    @takes_numpy
    def encode(
        self,
        hist_xyz: torch.Tensor,
        hist_rot: torch.Tensor,
        fut_xyz: torch.Tensor,
        fut_rot: torch.Tensor,
        hist_tstamp: torch.Tensor | None = None,
        fut_tstamp: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Token ids, int64 [..., N].

        Args:
            hist_xyz: [..., Th, 3], the last pose at t0.
            hist_rot: [..., Th, 3, 3].
            fut_xyz: [..., T, 3], the first waypoint one step after t0.
            fut_rot: [..., T, 3, 3].
            hist_tstamp, fut_tstamp: not used; the steps are those of the action space.

        Raises:
            ValueError: shapes that do not fit, values that are not finite.
        """
        actions = self.action_space.encode(hist_xyz, hist_rot, fut_xyz, fut_rot)
        tokens = self.action_tokenizer.encode((actions if actions.ndim > 2 else actions[None]).flatten(0, -3))
        return tokens.reshape(*actions.shape[:-2], tokens.shape[-1])

    @overload
    def decode(
        self,
        hist_xyz: torch.Tensor,
        hist_rot: torch.Tensor,
        tokens: torch.Tensor,
        hist_tstamp: torch.Tensor | None = None,
        *,
        strict: Literal[True] = True,
    ) -> Trajectory: ...

    @overload
    def decode(
        self,
        hist_xyz: torch.Tensor,
        hist_rot: torch.Tensor,
        tokens: torch.Tensor,
        hist_tstamp: torch.Tensor | None = None,
        *,
        strict: Literal[False],
    ) -> CheckedTrajectory: ...

    @takes_numpy
    def decode(
        self,
        hist_xyz: torch.Tensor,
        hist_rot: torch.Tensor,
        tokens: torch.Tensor,
        hist_tstamp: torch.Tensor | None = None,
        *,
        strict: bool = True,
    ) -> Trajectory | CheckedTrajectory:
        """The trajectory (xyz [..., T, 3], rot [..., T, 3, 3], None) of token ids [..., N].

        The dtype is the history's, at least float32. With `strict=False` it gives (xyz, rot, None, valid [...]):
        rows whose ids no encoder can produce hold NaN and False, never a made-up trajectory.

        Args:
            hist_xyz: [..., Th, 3], the last pose at t0.
            hist_rot: [..., Th, 3, 3].
            tokens: [..., N], integers.
            hist_tstamp: not used.
            strict: raise on ids that no encoder can produce.

        Raises:
            InvalidTokensError: ids that no encoder can produce (with `strict`), or that are not integers.
            ValueError: shapes that do not fit, a history that is not finite.
        """
        if tokens.ndim == 0:
            raise InvalidTokensError(f"token ids need the shape [..., N], got the single number {tokens.item()}")
        lead = tokens.shape[:-1]
        rows = (tokens if lead else tokens[None]).flatten(0, -2).to(hist_xyz.device)
        count = None if self.action_tokenizer.decodes_prefixes else self.num_tokens
        counted = valid_tokens(rows, self.vocab_size, count=count, pad_id=self.pad_id, strict=strict)
        dtype = at_least_float32(hist_xyz).dtype
        if strict:
            actions = self.action_tokenizer.decode(rows, dtype=dtype)
            return *self._trajectory(hist_xyz, hist_rot, actions, lead), None
        if count in (None, rows.shape[1]):
            actions, valid = self.action_tokenizer.decode(rows, strict=False, dtype=dtype)
            valid = valid & counted
        else:
            actions = hist_xyz.new_full(
                (len(rows), self.action_space.horizon or 1, self.action_space.action_dim), torch.nan, dtype=dtype
            )
            valid = counted
        xyz, rot = self._trajectory(hist_xyz, hist_rot, actions, lead)
        valid = valid.reshape(lead)
        xyz = torch.where(valid[..., None, None], xyz, torch.nan)
        return xyz, torch.where(valid[..., None, None, None], rot, torch.nan), None, valid

    def to_config(self) -> dict[str, Any]:
        """A plain dict that `create_tokenizer` rebuilds this from.

        A subclass with a constructor of its own overrides it, to give its `name` and that constructor's arguments.

        Raises:
            TypeError: such a subclass that does not, or values that JSON cannot hold.
            ValueError: the action tokenizer has learned tensors, which only `save_pretrained` keeps.
        """
        if self.action_tokenizer.state_dict():
            raise ValueError(f"{self.action_tokenizer.name!r} has learned tensors; save_pretrained keeps them")
        return self._describe()

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes trajectory_tokenizer.json and the action tokenizer's own files."""
        path = Path(folder)
        overridden = type(self).to_config is not TrajectoryTokenizer.to_config
        config = self.to_config() if overridden else self._describe()
        self.action_tokenizer.save_pretrained(path)
        (path / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def from_pretrained(folder: str | PathLike[str], allow_imports: bool = False) -> TrajectoryTokenizer:
        """Reads what `save_pretrained` wrote.

        Args:
            folder: with trajectory_tokenizer.json.
            allow_imports: let the file name classes as `module:Class` that are neither registered nor an entry point.

        Raises:
            FileNotFoundError: no trajectory_tokenizer.json in the folder.
            ValueError: unknown names, or ones that would need imports.
        """
        # Imported here, because the factory builds this very class.
        from reasoning_vla_ros.tokenizers.factory import load_tokenizer

        return load_tokenizer(folder, allow_imports)

    def _describe(self) -> dict[str, Any]:
        if type(self).__init__ is not TrajectoryTokenizer.__init__:
            raise TypeError(f"{self.name} has a constructor of its own, so it must override to_config")
        config = {"action_space": self.action_space.to_config(), "action_tokenizer": self.action_tokenizer.to_config()}
        return plain(config if type(self) is TrajectoryTokenizer else {"name": self.name, **config}, self.name)

    def _trajectory(
        self, hist_xyz: torch.Tensor, hist_rot: torch.Tensor, actions: torch.Tensor, lead: torch.Size
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.action_space.decode(hist_xyz, hist_rot, actions.reshape(*lead, *actions.shape[1:]))
