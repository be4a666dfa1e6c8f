"""Uniform bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.geometry.arrays import ArrayT
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer

Range = tuple[float, float]


@register_action_tokenizer("uniform")
class UniformActionTokenizer(ActionTokenizer):
    """One token a number: round((a - low) / (high - low) * (bins - 1)), half to even, as Alpamayo-R1 does.

    All dimensions share one vocabulary of `bins_per_dim` ids; the tokens of a step stand next to each other. The
    first and the last bin lie on the ends of the range, so inside it the error is at most half a step,
    (high - low) / (bins - 1) / 2. Finite values outside are clamped to the ends, however large; NaN and infinity are
    refused. An odd number of bins over a symmetric range represents zero exactly; an even one does not.

    Args:
        action_dims: D.
        bins_per_dim: bins of each dimension (`num_bins` in configs), which is also the size of the vocabulary.
        action_range: (low, high) for all dimensions, or one such pair for each.
    """

    argument_aliases: ClassVar[dict[str, str]] = {"num_bins": "bins_per_dim"}
    action_range: Range | tuple[Range, ...]

    def __init__(
        self,
        action_dims: int = 7,
        bins_per_dim: int = 256,
        action_range: Sequence[float] | Sequence[Sequence[float]] = (-1, 1),
    ) -> None:
        if action_dims < 1:
            raise ValueError(f"action_dims must be at least 1, got {action_dims}")
        if bins_per_dim < 2:
            raise ValueError(f"bins_per_dim must be at least 2, got {bins_per_dim}")
        self.action_dims = action_dims
        self.bins_per_dim = bins_per_dim
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
        self, actions: torch.Tensor, lower_quantile: float = 0.0, upper_quantile: float = 1.0
    ) -> UniformActionTokenizer:
        """Sets each dimension's range to these quantiles of actions [B, T, D], and returns itself.

        A dimension that never changes gets the range (value, value + 1), so that its value is represented exactly.

        Raises:
            ValueError: no actions, another shape, or values that are not finite.
        """
        values = check_actions(actions, self.action_dims).double().flatten(0, 1).cpu().numpy()
        if not len(values):
            raise ValueError(f"fit needs at least one action, got {list(actions.shape)}")
        low, high = np.quantile(values, [lower_quantile, upper_quantile], axis=0)
        self._set_range([(a, b if b > a else a + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)])
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, T * D], of actions [B, T, D]; see `ActionTokenizer.encode`."""
        actions = check_actions(actions, self.action_dims)
        low, high = self._ends(actions)
        bins = ((actions - low) / (high - low) * (self.bins_per_dim - 1)).round()
        # Clamped before the cast: a float beyond int64 would wrap around to the wrong end.
        return bins.clamp(0, self.bins_per_dim - 1).long().flatten(1)

    @overload
    def decode(
        self, tokens: torch.Tensor, strict: Literal[True] = True, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor: ...

    @overload
    def decode(
        self, tokens: torch.Tensor, strict: Literal[False], dtype: torch.dtype = torch.float32
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    def decode(
        self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Actions [B, T, D] of ids [B, T * D]; see `ActionTokenizer.decode`.

        With `strict=False`, ids that do not fill a whole number of steps give NaN for the whole steps, at least one.
        """
        valid = valid_tokens(tokens, self.vocab_size, multiple_of=self.action_dims, strict=strict)
        steps = tokens.shape[1] // self.action_dims
        shares = tokens[:, : steps * self.action_dims].reshape(len(tokens), steps, self.action_dims).to(dtype)
        shares = shares / (self.bins_per_dim - 1)
        low, high = self._ends(shares)
        actions: torch.Tensor = shares * (high - low) + low
        if strict:
            return actions
        if steps == 0:
            actions = shares.new_zeros(len(tokens), 1, self.action_dims)
        return torch.where(valid[:, None, None], actions, torch.nan), valid

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

    def _set_range(self, action_range: Any) -> None:
        per_dim = bool(np.ndim(action_range[0]))
        pairs = [tuple(map(float, pair)) for pair in (action_range if per_dim else [action_range])]
        if per_dim and len(pairs) != self.action_dims:
            raise ValueError(f"action_range needs {self.action_dims} (low, high) pairs, got {len(pairs)}")
        for pair in pairs:
            if len(pair) != 2 or not all(map(math.isfinite, pair)) or not pair[0] < pair[1]:
                raise ValueError(f"action_range needs finite (low, high) with low < high, got {pair}")
        self.action_range = tuple(pairs) if per_dim else pairs[0]  # type: ignore[assignment, arg-type]
        self._pairs = pairs if per_dim else pairs * self.action_dims

    def _ends(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        low, high = zip(*self._pairs, strict=True)
        return like.new_tensor(low), like.new_tensor(high)
