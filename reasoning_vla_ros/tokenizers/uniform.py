"""Uniform bins, or bins of equal mass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.arrays import ArrayT
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer

Range = tuple[float, float]
BINNINGS = ("range", "quantile", "meanstd", "equal_mass")


@register_action_tokenizer("uniform")
class UniformActionTokenizer(ActionTokenizer):
    """One token a number: round((a - low) / (high - low) * (bins - 1)), half to even, as Alpamayo-R1 does.

    All dimensions share one vocabulary of `bins_per_dim` ids; the tokens of a step stand next to each other. The
    first and the last bin lie on the ends of the range, so inside it the error is at most half a step,
    (high - low) / (bins - 1) / 2. Finite values outside are clamped to the ends, however large; NaN and infinity are
    refused. An odd number of bins over a symmetric range represents zero exactly; an even one does not.

    `binning` says what `fit` makes of data:
    - "range": the range from the smallest to the largest value;
    - "quantile": the range from the 1 % to the 99 % quantile, as OpenVLA does (arXiv 2406.09246);
    - "meanstd": the mean and three standard deviations to either side;
    - "equal_mass": bins that are each as likely, so fine where the data is dense: id i stands for the quantile
      i / (bins - 1), and a number gets the nearest one's id. The quantiles are learned tensors.

    Args:
        action_dims: D.
        bins_per_dim: bins of each dimension (`num_bins` in configs), which is also the size of the vocabulary.
        action_range: (low, high) for all dimensions, or one such pair for each.
        binning: see above.
        closed_loop: for actions that are increments: quantise each together with the error of the steps before it,
            so that errors do not add up and sums of decoded actions stay within half a step of the sums of the
            actions (more, for a while, where an action lies outside the range). Decoding is the same.
    """

    ids_are_levels = True
    argument_aliases: ClassVar[dict[str, str]] = {"num_bins": "bins_per_dim"}
    action_range: Range | tuple[Range, ...]

    def __init__(
        self,
        action_dims: int = 7,
        bins_per_dim: int = 256,
        action_range: Sequence[float] | Sequence[Sequence[float]] = (-1, 1),
        binning: str = "range",
        closed_loop: bool = False,
    ) -> None:
        if action_dims < 1:
            raise ValueError(f"action_dims must be at least 1, got {action_dims}")
        if bins_per_dim < 2:
            raise ValueError(f"bins_per_dim must be at least 2, got {bins_per_dim}")
        if binning not in BINNINGS:
            raise ValueError(f"binning must be one of {list(BINNINGS)}, got {binning!r}")
        self.action_dims = action_dims
        self.bins_per_dim = bins_per_dim
        self.binning = binning
        self.closed_loop = closed_loop
        self._levels: torch.Tensor | None = None  # [D, bins], float64, ascending; only for "equal_mass"
        self._set_range(action_range)

    @property
    def vocab_size(self) -> int:
        return self.bins_per_dim

    def get_vocab_size(self) -> int:
        """The same as `vocab_size`."""
        return self.vocab_size

    def num_tokens_for(self, horizon: int | None) -> int | None:
        return None if horizon is None else horizon * self.action_dims

    def fit(
        self,
        actions: torch.Tensor,
        lower_quantile: float | None = None,
        upper_quantile: float | None = None,
        num_std: float = 3.0,
    ) -> UniformActionTokenizer:
        """Sets each dimension's range, or levels, from actions [B, T, D], and returns itself.

        A dimension that never changes gets the range (value, value + 1), so that its value is represented exactly.

        Args:
            actions: [B, T, D].
            lower_quantile, upper_quantile: the ends of the range, instead of those of the binning; "meanstd" has none.
            num_std: standard deviations to either side of the mean, for "meanstd".

        Raises:
            ValueError: no actions, another shape, or values that are not finite.
        """
        values = check_actions(actions, self.action_dims).double().flatten(0, 1).cpu().numpy()
        if not len(values):
            raise ValueError(f"fit needs at least one action, got {list(actions.shape)}")
        if self.binning == "meanstd":
            reach = num_std * values.std(0)
            low, high = values.mean(0) - reach, values.mean(0) + reach
        else:
            tail = 0.01 if self.binning == "quantile" else 0.0
            first = tail if lower_quantile is None else lower_quantile
            last = 1 - tail if upper_quantile is None else upper_quantile
            count = self.bins_per_dim if self.binning == "equal_mass" else 2
            levels = np.quantile(values, np.linspace(first, last, count), axis=0)
            low, high = levels[0], levels[-1]
            if self.binning == "equal_mass":
                self._levels = torch.from_numpy(levels.T.copy())
        self._set_range([(a, b if b > a else a + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)])
        return self

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {} if self._levels is None else {"levels": self._levels}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        if self.binning != "equal_mass":
            return super().load_state_dict(state)
        shapes = {key: list(tensor.shape) for key, tensor in state.items()}
        if shapes != {"levels": [self.action_dims, self.bins_per_dim]}:
            raise ValueError(f"levels need the shape [{self.action_dims}, {self.bins_per_dim}], got {shapes}")
        self._levels = state["levels"].double()
        return None

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, T * D], of actions [B, T, D]; see `ActionTokenizer.encode`."""
        actions = check_actions(actions, self.action_dims)
        return (self._follow(actions) if self.closed_loop else self._nearest(actions)).flatten(1)

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, T, D] of ids [B, T * D]; see `ActionTokenizer.decode`.

        With `strict=False`, ids that do not fill a whole number of steps give NaN for the whole steps, at least one.
        """
        valid = valid_tokens(tokens, self.bins_per_dim, multiple_of=self.action_dims, strict=strict)
        steps = tokens.shape[1] // self.action_dims
        if not strict and steps == 0:
            return torch.full((len(tokens), 1, self.action_dims), torch.nan, dtype=dtype, device=tokens.device), valid
        rows = tokens[:, : steps * self.action_dims].reshape(len(tokens), steps, self.action_dims)
        if strict:
            return self._values(rows, dtype)
        known = torch.where(valid[:, None, None], rows, 0)
        return torch.where(valid[:, None, None], self._values(known, dtype), torch.nan), valid

    def tokenize(self, actions: ArrayT) -> ArrayT:
        """Ids, int64 [T * D], of one sequence of actions [T, D]; a numpy array gives one."""
        if actions.ndim != 2:
            raise ValueError(f"actions need the shape [T, {self.action_dims}], got {list(actions.shape)}")
        if isinstance(actions, torch.Tensor):
            return self.encode(actions[None])[0]
        return self.encode(torch.from_numpy(np.ascontiguousarray(actions))[None])[0].numpy()

    def detokenize(self, tokens: ArrayT) -> ArrayT:
        """Actions, float32 [T, D], of the ids of one sequence [T * D]; a numpy array gives one.

        Raises:
            InvalidTokensError: see `decode`.
        """
        if isinstance(tokens, torch.Tensor):
            return self.decode(tokens.reshape(1, -1))[0]
        ids: NDArray[Any] = np.ascontiguousarray(tokens)
        return self.decode(torch.from_numpy(ids).reshape(1, -1))[0].numpy()

    def _nearest(self, actions: torch.Tensor) -> torch.Tensor:
        """Bins, int64 [B, T, D], nearest to actions [B, T, D]."""
        if self._levels is not None:
            levels = self._levels.to(actions)
            middles = (levels[:, 1:] + levels[:, :-1]) / 2
            columns = [torch.searchsorted(m, a.contiguous()) for m, a in zip(middles, actions.unbind(-1), strict=True)]
            return torch.stack(columns, -1)
        low, span = _rows(self._pairs, actions.shape[1], actions.dtype, actions.device)
        bins = actions.flatten(1).sub(low).div_(span).mul_(self.bins_per_dim - 1).round_()
        # Clamped before the cast: a float beyond int64 would wrap around to the wrong end.
        return bins.clamp_(0, self.bins_per_dim - 1).long().unflatten(1, actions.shape[1:])

    def _values(self, bins: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Numbers [B, T, D] that bins [B, T, D] stand for."""
        if self._levels is not None:
            levels = self._levels.to(bins.device, dtype)
            return torch.stack(
                [level[column] for level, column in zip(levels, bins.long().unbind(-1), strict=True)], -1
            )
        low, span = _rows(self._pairs, bins.shape[1], dtype, bins.device)
        return bins.flatten(1).to(dtype).div_(self.bins_per_dim - 1).mul_(span).add_(low).unflatten(1, bins.shape[1:])

    def _follow(self, actions: torch.Tensor) -> torch.Tensor:
        """Bins, int64 [B, T, D], whose values add up along time to the sums of the actions."""
        actions = actions.double()
        if self._levels is not None:
            return self._follow_slowly(actions)
        # The sum of t values is t * low plus a whole number of steps; with even bins the nearest such number is known
        # for all times at once, and each bin is its increase.
        low, span = _rows(self._pairs, 1, actions.dtype, actions.device)
        times = torch.arange(1, actions.shape[1] + 1, dtype=actions.dtype, device=actions.device)
        sums = ((actions.cumsum(1) - times[:, None] * low) / span * (self.bins_per_dim - 1)).round_()
        bins = sums.diff(dim=1, prepend=torch.zeros_like(sums[:, :1]))
        # Outside the range the increase is limited, and the rest has to wait for the next step.
        outside = ~((bins >= 0) & (bins <= self.bins_per_dim - 1)).flatten(1).all(1)
        bins = bins.clamp_(0, self.bins_per_dim - 1).long()
        if bool(outside.any()):
            bins[outside] = self._follow_slowly(actions[outside])
        return bins

    def _follow_slowly(self, actions: torch.Tensor) -> torch.Tensor:
        bins, error = [], torch.zeros_like(actions[:, :1])
        for action in actions.split(1, dim=1):
            wanted = action + error
            bins.append(self._nearest(wanted))
            error = wanted - self._values(bins[-1], actions.dtype)
        return torch.cat(bins, 1)

    def _set_range(self, action_range: Any) -> None:
        per_dim = bool(np.ndim(action_range[0]))
        pairs = [tuple(map(float, pair)) for pair in (action_range if per_dim else [action_range])]
        if per_dim and len(pairs) != self.action_dims:
            raise ValueError(f"action_range needs {self.action_dims} (low, high) pairs, got {len(pairs)}")
        for pair in pairs:
            if len(pair) != 2 or not all(map(math.isfinite, pair)) or not pair[0] < pair[1]:
                raise ValueError(f"action_range needs finite (low, high) with low < high, got {pair}")
        self.action_range = tuple(pairs) if per_dim else pairs[0]  # type: ignore[assignment, arg-type]
        self._pairs = tuple(pairs if per_dim else pairs * self.action_dims)


@lru_cache(maxsize=64)
def _rows(
    pairs: tuple[tuple[float, ...], ...], steps: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Low ends and widths [T * D] of the ranges of T steps; shared, not to be written to.

    Flat, because adding a row to a batch is faster than broadcasting a few dimensions.
    """
    with torch.inference_mode(False):  # what is kept must be usable outside as well
        low, high = torch.tensor(pairs, dtype=dtype, device=device).T
        return low.repeat(steps), (high - low).repeat(steps)
