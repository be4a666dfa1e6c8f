"""Control points of B-splines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer
from reasoning_vla_ros.tokenizers.uniform import UniformActionTokenizer


@register_action_tokenizer("bspline")
class BSplineActionTokenizer(ActionTokenizer):
    """The control points of a least-squares B-spline over time, one token each, as BEAST does (arXiv 2506.06072).

    Every dimension is fitted by a clamped B-spline with evenly spaced knots from the first action to the last. Decoding
    is one matrix product, and what it gives is smooth: a spline has degree - 1 continuous derivatives. The control
    points are quantised in uniform bins over ranges that `fit` takes from data, one range for each; without `fit`
    they are `action_range`. Tokens stand in the order of time, the dimensions of one control point side by side.

    Args:
        action_dims: D.
        horizon: T.
        num_control_points: K, at least degree + 1 and at most T; N = K * D.
        degree: of the polynomials.
        bins_per_dim: bins of each control point, which is also the size of the vocabulary.
        action_range: (low, high) of the control points before `fit`: one pair for all, one for each dimension, or one
            for each control point's dimension, K * D in the order of the tokens, which says what a fit found.
        from_zero: the spline starts from zero one step before the first action, as trajectories in the ego frame do,
            so that its first control point needs no token and all K are spent on the rest.
    """

    ids_are_levels = True

    def __init__(
        self,
        action_dims: int,
        horizon: int,
        num_control_points: int = 10,
        degree: int = 4,
        bins_per_dim: int = 256,
        action_range: Sequence[float] | Sequence[Sequence[float]] = (-1, 1),
        from_zero: bool = False,
    ) -> None:
        if degree < 0 or not degree + 1 <= num_control_points <= horizon:
            raise ValueError(
                f"num_control_points must lie in degree + 1..horizon, got {num_control_points} with degree {degree} "
                f"and horizon {horizon}"
            )
        self.action_dims = action_dims
        self.horizon = horizon
        self.num_control_points = num_control_points
        self.degree = degree
        self.bins_per_dim = bins_per_dim
        self.from_zero = from_zero
        count = num_control_points * action_dims
        is_each = bool(np.ndim(action_range[0])) and len(action_range) == count
        self.action_range = UniformActionTokenizer(
            count if is_each else action_dims, bins_per_dim, action_range
        ).action_range
        per_dim = self.action_range if np.ndim(self.action_range) == 2 else [self.action_range] * action_dims
        ranges: Any = per_dim if is_each else [*per_dim] * num_control_points
        self._bins = UniformActionTokenizer(count, bins_per_dim, ranges)
        self._fitted = False

    @property
    def vocab_size(self) -> int:
        return self.bins_per_dim

    def num_tokens_for(self, horizon: int | None) -> int | None:
        return self.num_control_points * self.action_dims

    def fit(
        self, actions: torch.Tensor, lower_quantile: float = 0.0, upper_quantile: float = 1.0
    ) -> BSplineActionTokenizer:
        """Sets each control point's range to these quantiles over actions [B, T, D], and returns itself."""
        self._bins.fit(self._control_points(actions), lower_quantile, upper_quantile)
        self._fitted = True
        return self

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"ranges": torch.tensor(self._bins.action_range, dtype=torch.float64)} if self._fitted else {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        shapes = {key: list(tensor.shape) for key, tensor in state.items()}
        if shapes != {"ranges": [self._bins.action_dims, 2]}:
            raise ValueError(f"bspline needs ranges [{self._bins.action_dims}, 2], got {shapes}")
        self._bins = UniformActionTokenizer(self._bins.action_dims, self.bins_per_dim, state["ranges"].tolist())
        self._fitted = True

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, K * D], of actions [B, T, D]; see `ActionTokenizer.encode`."""
        return self._bins.encode(self._control_points(actions))

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, T, D] of ids [B, K * D]; see `ActionTokenizer.decode`."""
        count = self._bins.action_dims
        valid = valid_tokens(tokens, self.vocab_size, count=count, strict=strict)
        if tokens.shape[1] == count:
            _, spread = self._matrices(dtype, tokens.device)
            known = torch.where(valid[:, None], tokens, 0) if not strict else tokens
            points = self._bins.decode(known, dtype=dtype)
            actions = (points[:, 0] @ spread).unflatten(1, (self.horizon, self.action_dims))
        else:
            actions = torch.zeros(len(tokens), self.horizon, self.action_dims, dtype=dtype, device=tokens.device)
        return actions if strict else (torch.where(valid[:, None, None], actions, torch.nan), valid)

    def _control_points(self, actions: torch.Tensor) -> torch.Tensor:
        """Control points [B, 1, K * D] of actions [B, T, D]."""
        actions = check_actions(actions, self.action_dims)
        if actions.shape[1] != self.horizon:
            raise ValueError(f"actions need {self.horizon} steps, got the shape {list(actions.shape)}")
        gather, _ = self._matrices(actions.dtype, actions.device)
        return (actions.flatten(1) @ gather)[:, None]

    def _matrices(self, dtype: torch.dtype, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        return _matrices(
            self.horizon, self.num_control_points, self.degree, self.from_zero, self.action_dims, dtype, device
        )


def basis(horizon: int, num_control_points: int, degree: int, from_zero: bool) -> NDArray[np.float64]:
    """Clamped B-splines at the times of the actions, [T, K]; with `from_zero` without the one that starts there."""
    from scipy.interpolate import BSpline

    count = num_control_points + from_zero
    times = np.linspace(1 / horizon if from_zero else 0.0, 1.0, horizon)
    inner = np.linspace(0, 1, count - degree + 1)
    knots = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    return np.asarray(BSpline.design_matrix(times, knots, degree).toarray())[:, int(from_zero) :]


@lru_cache(maxsize=32)
def _matrices(*key: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """From flat actions to flat control points [T * D, K * D], and back [K * D, T * D]; not to be written to.

    The dimensions are independent, but one product with many zeros is faster than many small products.
    """
    *shape, action_dims, dtype, device = key
    values = basis(*shape)
    each = np.eye(action_dims)
    with torch.inference_mode(False):  # what is kept must be usable outside as well
        gather, spread = (
            torch.tensor(np.kron(matrix.T, each), dtype=dtype, device=device)
            for matrix in (np.linalg.pinv(values), values)
        )
    return gather, spread
