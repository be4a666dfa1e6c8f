"""The lowest frequencies of a sequence, one token each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.numpy_arrays import takes_numpy
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer

# Largest coefficient that has a level of its own, as a multiple of the largest one that `fit` saw.
HEADROOM = 1.1
# Candidates for the size at which levels turn from evenly spaced to evenly spaced in the logarithm, as a share of the
# largest coefficient: 0.0001 for a coefficient that is mostly far smaller than at its largest, 10 for even spacing.
_SOFTNESS = torch.logspace(-4, 1, 26, dtype=torch.float64)


@register_action_tokenizer("truncated_dct")
class FASTActionTokenizer(ActionTokenizer):
    """The lowest frequencies of each dimension, one token a coefficient: the DCT of FAST (arXiv 2501.09747) cut off.

    A cosine series of a motion that ends at another value or slope than it began with converges slowly. So `ramps` of
    the basis functions are powers of time, t, t^2, ..., and the rest cosines of the lowest frequencies (DCT-II), made
    orthonormal together; with `ramps=0` it is the plain truncated DCT. On driving two ramps bring the error of what is
    cut off from centimetres to less than a millimetre.

    Every coefficient has a scale of its own, from `fit`: level / 127 = asinh(c / s) / asinh(c_max / s), an odd
    function with zero as a level, evenly spaced for small coefficients and in the logarithm for large ones. s is the
    one of 26 candidates with the smallest mean absolute error on the data, c_max 1.1 times the largest coefficient.
    Coefficients beyond are clamped, so the error of motions unlike the data has no bound. Before `fit`, c_max is
    that of actions in [-1, 1], which no such actions exceed, with even spacing.

    Ids of a sequence stand frequency by frequency, lowest first, the dimensions of one next to each other. Any such
    ids decode.

    Args:
        sequence_length: T (`horizon` in configs).
        action_dim: D (`action_dims` in configs).
        num_frequencies: coefficients of each dimension, so `num_frequencies * action_dim` tokens.
        bins: levels of a coefficient, which is also the size of the vocabulary; at least 4.
        ramps: how many of the basis functions are powers of time.
    """

    ids_are_levels = True
    argument_aliases: ClassVar[dict[str, str]] = {
        "horizon": "sequence_length",
        "action_dims": "action_dim",
        "vocab_size": "bins",
    }

    def __init__(
        self,
        sequence_length: int = 64,
        action_dim: int = 7,
        num_frequencies: int = 16,
        bins: int = 256,
        ramps: int = 2,
    ) -> None:
        for label, size in (("sequence_length", sequence_length), ("action_dim", action_dim)):
            if size < 1:
                raise ValueError(f"{label} must be at least 1, got {size}")
        if not 1 <= num_frequencies <= sequence_length:
            raise ValueError(f"num_frequencies must lie in 1..{sequence_length}, got {num_frequencies}")
        if bins < 4:
            raise ValueError(f"bins must be at least 4, got {bins}")
        if not 0 <= ramps < num_frequencies:
            raise ValueError(f"ramps must lie in 0..{num_frequencies - 1}, got {ramps}")
        self.sequence_length = sequence_length
        self.action_dim = action_dim
        self.num_frequencies = num_frequencies
        self.bins = bins
        self.ramps = ramps
        self._basis = _basis(sequence_length, num_frequencies, ramps)  # [T, K]
        bound = self._basis.abs().sum(0)[:, None].expand(-1, action_dim)
        self._largest, self._softness = bound.clone(), bound * _SOFTNESS[-1]  # [K, D] both
        self._fitted = False

    @property
    def action_dims(self) -> int:
        """D."""
        return self.action_dim

    @property
    def vocab_size(self) -> int:
        return self.bins

    def get_vocab_size(self) -> int:
        """The same as `vocab_size`."""
        return self.vocab_size

    @property
    def tokens_per_sequence(self) -> int:
        """The same as `num_tokens`."""
        return self.num_frequencies * self.action_dim

    def num_tokens_for(self, horizon: int | None) -> int | None:
        return self.tokens_per_sequence

    def fit(self, actions: torch.Tensor) -> FASTActionTokenizer:
        """Sets the scale of each coefficient from actions [B, T, D], and returns itself.

        Raises:
            ValueError: no actions, another shape, or values that are not finite.
        """
        coefficients = self._transform(self._checked(actions).double())
        if not len(coefficients):
            raise ValueError(f"fit needs at least one sequence, got {list(actions.shape)}")
        largest = coefficients.abs().amax(0)
        self._largest = (torch.where(largest > 0, largest, 1.0) * HEADROOM).cpu()
        self._softness = self._largest * _SOFTNESS[-1]
        best = torch.full_like(self._largest, torch.inf)
        for share in _SOFTNESS:
            softness = self._largest * share
            levels = self._levels(coefficients, softness)
            error = (self._coefficients(levels, softness) - coefficients).abs().mean(0).cpu()
            self._softness = torch.where(error < best, softness, self._softness)
            best = torch.minimum(error, best)
        self._fitted = True
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, num_frequencies * D], of actions [B, T, D]; see `ActionTokenizer.encode`."""
        levels = self._levels(self._transform(self._checked(actions)), self._softness)
        return (levels + self.bins // 2).long().flatten(1)

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, T, D] of ids [B, num_frequencies * D]; see `ActionTokenizer.decode`."""
        valid = valid_tokens(tokens, self.vocab_size, count=self.tokens_per_sequence, strict=strict)
        if tokens.shape[1] != self.tokens_per_sequence:
            nothing = torch.full((len(tokens), self.sequence_length, self.action_dim), torch.nan, dtype=dtype)
            return nothing.to(tokens.device), valid
        levels = (tokens.long() - self.bins // 2).to(dtype).unflatten(1, (self.num_frequencies, self.action_dim))
        # A finite number for ids out of range, which are flagged below.
        levels = levels.clamp(-self.bins, self.bins)
        basis = self._basis.to(levels)
        actions = torch.einsum("tk,bkd->btd", basis, self._coefficients(levels, self._softness))
        return actions if strict else (torch.where(valid[:, None, None], actions, torch.nan), valid)

    @takes_numpy
    def encode_sequence(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [num_frequencies * D], of one sequence of actions [T, D]; a numpy array gives one."""
        return self.encode(actions[None])[0]

    @takes_numpy
    def decode_sequence(self, tokens: torch.Tensor) -> torch.Tensor:
        """Actions, float32 [T, D], of the ids of one sequence [num_frequencies * D]; a numpy array gives one.

        Raises:
            InvalidTokensError: see `decode`.
        """
        return self.decode(tokens.reshape(1, -1))[0]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """`largest` and `softness`, float64 [num_frequencies, D]; nothing before `fit`."""
        return {"largest": self._largest, "softness": self._softness} if self._fitted else {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        if set(state) != {"largest", "softness"}:
            raise ValueError(f"{self.name!r} needs the tensors ['largest', 'softness'], got {sorted(state)}")
        shape = [self.num_frequencies, self.action_dim]
        for label, value in state.items():
            if list(value.shape) != shape or not bool((value > 0).all()):
                raise ValueError(f"{label!r} must be positive and {shape}, got {list(value.shape)}")
        self._largest, self._softness = (state[label].double().cpu() for label in ("largest", "softness"))
        self._fitted = True

    def _checked(self, actions: torch.Tensor) -> torch.Tensor:
        actions = check_actions(actions, self.action_dim)
        if actions.shape[1] != self.sequence_length:
            raise ValueError(f"actions need {self.sequence_length} steps, got {list(actions.shape)}")
        return actions

    def _transform(self, actions: torch.Tensor) -> torch.Tensor:
        """Coefficients [B, K, D] of actions [B, T, D]."""
        return torch.einsum("tk,btd->bkd", self._basis.to(actions), actions)

    def _levels(self, coefficients: torch.Tensor, softness: torch.Tensor) -> torch.Tensor:
        """Whole numbers -bins // 2 .. of coefficients [B, K, D]."""
        top = (self.bins - 1) // 2
        step = (self._largest / softness).asinh() / top
        levels = ((coefficients / softness.to(coefficients)).asinh() / step.to(coefficients)).round()
        return levels.clamp(-(self.bins // 2), top)

    def _coefficients(self, levels: torch.Tensor, softness: torch.Tensor) -> torch.Tensor:
        """Coefficients [B, K, D] of levels."""
        step = (self._largest / softness).asinh() / ((self.bins - 1) // 2)
        return (levels * step.to(levels)).sinh() * softness.to(levels)


def _basis(steps: int, count: int, ramps: int) -> torch.Tensor:
    """Orthonormal basis functions over time, float64 [steps, count], of growing frequency."""
    time = (np.arange(steps) + 0.5) / steps
    cosines = np.cos(np.pi * np.arange(count - ramps) * time[:, None])
    powers = time[:, None] ** np.arange(1, ramps + 1)
    # The ramps first: motions that begin at zero, as a vehicle's do, then have little of the constant.
    basis, _ = np.linalg.qr(np.concatenate([powers, cosines], axis=1))
    return torch.from_numpy(basis * np.sign(basis[-1]))
