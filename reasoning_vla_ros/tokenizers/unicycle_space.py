"""Acceleration and curvature as actions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from reasoning_vla_ros.geometry import unicycle, unicycle_dense
from reasoning_vla_ros.geometry.arrays import as_tensor, at_least_float32, namespace, numpy_if_few
from reasoning_vla_ros.geometry.rotations import yaw_to_matrix
from reasoning_vla_ros.geometry.smoothing import Smoothing
from reasoning_vla_ros.geometry.unicycle import integrate
from reasoning_vla_ros.tokenizers.action_space import ActionSpace
from reasoning_vla_ros.tokenizers.checks import check_action_shape, check_poses, check_same_batch
from reasoning_vla_ros.tokenizers.parts import constructor_arguments, plain
from reasoning_vla_ros.tokenizers.registry import register_action_space

# Up to so many rows dense factorisations are quicker than the banded solver's loop over time: 0.6 against 5.4 ms for
# one row, about 7 against 6 ms for 64, on two CPU cores with 64 waypoints.
DENSE_ROWS = 64

# bfloat16 keeps eight bits: rounding is off by at most this fraction.
HALF_PRECISION = 2**-8

_WEIGHTS = tuple(f"{part}_{weight}" for part in ("theta", "v", "a", "kappa") for weight in ("lambda", "ridge"))


@register_action_space("unicycle")
class UnicycleActionSpace(nn.Module, ActionSpace):
    """Actions (acceleration m/s^2, curvature 1/m), normalised, of a unicycle; Alpamayo-R1's accel/curvature space.

    Arguments have the names and defaults of the public original, and the four statistics are buffers of the names in
    its checkpoints; they stay float32 when a model around the space is cast to half precision. Values agree with the
    original; where that is defective this one differs:

    - Up to 64 trajectories are solved as the original solves them, in the dtype of the input and bit for bit. More
      are solved at once as banded systems in float64. The two differ by the original's float32 rounding, about
      5e-6 1/m of curvature.
    - Where a problem is singular in its dtype the original multiplies the ridge by ten until its factorisation
      succeeds, without end when the ridge is zero. Here such a batch goes to float64, where a row's ridge has a floor
      of 1e-13 of its largest diagonal entry, so that it always ends.
    - NaN and infinity in a trajectory are refused; bfloat16 and float16 give float32 results.

    As in the original, the ego pose at t0 is taken as the origin with heading zero: the future starts from the last
    history position, and decoding starts from (0, 0).

    Args:
        accel_mean, accel_std, curvature_mean, curvature_std: normalisation, (value - mean) / std.
        accel_bounds, curvature_bounds: what `is_within_bounds` allows, not normalised. Nothing is clipped.
        dt: seconds between waypoints, also of the history.
        n_waypoints: T.
        theta_lambda, ..., kappa_ridge: smoothing and ridge of heading, speed, acceleration and curvature.
    """

    action_dim = 2
    accel_mean: torch.Tensor
    accel_std: torch.Tensor
    curvature_mean: torch.Tensor
    curvature_std: torch.Tensor

    def __init__(
        self,
        accel_mean: float = 0.0,
        accel_std: float = 1.0,
        curvature_mean: float = 0.0,
        curvature_std: float = 1.0,
        accel_bounds: Sequence[float] = (-9.8, 9.8),
        curvature_bounds: Sequence[float] = (-0.2, 0.2),
        dt: float = 0.1,
        n_waypoints: int = 64,
        theta_lambda: float = 1e-6,
        theta_ridge: float = 1e-8,
        v_lambda: float = 1e-6,
        v_ridge: float = 1e-4,
        a_lambda: float = 1e-4,
        a_ridge: float = 1e-4,
        kappa_lambda: float = 1e-4,
        kappa_ridge: float = 1e-4,
    ) -> None:
        super().__init__()
        if not (dt > 0 and math.isfinite(dt)):
            raise ValueError(f"dt must be a positive number of seconds, got {dt}")
        if n_waypoints < 1:
            raise ValueError(f"n_waypoints must be at least 1, got {n_waypoints}")
        for label, std in (("accel_std", accel_std), ("curvature_std", curvature_std)):
            if not std > 0:
                raise ValueError(f"{label} must be positive, got {std}")
        self._given = {
            "accel_mean": float(accel_mean),
            "accel_std": float(accel_std),
            "curvature_mean": float(curvature_mean),
            "curvature_std": float(curvature_std),
        }
        for label, value in self._given.items():
            self.register_buffer(label, torch.tensor(value))
        self.accel_bounds = _interval(accel_bounds, "accel_bounds")
        self.curvature_bounds = _interval(curvature_bounds, "curvature_bounds")
        self.dt = dt
        self.n_waypoints = n_waypoints
        self.theta_lambda, self.theta_ridge = theta_lambda, theta_ridge
        self.v_lambda, self.v_ridge = v_lambda, v_ridge
        self.a_lambda, self.a_ridge = a_lambda, a_ridge
        self.kappa_lambda, self.kappa_ridge = kappa_lambda, kappa_ridge
        for label in _WEIGHTS:
            if not getattr(self, label) >= 0:
                raise ValueError(f"{label} must not be negative, got {getattr(self, label)}")

    @property
    def horizon(self) -> int:  # type: ignore[override]
        return self.n_waypoints

    @property
    def dt_s(self) -> float:  # type: ignore[override]
        return self.dt

    @property
    def tokenizer_defaults(self) -> dict[str, Any]:
        """The public release's bins: 3000 over +-10 of each normalised action."""
        return {**super().tokenizer_defaults, "action_range": [[-10.0, 10.0]] * 2, "bins_per_dim": 3000}

    def estimate_v0(self, history_xyz: torch.Tensor, history_rot: torch.Tensor) -> torch.Tensor:
        """Speed at t0 [...], m/s, of a history [..., Th, 3], [..., Th, 3, 3] with steps of `dt`; one pose gives zero.

        Raises:
            ValueError: shapes that do not fit, values that are not finite.
        """
        check_poses(history_xyz, history_rot, "history")
        lead, dtype = history_xyz.shape[:-2], at_least_float32(history_xyz).dtype
        xyz, rot = _rows(history_xyz.to(dtype), 2), _rows(history_rot.to(dtype), 3)
        smoothing = Smoothing(self.v_lambda, self.v_ridge)
        return self._solve(lambda solver: solver.estimate_v0(xyz, rot, self.dt, smoothing), len(xyz)).reshape(lead)

    def encode(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> torch.Tensor:
        """Actions [..., T, 2]; see `ActionSpace.encode`. T must be `n_waypoints`. Gives no gradient."""
        _, _, accel, curvature = self._states(history_xyz, history_rot, future_xyz, future_rot)
        return torch.stack([accel, curvature], dim=-1).reshape(*future_xyz.shape[:-1], 2)

    def encode_with_states(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions [..., T, 2], and the states (speed m/s, normalised acceleration, heading rad) [..., T, 3].

        Row i of the states belongs to the beginning of step i, so row 0 is t0.
        """
        yaw, speed, accel, curvature = self._states(history_xyz, history_rot, future_xyz, future_rot)
        lead = future_xyz.shape[:-2]
        actions = torch.stack([accel, curvature], dim=-1)
        states = torch.stack([speed[:, :-1], accel, yaw[:, :-1]], dim=-1)
        return actions.reshape(*lead, *actions.shape[1:]), states.reshape(*lead, *states.shape[1:])

    @torch.no_grad()
    def _states(
        self,
        history_xyz: torch.Tensor,
        history_rot: torch.Tensor,
        future_xyz: torch.Tensor,
        future_rot: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Heading and speed [B, T + 1], normalised acceleration and curvature [B, T], all leading axes as one."""
        check_poses(future_xyz, future_rot, "future", self.n_waypoints)
        v0 = self.estimate_v0(history_xyz, history_rot)
        check_same_batch(history_xyz, future_xyz, "future")
        dtype = torch.promote_types(at_least_float32(history_xyz).dtype, at_least_float32(future_xyz).dtype)
        xy = torch.cat([history_xyz[..., -1:, :2].to(dtype), future_xyz[..., :2].to(dtype)], dim=-2)
        xy, rot, v0 = _rows(xy, 2), _rows(future_rot.to(dtype), 3), v0.to(dtype).reshape(-1)
        yaw, speed, accel, curvature = self._solve(lambda solver: self._invert(solver, xy, rot, v0), len(xy))
        accel = (accel - self.accel_mean) / self.accel_std
        return yaw, speed, accel, (curvature - self.curvature_mean) / self.curvature_std

    def _solve(self, problem: Callable[[Any], Any], rows: int) -> Any:
        """The problem's answer by the solver that suits the number of rows."""
        if rows <= DENSE_ROWS:
            try:
                return problem(unicycle_dense)
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
                pass  # singular in this dtype; float64 and its floor under the ridge have an answer
        return problem(unicycle)

    def _invert(self, solver: Any, xy: torch.Tensor, rot: torch.Tensor, v0: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Heading and speed [B, T + 1], acceleration and curvature [B, T], by one of the two solver modules."""
        yaw = solver.smooth_yaw(rot, self.dt, Smoothing(self.theta_lambda, self.theta_ridge))
        speed = solver.solve_speed(xy.diff(dim=1), yaw, v0, self.dt, Smoothing(self.v_lambda, self.v_ridge))
        accel = solver.solve_accel(speed, self.dt, Smoothing(self.a_lambda, self.a_ridge))
        kappa = Smoothing(self.kappa_lambda, self.kappa_ridge)
        return yaw, speed, accel, solver.solve_curvature(yaw, speed, accel, self.dt, kappa)

    def decode(
        self, history_xyz: torch.Tensor, history_rot: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The trajectory of actions [..., T, 2]; see `ActionSpace.decode`. Any T; z is the last history pose's."""
        check_action_shape(actions, 2)
        v0 = self.estimate_v0(history_xyz, history_rot)
        check_same_batch(history_xyz, actions, "actions")
        accel, curvature = self._physical(at_least_float32(actions))
        z = history_xyz[..., -1:, 2].to(accel.dtype).expand(accel.shape)
        v0, accel, curvature, z = numpy_if_few(v0.to(accel.dtype), accel, curvature, z)
        xy, yaw, _ = integrate(v0, accel, curvature, self.dt)
        xyz = namespace(xy).concatenate([xy, z[..., None]], -1)
        return as_tensor(xyz), as_tensor(yaw_to_matrix(yaw))

    def is_within_bounds(self, actions: torch.Tensor) -> torch.Tensor:
        """Flags [...]: every acceleration and curvature of a trajectory lies in its bounds, ends included."""
        accel, curvature = self._physical(at_least_float32(actions))
        in_accel = (accel >= self.accel_bounds[0]) & (accel <= self.accel_bounds[1])
        in_curvature = (curvature >= self.curvature_bounds[0]) & (curvature <= self.curvature_bounds[1])
        return (in_accel & in_curvature).all(-1)

    def reset_statistics(self, rounded_to: torch.dtype = torch.float32) -> None:
        """Sets the four buffers, float32, to the constructor's arguments, which building on the meta device lost.

        Args:
            rounded_to: dtype that the values are rounded to first, as a model run in half precision has them.
        """
        for label, value in self._given.items():
            device = getattr(self, label).device
            number = torch.tensor(value, device="cpu" if device.type == "meta" else device)
            self.register_buffer(label, number.to(rounded_to).float())

    def restore_statistics(self, rounded_to: torch.dtype = torch.float32) -> None:
        """`reset_statistics`, once it is sure that a checkpoint has brought no other values.

        Raises:
            ValueError: a buffer differs from the constructor's argument by more than a rounding to half precision.
        """
        for label, value in self._given.items():
            buffer = getattr(self, label)
            if not buffer.is_meta and not abs(float(buffer) - value) <= HALF_PRECISION * abs(value):
                raise ValueError(
                    f"the checkpoint's {label} is {float(buffer)}, its config says {value}; they must agree"
                )
        self.reset_statistics(rounded_to)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; a statistic that a checkpoint has overwritten, as it is now."""
        config = {label: getattr(self, label) for label in constructor_arguments(type(self))}
        for label, value in self._given.items():
            buffer = getattr(self, label)
            same = buffer.is_meta or bool(buffer == torch.tensor(value, dtype=buffer.dtype))
            config[label] = value if same else float(buffer)
        return plain(config, self.name)

    def _physical(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            actions[..., 0] * self.accel_std + self.accel_mean,
            actions[..., 1] * self.curvature_std + self.curvature_mean,
        )

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> UnicycleActionSpace:
        # The statistics follow the device only: rounding them to bfloat16 would change every action by up to 0.4 %.
        def move(buffer: torch.Tensor) -> torch.Tensor:
            moved = fn(buffer)
            return moved.to(buffer.dtype) if buffer.is_meta or moved.is_meta else buffer.to(moved.device)

        return super()._apply(move, recurse)


def _interval(bounds: Sequence[float], label: str) -> tuple[float, float]:
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(f"{label} must be (low, high) with low < high, got {list(bounds)}")
    return float(bounds[0]), float(bounds[1])


def _rows(tensor: torch.Tensor, tail: int) -> torch.Tensor:
    """All axes before the last `tail` ones as one."""
    return tensor.reshape(math.prod(tensor.shape[:-tail]), *tensor.shape[-tail:])
