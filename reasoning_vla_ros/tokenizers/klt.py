"""A fitted linear transform and ordered codebooks: few tokens, each of them refining those before."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers import klt_codes
from reasoning_vla_ros.tokenizers.action_tokenizer import ActionTokenizer, Decoded, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.escape import SMALLEST_VOCABULARY, EscapeCode, escape_code
from reasoning_vla_ros.tokenizers.klt_fit import fit_rounds, transform
from reasoning_vla_ros.tokenizers.padding import count_before_padding, pad_rows
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer

# Beyond this, float32 is coarser than any bound on the error.
LARGEST_ACTION = 1e5


@register_action_tokenizer("klt")
class KLTActionTokenizer(ActionTokenizer):
    """Karhunen-Loeve transform of whole trajectories, then ordered codes of its components.

    The transform (PCA over all T * D numbers, fixed by `fit`) packs a trajectory into few components of falling
    variance. Tokens come in rounds. In each, reverse water-filling gives the round's bits to the components by the
    energy that is left in them; neighbours share a codebook (k-means, weighted by what an error costs). What a code
    leaves over is divided by the size that this code's residuals usually have, so the next round works on numbers of
    about one, for a calm cruise as for a swerve. Transform coding: Goyal 2001; residual codebooks: Juang and Gray
    1982; the metric is that of the action space, so use it behind one whose numbers are distances (`path`, `pose`,
    `joint`).

    - Any prefix decodes: the first n tokens of a row are a code of n tokens. A planner may stop early, and one fit
      serves all lengths up to `max_tokens` (`with_num_tokens`).
    - N ids in 0..vocabulary-2 always decode where codebooks' sizes multiply to vocabulary - 1; the last id pads.
    - With `max_error`, no action decodes further than that from what was encoded, at any step: where the codes alone
      miss by more, the row goes on with an escape (escape.py), and `encode` gives more than `num_tokens` columns.
      Cutting it off leaves the code without the bound. To it comes the rounding of float32, where that is decoded to.

    Runs in numpy on the CPU; tensors on other devices are copied there and back.

    Args:
        action_dims: D.
        horizon: T.
        num_tokens: N.
        max_tokens: how many tokens `fit` makes codebooks for.
        vocabulary: number of ids, padding included. One more than a square wastes none on small codebooks.
        components: of the transform that are kept at most.
        max_error: bound of the Euclidean norm of any step's error, in the actions' unit; None for no escapes.
        starts: how many first tokens encoding follows for eight rounds, to keep the one that errs least. 4 take a
            seventh off the error of 8 tokens, for two to three times the time; 8 another fiftieth.
    """

    decodes_prefixes = True
    pad_id: int

    def __init__(
        self,
        action_dims: int,
        horizon: int,
        num_tokens: int = 8,
        max_tokens: int = 32,
        vocabulary: int = 2026,
        components: int = 64,
        max_error: float | None = None,
        starts: int = 4,
    ) -> None:
        for label, value in (
            ("action_dims", action_dims),
            ("horizon", horizon),
            ("components", components),
            ("starts", starts),
        ):
            if value is None or value < 1:
                raise ValueError(f"klt needs {label} of at least 1, got {value}")
        if not 1 <= num_tokens <= max_tokens:
            raise ValueError(f"num_tokens must lie in 1..max_tokens = {max_tokens}, got {num_tokens}")
        if vocabulary < SMALLEST_VOCABULARY + 1:
            raise ValueError(f"vocabulary must be at least {SMALLEST_VOCABULARY + 1}, got {vocabulary}")
        if max_error is not None and not (max_error > 0 and math.isfinite(max_error)):
            raise ValueError(f"max_error must be positive or None, got {max_error}")
        self.action_dims = action_dims
        self.horizon = horizon
        self._num_tokens = num_tokens
        self.max_tokens = max_tokens
        self.vocabulary = vocabulary
        self.components = components
        self.max_error = max_error
        self.starts = starts
        self.pad_id = vocabulary - 1
        self._mean: klt_codes.Floats | None = None

    @property
    def num_tokens(self) -> int:
        """N, escapes not counted."""
        return self._num_tokens

    def num_tokens_for(self, horizon: int | None) -> int:
        return self._num_tokens

    @property
    def vocab_size(self) -> int:
        return self.vocabulary

    def with_num_tokens(self, num_tokens: int) -> KLTActionTokenizer:
        """The same codebooks with another N; shares their memory.

        Raises:
            ValueError: more than `max_tokens`.
        """
        if not 1 <= num_tokens <= self.max_tokens:
            raise ValueError(f"num_tokens must lie in 1..{self.max_tokens}, got {num_tokens}")
        other = copy.copy(self)
        other._num_tokens = num_tokens
        other._choose_rounds()
        return other

    def fit(
        self,
        actions: torch.Tensor,
        *,
        iterations: int = 8,
        tails: float = 0.03,
        seed: int = 0,
        on_round: Callable[[int, int], None] | None = None,
    ) -> KLTActionTokenizer:
        """Learns transform and codebooks from actions [B, T, D], and returns itself.

        A token has one codebook of all ids in the first rounds where there are 40 actions for each code, and else
        several small ones.

        Args:
            actions: [B, T, D].
            iterations: of k-means, for each codebook.
            tails: share of actions that are learned from again, 1.5 to 3.5 times as far from the mean, so that the
                codebooks know their way back from a manoeuvre wilder than any seen. 0.03 take a quarter off the
                99 % quantile of the drives' errors.
            seed: of everything random.
            on_round: called with (rounds done, rounds).

        Raises:
            ValueError: other shapes, values that are not finite or beyond +-1e5, or too few actions.
        """
        rows = self._rows(check_actions(actions, self.action_dims)).astype(np.float64)
        if len(rows) < 64:
            raise ValueError(f"klt needs at least 64 actions to learn from, got {len(rows)}")
        mean, basis, spread = transform(rows, min(self.components, rows.shape[1]))
        components = ((rows - mean) @ basis).astype(np.float32)
        components = np.concatenate([components, _wilder(components, tails, seed)])
        rounds, sizes = fit_rounds(
            components,
            spread,
            tokens_per_round(self.max_tokens),
            self.vocabulary - 1,
            iterations=iterations,
            seed=seed,
            on_round=on_round,
        )
        self._mean, self._basis, self._spread = mean, basis, spread
        self._all_rounds, self._all_sizes = rounds, sizes
        self._choose_rounds()
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, N], of actions [B, T, D]; more columns where a row has an escape. See `ActionTokenizer`.

        Raises:
            ValueError: another shape, values that are not finite or beyond +-1e5, or nothing was fitted.
        """
        self._require_fit()
        rows: NDArray[Any] = self._rows(check_actions(actions, self.action_dims))
        assert self._mean is not None
        centred = rows.astype(np.float32, copy=False) - self._mean
        components = klt_codes.product(centred, self._into)
        indices, remaining = self._codec.encode(components, self.starts)
        tokens = np.ascontiguousarray(self._packing.pack(indices)[:, : self._num_tokens])
        if self.max_error is None:
            return torch.from_numpy(tokens).to(actions.device)
        if self._num_tokens < self._whole:
            left = rows - self._decode_rows(tokens)
        else:
            left = centred - klt_codes.product(components - remaining, self._out)
        left = left.reshape(-1, self.horizon, self.action_dims)
        worst = np.sqrt(np.einsum("btd,btd->bt", left, left).max(1, initial=0))
        # Decoded in another batch or on another machine, float32 may round otherwise by about as much.
        near = worst <= 0.99 * self.max_error - 4e-6 * np.abs(rows).max(1, initial=0)
        if near.all():
            return torch.from_numpy(tokens).to(actions.device)
        far = np.flatnonzero(~near)
        code = self._escape_code()
        exact = (rows[far] - self._decode_rows(tokens[far], dtype=np.float64)).reshape(-1, *left.shape[1:])
        padded = tokens.tolist()
        for row, residual in zip(far, exact, strict=True):
            padded[row] += code.encode(residual)
        return pad_rows(padded, self.pad_id).to(actions.device)

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, T, D] of ids [B, n]: n < N, or a row padded before N, is a prefix; n > N holds escapes.

        See `ActionTokenizer.decode`.
        """
        self._require_fit()
        valid = valid_tokens(tokens, self.vocabulary, pad_id=self.pad_id, strict=strict)
        ids = tokens.detach().cpu().numpy().astype(np.int64, copy=False)
        good = valid.cpu().numpy().copy()
        counts = count_before_padding(tokens, self.pad_id).cpu().numpy()
        base = ids[:, : self._num_tokens]
        unknown = (base >= self._packing.ids[: base.shape[1]]) & (np.arange(base.shape[1]) < counts[:, None])
        if unknown.any():
            if strict:
                row, column = np.argwhere(unknown)[0]
                raise InvalidTokensError(
                    f"token {column} has codes 0..{self._packing.ids[column] - 1}, got {base[row, column]} at row {row}"
                )
            good &= ~unknown.any(1)
        if good.all():
            actions = self._decode_rows(base, counts)
        else:
            actions = np.full((len(ids), self.horizon * self.action_dims), np.nan, np.float32)
            actions[good] = self._decode_rows(base[good], counts[good])
        escaped = np.flatnonzero(good & (counts > self._num_tokens))
        if len(escaped):
            actions = actions.astype(np.float64)
            actions[escaped] = self._decode_rows(base[escaped], dtype=np.float64)
        for row in escaped:
            try:
                residual = self._escape_code().decode(ids[row, self._num_tokens : counts[row]].tolist())
                actions[row] += residual.ravel()
                if not np.abs(actions[row]).max() <= 2 * LARGEST_ACTION:
                    raise InvalidTokensError(f"klt codes actions within +-{LARGEST_ACTION:g}, got ids of larger ones")
            except InvalidTokensError as error:
                if strict:
                    raise InvalidTokensError(f"row {row}: {error}") from error
                good[row] = False
                actions[row] = np.nan
        shaped = torch.from_numpy(actions).reshape(-1, self.horizon, self.action_dims).to(tokens.device, dtype)
        return shaped if strict else (shaped, torch.from_numpy(good).to(tokens.device))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The transform in float32, the codebooks in float16, which they were rounded to while they were fitted."""
        if self._mean is None:
            return {}
        state = {"mean": self._mean, "basis": self._basis, "spread": self._spread}
        arrays: dict[str, NDArray[Any]] = dict(state)
        for position, one in enumerate(self._all_rounds):
            arrays[f"rounds.{position}.components"] = one.components.astype(np.int32)
            arrays[f"rounds.{position}.codes"] = one.codes.astype(np.float16)
            arrays[f"rounds.{position}.scales"] = one.scales.astype(np.float16)
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        tokens = tokens_per_round(self.max_tokens)
        wanted = {"mean", "basis", "spread"} | {
            f"rounds.{i}.{part}" for i in range(len(tokens)) for part in ("components", "codes", "scales")
        }
        if set(state) != wanted:
            raise ValueError(f"klt needs the tensors {sorted(wanted)}, got {sorted(state)}")
        if len(state["mean"]) != self.horizon * self.action_dims:
            raise ValueError(f"klt needs a mean of {self.horizon} x {self.action_dims}, got {len(state['mean'])}")
        arrays = {name: tensor.cpu().numpy() for name, tensor in state.items()}
        rounds, sizes = [], []
        for position, count in enumerate(tokens):
            parts = [arrays[f"rounds.{position}.{part}"] for part in ("components", "codes", "scales")]
            one = klt_codes.Round(parts[0].astype(np.int64), parts[1].astype(np.float32), parts[2].astype(np.float32))
            rounds.append(one)
            sizes += [[one.book_size] * (one.books // count)] * count
        if (most := max(map(math.prod, sizes))) > self.pad_id:
            raise ValueError(f"klt has ids for {self.pad_id} codes of a token, got codebooks of {most}")
        self._mean, self._basis, self._spread = (arrays[name] for name in ("mean", "basis", "spread"))
        self._all_rounds, self._all_sizes = rounds, sizes
        self._choose_rounds()

    def _choose_rounds(self) -> None:
        """The rounds that N tokens need."""
        if self._mean is None:
            return
        done = np.cumsum([0, *tokens_per_round(self.max_tokens)])
        rounds = int(np.searchsorted(done, self._num_tokens))
        self._whole = int(done[rounds])
        self._codec = klt_codes.Codec(self._all_rounds[:rounds], self._spread)
        self._into = np.ascontiguousarray(self._basis[:, self._codec.used])
        self._out = np.ascontiguousarray(self._into.T)
        self._packing = klt_codes.Packing(self._all_sizes[: self._whole])

    def _decode_rows(
        self, tokens: klt_codes.Ints, counts: klt_codes.Ints | None = None, dtype: type[np.floating] = np.float32
    ) -> NDArray[Any]:
        """Actions [B, T * D] of ids [B, n], n <= N; of each row's first `counts` ids only.

        In float64 they are the same, but for the last digits, in any batch and on any machine.
        """
        assert self._mean is not None
        # Whole rounds: what is not there yet is filled up with the first code, and left out again.
        whole = self._whole
        present = np.minimum(tokens.shape[1] if counts is None else counts, tokens.shape[1])
        filled = np.zeros((len(tokens), whole), np.int64)
        filled[:, : tokens.shape[1]] = tokens
        used = None
        if tokens.shape[1] < whole or (counts is not None and bool((present < whole).any())):
            filled[np.arange(whole) >= np.broadcast_to(present, len(tokens))[:, None]] = 0
            used = np.broadcast_to(self._packing.books[present], len(tokens))
        components = self._codec.decode(self._packing.unpack(filled), used).astype(dtype, copy=False)
        return klt_codes.product(components, self._out.astype(dtype, copy=False)) + self._mean

    def _rows(self, actions: torch.Tensor) -> NDArray[Any]:
        """[B, T * D] in the dtype of the actions."""
        if actions.shape[1] != self.horizon:
            raise ValueError(f"klt codes actions of {self.horizon} steps, got {actions.shape[1]}")
        rows: NDArray[Any] = actions.detach().flatten(1).cpu().numpy()
        if (largest := float(np.abs(rows).max(initial=0))) > LARGEST_ACTION:
            raise ValueError(f"klt codes actions within +-{LARGEST_ACTION:g}, got {largest:g}")
        return rows

    def _escape_code(self) -> EscapeCode:
        # Escapes in rows that were coded without a bound are none that an encoder gives.
        if self.max_error is None:
            raise InvalidTokensError(f"without max_error a row has at most {self._num_tokens} ids")
        return escape_code(self.horizon, self.action_dims, self.vocabulary - 1, self.max_error)

    def _require_fit(self) -> None:
        if self._mean is None:
            raise ValueError("klt has not been fitted; call fit, or load a saved one")


def _wilder(components: klt_codes.Floats, share: float, seed: int) -> klt_codes.Floats:
    """A share of the component vectors [B, C], drawn again and made 1.5 to 3.5 times as large."""
    rng = np.random.default_rng(seed)
    count = int(share * len(components))
    drawn = components[rng.integers(0, len(components), count)]
    return np.asarray(drawn * rng.uniform(1.5, 3.5, (count, 1)), np.float32)


def tokens_per_round(max_tokens: int) -> list[int]:
    """Tokens of each round: single ones first, where each tells most about the size of the rest; more side by side
    later, where that is known."""
    plan: list[int] = []
    while (left := max_tokens - sum(plan)) > 0:
        plan.append(min(left, 1 if sum(plan) < 8 else 2 if sum(plan) < 16 else 4))
    return plan
