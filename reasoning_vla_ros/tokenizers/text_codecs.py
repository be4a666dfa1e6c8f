"""Text tokenizers of several makes behind one interface."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol


class TextCodec(Protocol):
    """Texts as rows of ids in 0..vocab_size-1, and back; special tokens are neither added nor dropped."""

    vocab_size: int

    def encode(self, texts: Sequence[str]) -> list[list[int]]: ...

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]: ...


class HuggingFaceCodec:
    """A `tokenizers.Tokenizer`, copied, so that nobody else's padding and truncation act here.

    Ids that the vocabulary skips become U+FFFD, where Hugging Face would drop them.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._known = set(self._tokenizer.get_vocab(with_added_tokens=True).values())
        self.vocab_size = max(self._known) + 1

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [found.ids for found in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        texts: list[str] = self._tokenizer.decode_batch(rows, skip_special_tokens=False)
        if len(self._known) == self.vocab_size:
            return texts
        return [
            text if self._known.issuperset(row) else "\N{REPLACEMENT CHARACTER}"
            for text, row in zip(texts, rows, strict=True)
        ]

    def to_json(self) -> str:
        """The content of its tokenizer.json."""
        return str(self._tokenizer.to_str(pretty=True))


class AnyCodec:
    """Anything with `encode(text) -> ids`, `decode(ids) -> text`, and `vocab_size` or a length."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.vocab_size = tokenizer.vocab_size if hasattr(tokenizer, "vocab_size") else len(tokenizer)
        takes = inspect.signature(tokenizer.encode).parameters
        self._arguments = {"add_special_tokens": False} if "add_special_tokens" in takes else {}

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(self._tokenizer.encode(text, **self._arguments)) for text in texts]

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [self._tokenizer.decode(list(row)) for row in rows]


def text_codec(tokenizer: Any) -> HuggingFaceCodec | AnyCodec:
    """The codec of a tokenizer.json's path, a `tokenizers.Tokenizer`, a transformers tokenizer, or any other.

    Raises:
        FileNotFoundError: a path without a file.
        TypeError: something without `encode` and `decode`.
    """
    from tokenizers import Tokenizer

    if isinstance(tokenizer, (str, PathLike)):
        if not Path(tokenizer).is_file():
            raise FileNotFoundError(f"there is no tokenizer.json at {Path(tokenizer)}")
        return HuggingFaceCodec(Tokenizer.from_file(str(tokenizer)))
    # The fast tokenizers of transformers keep theirs under this name.
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if isinstance(inner, Tokenizer):
        return HuggingFaceCodec(inner)
    if not (hasattr(tokenizer, "encode") and hasattr(tokenizer, "decode")):
        raise TypeError(f"a text tokenizer needs encode and decode, got {type(tokenizer).__name__}")
    return AnyCodec(tokenizer)
