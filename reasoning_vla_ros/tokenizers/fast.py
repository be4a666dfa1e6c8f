"""FAST: frequencies of a chunk, rounded, as text that byte-pair coding shortens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from reasoning_vla_ros.tokenizers.action_tokenizer import CONFIG_FILE, ActionTokenizer, check_actions, valid_tokens
from reasoning_vla_ros.tokenizers.errors import InvalidTokensError
from reasoning_vla_ros.tokenizers.fast_bpe import ByteLevelBpe
from reasoning_vla_ros.tokenizers.fast_files import FASTProcessorFiles
from reasoning_vla_ros.tokenizers.fast_symbols import (
    CODE_POINTS,
    IntArray,
    nearest_symbols,
    to_offsets,
    to_symbols,
)
from reasoning_vla_ros.tokenizers.padding import pad_rows
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer

# Coefficients are kept within it before they become integers, which a float beyond int64 would not survive.
_LARGEST = 2.0**40


@register_action_tokenizer("fast")
class FASTBPEActionTokenizer(ActionTokenizer):
    """Few tokens a chunk, as many as its motion needs: FAST (arXiv 2501.09747).

    The orthonormal DCT over time of each dimension, times `scale`, rounded half to even, lowest frequency first, every
    integer less `min_token` a character, and the string of characters shortened by byte-level byte-pair coding. With
    the files of a public FAST processor the ids are its ids, and the actions its actions. It differs where that one is
    defective:

    - Ids that do not make exactly `horizon * action_dims` coefficients are refused; there they become zeros.
    - No coefficient is ever dropped. After `fit` every integer has a text of its own (those below `min_token`, or
      0xD800 and more above it, by an escape), so each coefficient of any chunk comes back within half a step,
      0.5 / scale, up to 524,288 steps out; what lies further is clamped there. Over the time axis the root of the
      summed squares of the error is at most sqrt(T) / 2 / scale. With files of the public processor (`escape` False)
      a coefficient without a text takes the nearest value that has one; the public one drops it, or clamps it below.
    - The shape of a chunk is an argument or a setting, never what the last call had.
    - NaN and infinity are refused.

    Ids need not be the shortest ones for their text: a model may spell the same coefficients in other ids, and they
    decode. Rows are padded with `pad_id`, the last id. Encoding and decoding run on the CPU, whatever the device.

    Args:
        action_dims: D; None takes it from `fit`, or for decoding as an argument.
        horizon: T, likewise.
        scale: steps a unit of the coefficients. Twice the scale halves the error, for a few more tokens.
        bpe_vocab_size: ids of the byte-pair coding; the vocabulary has the padding in addition.
        min_token: the integer of character 0; `fit` sets it.
        quantiles: map these quantiles of each dimension, which `fit` measures, to -1 and 1 first, as (0.01, 0.99) in
            the paper; nothing is clipped. None leaves actions as they are.
        escape: see above.
    """

    argument_aliases: ClassVar[dict[str, str]] = {
        "vocab_size": "bpe_vocab_size",
        "time_horizon": "horizon",
        "action_dim": "action_dims",
    }

    def __init__(
        self,
        action_dims: int | None = None,
        horizon: int | None = None,
        scale: float = 10,
        bpe_vocab_size: int = 1024,
        min_token: int = 0,
        quantiles: Sequence[float] | None = None,
        escape: bool = True,
    ) -> None:
        for label, size in (("action_dims", action_dims), ("horizon", horizon), ("bpe_vocab_size", bpe_vocab_size)):
            if size is not None and size < 1:
                raise ValueError(f"{label} must be at least 1, got {size}")
        if not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f"scale must be positive, got {scale}")
        if quantiles is not None and not (len(quantiles) == 2 and 0 <= quantiles[0] < quantiles[1] <= 1):
            raise ValueError(f"quantiles must be (low, high) with 0 <= low < high <= 1, got {quantiles}")
        self.action_dims = action_dims
        self.horizon = horizon
        self.scale = scale
        self.bpe_vocab_size = bpe_vocab_size
        self.min_token = min_token
        self.quantiles = None if quantiles is None else (float(quantiles[0]), float(quantiles[1]))
        self.escape = escape
        self._bpe: ByteLevelBpe | None = None
        self._nearest: IntArray | None = None
        self._low_high: NDArray[np.float64] | None = None

    @property
    def vocab_size(self) -> int:
        return self.bpe_vocab_size + 1

    @property
    def pad_id(self) -> int:  # type: ignore[override]
        return self.bpe_vocab_size

    def fit(
        self,
        actions: torch.Tensor,
        scale: float | None = None,
        vocab_size: int | None = None,
        as_published: bool = False,
    ) -> FASTBPEActionTokenizer:
        """Learns the vocabulary, and the quantiles where those are asked for, from actions [B, T, D].

        Args:
            actions: chunks.
            scale, vocab_size: instead of the constructor's `scale` and `bpe_vocab_size`.
            as_published: train exactly as the public processor does, which gives its vocabulary for the same chunks.
                Then pairs never cross what GPT-2 takes for a word, ids are spent on characters that no text is split
                into, and values that these chunks lack may have no text of their own (`escape` becomes False).

        Raises:
            ValueError: no actions, another shape than the constructor was given, values that are not finite, or a
                vocabulary too small for 256 bytes (with `as_published`, for the range of the coefficients).
        """
        actions = check_actions(actions, self.action_dims)
        if not len(actions) or self.horizon not in (None, actions.shape[1]):
            raise ValueError(f"fit needs actions [B >= 1, {self.horizon or 'T'}, D], got {list(actions.shape)}")
        fitted = FASTBPEActionTokenizer(
            actions.shape[2],
            actions.shape[1],
            self.scale if scale is None else scale,
            self.bpe_vocab_size if vocab_size is None else vocab_size,
            quantiles=self.quantiles,
            escape=not as_published,
        )
        values = actions.detach().cpu().numpy()
        if self.quantiles is not None:
            flat = values.reshape(-1, values.shape[2]).astype(np.float64)
            fitted._low_high = np.quantile(flat, self.quantiles, axis=0)
        coefficients = fitted._coefficients(values)
        fitted.min_token, span = int(coefficients.min()), int(np.ptp(coefficients))
        if not as_published and fitted.bpe_vocab_size < 256:
            raise ValueError(f"a vocabulary of bytes needs at least 256 ids, got {fitted.bpe_vocab_size}")
        if as_published and span > fitted.bpe_vocab_size:
            raise ValueError(f"{fitted.bpe_vocab_size} ids are too few for coefficients over {span + 1} integers")
        offsets = coefficients - fitted.min_token
        fitted._set_bpe(
            ByteLevelBpe.train(
                offsets if as_published else to_symbols(offsets),
                fitted.bpe_vocab_size,
                tail_symbol=None if as_published else int(to_symbols(np.array(-fitted.min_token))),
                alphabet=[chr(offset) for offset in range(span + 1)] if as_published else None,
                split_words=as_published,
            )
        )
        self.__dict__.update(fitted.__dict__)
        return self

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, N_max], of actions [B, T, D], each row padded with `pad_id`; see `ActionTokenizer.encode`."""
        return pad_rows(self._rows(actions), self.pad_id).to(actions.device)

    def __call__(self, actions: torch.Tensor | NDArray[Any]) -> list[list[int]]:
        """The ids of chunks [B, T, D], or of one [T, D], as lists, as the public processor gives them."""
        chunks = torch.as_tensor(actions)
        return self._rows(chunks if chunks.ndim > 2 else chunks[None])

    @overload
    def decode(
        self,
        tokens: torch.Tensor | Sequence[Sequence[int]],
        strict: Literal[True] = True,
        dtype: torch.dtype = torch.float32,
        *,
        time_horizon: int | None = None,
        action_dim: int | None = None,
    ) -> torch.Tensor: ...

    @overload
    def decode(
        self,
        tokens: torch.Tensor | Sequence[Sequence[int]],
        strict: Literal[False],
        dtype: torch.dtype = torch.float32,
        *,
        time_horizon: int | None = None,
        action_dim: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    def decode(
        self,
        tokens: torch.Tensor | Sequence[Sequence[int]],
        strict: bool = True,
        dtype: torch.dtype = torch.float32,
        *,
        time_horizon: int | None = None,
        action_dim: int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Actions [B, T, D] of ids [B, N], padded with `pad_id`, or of lists of ids; see `ActionTokenizer.decode`.

        Args:
            tokens: the ids.
            strict: see there.
            dtype: see there.
            time_horizon, action_dim: T and D, instead of the constructor's; for this call only.

        Raises:
            InvalidTokensError: with `strict`, ids that are not text, or that do not make T * D coefficients.
            ValueError: T or D is not known, or nothing was fitted or loaded.
        """
        horizon, dims = time_horizon or self.horizon, action_dim or self.action_dims
        if horizon is None or dims is None:
            raise ValueError(f"decoding needs time_horizon and action_dim, got {horizon} and {dims}")
        bpe = self._fitted_bpe()
        if not isinstance(tokens, torch.Tensor):
            tokens = pad_rows(tokens, self.pad_id)
        in_range = valid_tokens(tokens, self.vocab_size, pad_id=self.pad_id, strict=strict).cpu().numpy()
        ids = tokens.detach().cpu().numpy().astype(np.int64)
        # An id between those that training found and the padding belongs to nothing.
        used = ids != self.pad_id
        used &= (in_range & ~(used & (ids >= bpe.size)).any(1))[:, None]
        symbols, counts, valid = bpe.decode(ids[used], used.sum(1), horizon * dims)
        if self.escape:
            symbols, known = to_offsets(symbols)
            valid[valid] = known.all(1)
            symbols = symbols[known.all(1)]
        if strict and not valid.all():
            row = int(np.flatnonzero(~valid)[0])
            raise InvalidTokensError(
                f"a chunk has {horizon} x {dims} coefficients, got the ids of {counts[row]} at row {row}"
            )
        actions = torch.from_numpy(self._actions(symbols.reshape(-1, horizon, dims), dtype == torch.float64)).to(dtype)
        if strict:
            return actions.to(tokens.device)
        every = torch.full((len(ids), horizon, dims), torch.nan, dtype=dtype)
        every[torch.from_numpy(valid)] = actions
        return every.to(tokens.device), torch.from_numpy(valid).to(tokens.device)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The text of tokenizer.json as bytes, and the measured quantiles [2, D]; nothing before `fit`."""
        if self._bpe is None:
            return {}
        state = {"bpe": torch.frombuffer(bytearray(self._bpe.definition.encode()), dtype=torch.uint8)}
        if self._low_high is not None:
            state["low_high"] = torch.from_numpy(self._low_high)
        return state

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        wanted = {"bpe"} if self.quantiles is None else {"bpe", "low_high"}
        if set(state) != wanted:
            raise ValueError(f"{self.name!r} needs the tensors {sorted(wanted)}, got {sorted(state)}")
        if self.quantiles is not None:
            self._low_high = state["low_high"].double().cpu().numpy()
        self._set_bpe(ByteLevelBpe(bytes(state["bpe"].cpu().tolist()).decode()))

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes this tokenizer, and beside it the files of the public processor, which know no quantiles."""
        super().save_pretrained(folder)
        if self._bpe is not None:
            shape = {"time_horizon": self.horizon, "action_dim": self.action_dims}
            FASTProcessorFiles(
                self.scale, self.bpe_vocab_size, self.min_token, bpe=self._bpe.definition, **shape
            ).write(Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> FASTBPEActionTokenizer:
        """Reads what `save_pretrained` wrote, or else a folder of the public processor.

        Raises:
            FileNotFoundError: neither is there.
            ValueError: another tokenizer, or settings and vocabularies that FAST does not have.
        """
        if (Path(folder) / CONFIG_FILE).is_file():
            return super().from_pretrained(folder)
        files = FASTProcessorFiles.read(Path(folder))
        bpe = ByteLevelBpe(files.bpe)
        tokenizer = cls(
            action_dims=files.action_dim,
            horizon=files.time_horizon,
            scale=files.scale,
            bpe_vocab_size=max(files.vocab_size, bpe.size),
            min_token=files.min_token,
            escape=False,
        )
        tokenizer._set_bpe(bpe)
        return tokenizer

    def _rows(self, actions: torch.Tensor) -> list[list[int]]:
        actions = check_actions(actions, self.action_dims)
        if self.horizon not in (None, actions.shape[1]):
            raise ValueError(f"actions need {self.horizon} steps, got {list(actions.shape)}")
        bpe = self._fitted_bpe()
        offsets = self._coefficients(actions.detach().cpu().numpy()) - self.min_token
        if self.escape:
            symbols = to_symbols(offsets)
        else:
            assert self._nearest is not None
            symbols = self._nearest[offsets.clip(0, CODE_POINTS - 1)]
        return bpe.encode(symbols)

    def _coefficients(self, actions: NDArray[Any]) -> IntArray:
        """Integers [B, T * D], lowest frequency first, of actions [B, T, D]."""
        if self._low_high is not None:
            centre, half = self._normalisation(actions.dtype)
            actions = actions - centre
            actions /= half
        # SciPy's transform in the dtype of the input, as the original has it, so that ties round as they do there.
        steps = scipy.fft.dct(actions, axis=1, norm="ortho") * self.scale
        np.around(steps, out=steps)
        np.clip(steps, -_LARGEST, _LARGEST, out=steps)
        return steps.astype(np.int64).reshape(len(actions), math.prod(actions.shape[1:]))

    def _actions(self, offsets: IntArray, double: bool) -> NDArray[Any]:
        """Actions [B, T, D], float64 or float32, of coefficients [B, T, D] less `min_token`."""
        coefficients = offsets.astype(np.float64 if double else np.float32)
        coefficients += self.min_token
        coefficients /= self.scale
        actions: NDArray[Any] = scipy.fft.idct(coefficients, axis=1, norm="ortho", overwrite_x=True)
        if self._low_high is not None:
            centre, half = self._normalisation(actions.dtype)
            actions *= half
            actions += centre
        return actions

    def _normalisation(self, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Centre and half width [D] of what becomes -1..1."""
        assert self._low_high is not None
        low, high = self._low_high
        # A dimension that never changes becomes zero, which costs no token.
        half = np.where(high > low, (high - low) / 2, 1.0)
        return ((low + high) / 2).astype(dtype), half.astype(dtype)

    def _set_bpe(self, bpe: ByteLevelBpe) -> None:
        if bpe.size > self.bpe_vocab_size:
            raise ValueError(f"a vocabulary of at most {self.bpe_vocab_size} ids is wanted, got {bpe.size}")
        self._bpe = bpe
        self._nearest = None if self.escape else nearest_symbols(bpe.known_bytes)

    def _fitted_bpe(self) -> ByteLevelBpe:
        if self._bpe is None:
            raise ValueError(f"{self.name!r} has no vocabulary yet; fit it, or load one with from_pretrained")
        return self._bpe
