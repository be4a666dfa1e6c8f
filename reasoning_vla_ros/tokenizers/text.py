"""Actions as text."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

import torch

from reasoning_vla_ros.tokenizers.action_tokenizer import Decoded, valid_tokens
from reasoning_vla_ros.tokenizers.number_texts import NumberTexts
from reasoning_vla_ros.tokenizers.numpy_arrays import takes_numpy
from reasoning_vla_ros.tokenizers.padding import pad_rows
from reasoning_vla_ros.tokenizers.parts import constructor_arguments, plain
from reasoning_vla_ros.tokenizers.registry import register_action_tokenizer
from reasoning_vla_ros.tokenizers.text_codecs import HuggingFaceCodec, text_codec
from reasoning_vla_ros.tokenizers.uniform import UniformActionTokenizer

TEXT_FILE = "text_tokenizer.json"


@register_action_tokenizer("text")
class TextActionTokenizer(UniformActionTokenizer):
    """Bins written as text, "128 91 241 5", as RT-2 does (arXiv 2307.15818), then through a text tokenizer.

    The bins are those of `uniform`: one integer a number, step by step. By default each integer is one token and the
    spaces are understood, so ids are bins. With a text tokenizer, ids are its own ids of the text; rows differ in
    length and are padded with `pad_id`, one more than its last id.

    Reading is strict, because whatever a language model may say comes here: only the very text that `to_text` writes
    is accepted. A wrong count, a sign, a leading zero, two spaces, digits of other scripts, a special token, any word:
    each is an InvalidTokensError, or False in the mask.

    Args:
        action_dims, bins_per_dim, action_range, binning, closed_loop: see `UniformActionTokenizer`.
        horizon: T, where it is fixed; texts of other lengths are then refused.
        text_tokenizer: None, or the path of a Hugging Face tokenizer.json, or a `tokenizers.Tokenizer`, or a
            transformers tokenizer, or anything with `encode(text) -> ids`, `decode(ids) -> text` and `vocab_size`.
            It must give back the integers' text exactly. Its own padding, truncation and special tokens are not used.
            `save_pretrained` keeps the first three kinds.
    """

    ids_are_levels = False

    def __init__(
        self,
        action_dims: int = 7,
        bins_per_dim: int = 256,
        action_range: Sequence[float] | Sequence[Sequence[float]] = (-1, 1),
        binning: str = "range",
        closed_loop: bool = False,
        horizon: int | None = None,
        text_tokenizer: Any = None,
    ) -> None:
        super().__init__(action_dims, bins_per_dim, action_range, binning, closed_loop)
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        self.horizon = horizon
        self._texts = NumberTexts(bins_per_dim)
        self._words = None if text_tokenizer is None else text_codec(text_tokenizer)
        self.text_tokenizer = text_tokenizer
        if self._words is not None:
            self.pad_id = self._words.vocab_size
            wanted = " ".join(map(str, range(bins_per_dim)))
            (got,) = self._words.decode(self._words.encode([wanted]))
            if got != wanted:
                raise ValueError(f"the text tokenizer must give back {wanted[:40]!r}..., got {got[:40]!r}...")

    @property
    def vocab_size(self) -> int:
        return self.bins_per_dim if self.pad_id is None else self.pad_id + 1

    def num_tokens_for(self, horizon: int | None) -> int | None:
        return super().num_tokens_for(self.horizon or horizon) if self._words is None else None

    @takes_numpy
    def to_text(self, actions: torch.Tensor) -> list[str]:
        """The texts of actions [B, T, D], T * D integers each; errors as `encode`."""
        self._check_horizon(actions)
        return self._texts.write(super().encode(actions).cpu().numpy())

    @overload
    def parse(
        self, texts: Sequence[str], strict: Literal[True] = True, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor: ...

    @overload
    def parse(
        self, texts: Sequence[str], strict: Literal[False], dtype: torch.dtype = torch.float32
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    def parse(
        self, texts: Sequence[str], strict: bool = True, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Actions [B, T, D] of B texts; with `strict=False` (actions, valid [B]), others hold NaN.

        Where the horizon is not fixed, the first well-formed text decides it for all.

        Raises:
            InvalidTokensError: with `strict`, a text that `to_text` does not write, with the piece that is wrong.
        """
        count = None if self.horizon is None else self.horizon * self.action_dims
        ids, well_formed = self._texts.read(texts, count, self.action_dims, strict)
        actions = super().decode(torch.from_numpy(ids), dtype=dtype)
        valid = torch.from_numpy(well_formed)
        return actions if strict else (torch.where(valid[:, None, None], actions, torch.nan), valid)

    def encode(self, actions: torch.Tensor) -> torch.Tensor:
        """Ids, int64 [B, N], of actions [B, T, D]; see `ActionTokenizer.encode`."""
        if self._words is not None:
            assert self.pad_id is not None
            return pad_rows(self._words.encode(self.to_text(actions)), self.pad_id).to(actions.device)
        self._check_horizon(actions)
        return super().encode(actions)

    def decode(self, tokens: torch.Tensor, strict: bool = True, dtype: torch.dtype = torch.float32) -> Decoded:
        """Actions [B, T, D] of ids [B, N]; see `ActionTokenizer.decode`."""
        if self._words is None:
            count = None if self.horizon is None else self.horizon * self.action_dims
            counted = valid_tokens(tokens, self.vocab_size, count=count, strict=strict)
            if strict:
                return super().decode(tokens, dtype=dtype)
            actions, valid = super().decode(tokens, strict=False, dtype=dtype)
            valid = valid & counted
        else:
            known = valid_tokens(tokens, self.vocab_size, pad_id=self.pad_id, strict=strict)
            counts = (self.token_counts(tokens) * known).tolist()
            rows = [row[:count] for row, count in zip(tokens.tolist(), counts, strict=True)]
            texts = self._words.decode(rows)
            if strict:
                return self.parse(texts, dtype=dtype).to(tokens.device)
            actions, valid = (part.to(tokens.device) for part in self.parse(texts, strict=False, dtype=dtype))
        return torch.where(valid[:, None, None], actions, torch.nan), valid

    def get_config(self) -> dict[str, Any]:
        if self._words is None:
            return super().get_config()
        if not isinstance(self._words, HuggingFaceCodec):
            raise TypeError(f"only Hugging Face text tokenizers can be written down, got {self.text_tokenizer!r}")
        arguments = {name: getattr(self, name) for name in constructor_arguments(type(self))}
        return plain({**arguments, "text_tokenizer": TEXT_FILE}, self.name)

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """As `ActionTokenizer.save_pretrained`, and text_tokenizer.json where there is a text tokenizer."""
        super().save_pretrained(folder)
        if isinstance(self._words, HuggingFaceCodec):
            (Path(folder) / TEXT_FILE).write_text(self._words.to_json(), encoding="utf-8")

    @classmethod
    def read_config(cls, folder: str | PathLike[str]) -> dict[str, Any]:
        config = super().read_config(folder)
        if config.get("text_tokenizer") is not None:
            config["text_tokenizer"] = str(Path(folder) / TEXT_FILE)
        return config

    def _check_horizon(self, actions: torch.Tensor) -> None:
        if actions.ndim == 3 and self.horizon not in (None, actions.shape[1]):
            raise ValueError(f"actions need {self.horizon} steps, got the shape {list(actions.shape)}")
