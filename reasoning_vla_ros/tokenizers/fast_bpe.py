"""Byte-level byte-pair coding of integers, over Hugging Face's `tokenizers`."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from reasoning_vla_ros.tokenizers.fast_symbols import IntArray, from_utf8, run_indices, to_strings

# Matches the character that ends a text, as often as it stands there.
_TAIL_PATTERN = r"\x{%x}+\z"


class ByteLevelBpe:
    """A byte-level BPE vocabulary: rows of symbols (code points) to ids, and back.

    Args:
        definition: the text of a tokenizer.json.

    Attributes:
        size: number of ids.
        known_bytes: flags [256] of the bytes that have a token of their own. The rest would be dropped without notice.
        tail_symbol: the symbol whose repetition at the end of a text is a word of its own; None when there is none.

    Raises:
        ValueError: something other than a plain byte-level BPE.
    """

    def __init__(self, definition: str) -> None:
        self.definition = definition
        self.tail_symbol = _check_definition(definition)
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if self.tail_symbol is not None:
            # `encode` cuts the tail off itself, many times faster than the regular expression.
            self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        self._tails: dict[int, list[int]] = {}
        self.size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        self._build_tables()

    def _build_tables(self) -> None:
        """Each id's bytes, and where these are whole characters, its symbols."""
        byte_of = _byte_of_character()
        texts: list[bytes | None] = [None] * self.size
        for token, index in self._tokenizer.get_vocab(with_added_tokens=False).items():
            # Tokens of other characters stand in published vocabularies, but no text is ever split into them.
            if token and all(character in byte_of for character in token):
                texts[index] = bytes(byte_of[character] for character in token)
        runs = [text or b"" for text in texts]
        self.known_bytes = np.zeros(256, bool)
        self.known_bytes[[run[0] for run in runs if len(run) == 1]] = True
        self._bytes: NDArray[np.uint8] = np.frombuffer(b"".join(runs), np.uint8)
        self._byte_lengths = np.array([len(run) for run in runs], np.int64)
        self._byte_starts = np.cumsum(self._byte_lengths) - self._byte_lengths
        symbols, self._lengths, whole = from_utf8(self._bytes, self._byte_lengths)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._lengths = np.where(whole, self._lengths, 0)
        self._symbols = symbols
        self._is_fragment = ~whole
        self._is_unused = np.array([text is None for text in texts])
        tail = symbols == (-1 if self.tail_symbol is None else self.tail_symbol)
        ids = np.repeat(np.arange(self.size), np.where(whole, self._lengths, 0))
        tail = tail[run_indices(self._starts, self._lengths)]
        self._is_tail = whole & (np.bincount(ids[~tail], minlength=self.size) == 0)

    @classmethod
    def train(
        cls,
        symbols: IntArray,
        vocab_size: int,
        tail_symbol: int | None = None,
        alphabet: list[str] | None = None,
        split_words: bool = False,
    ) -> ByteLevelBpe:
        """Learns a vocabulary of at most `vocab_size` ids.

        Args:
            symbols: rows of code points [B, N].
            vocab_size: the largest number of ids; fewer where no pair occurs twice any more.
            tail_symbol: see the attribute.
            alphabet: characters that have an id from the start; all 256 bytes when None.
            split_words: cut the text into words as GPT-2 does, before pairs are sought. Characters that stand for
                numbers have no words, so this only keeps pairs apart; the published trainer does it all the same.
        """
        tokenizer = Tokenizer(models.BPE())
        byte_level: Any = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split_words)
        if tail_symbol is not None:
            split = pre_tokenizers.Split(Regex(_TAIL_PATTERN % tail_symbol), "isolated")
            byte_level = pre_tokenizers.Sequence([split, byte_level])
        tokenizer.pre_tokenizer = byte_level
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            show_progress=False,
            special_tokens=[],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet is None else alphabet,
            max_token_length=10_000,
        )
        tokenizer.train_from_iterator(to_strings(symbols), trainer=trainer)
        return cls(tokenizer.to_str())

    def encode(self, symbols: IntArray) -> list[list[int]]:
        """The ids of each row of symbols [B, N]."""
        strings = to_strings(symbols)
        if self.tail_symbol is None:
            return self._encode(strings)
        count = symbols.shape[1]
        other = symbols != self.tail_symbol
        ends = np.where(other.any(1), count - other[:, ::-1].argmax(1), 0).tolist()
        heads = self._encode([string[:end] for string, end in zip(strings, ends, strict=True)])
        return [head + self._tail(count - end) for head, end in zip(heads, ends, strict=True)]

    def decode(self, ids: IntArray, counts: IntArray, width: int) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
        """Symbols of rows of ids.

        Args:
            ids: the ids of all rows one after the other, each in 0..size-1.
            counts: [B], ids of each row.
            width: N, symbols that a row must have.

        Returns:
            The symbols [B', N] of the rows that are well-formed and have N of them; how many symbols each row has [B];
            flags [B] of those rows.
        """
        rows = np.repeat(np.arange(len(counts)), counts)
        starts, lengths, source = self._starts[ids], self._lengths[ids], self._symbols
        broken = self._is_unused[ids]
        fragments = self._is_fragment[ids]
        if bool(fragments.any()):
            # Neighbouring pieces of characters are read as one text, which stands in place of the first piece.
            at = np.flatnonzero(fragments)
            first = np.diff(at, prepend=-2) != 1
            first |= np.diff(rows[at], prepend=-1) != 0
            pieces = ids[at]
            text_lengths = np.bincount(np.cumsum(first) - 1, weights=self._byte_lengths[pieces]).astype(np.int64)
            data = self._bytes[run_indices(self._byte_starts[pieces], self._byte_lengths[pieces])]
            symbols, symbol_counts, good = from_utf8(data, text_lengths)
            lengths[at[first]] = symbol_counts
            starts[at[first]] = len(source) + np.cumsum(symbol_counts) - symbol_counts
            broken[at[first]] |= ~good
            source = np.concatenate([source, symbols])
        found = np.bincount(rows, weights=lengths, minlength=len(counts))
        valid = (found == width) & (np.bincount(rows[broken], minlength=len(counts)) == 0)
        used = valid[rows]
        starts, lengths = starts[used], lengths[used]
        places = np.cumsum(lengths) - lengths  # every row left has `width` symbols, so they simply follow each other
        # Most of a row is its tail, which is not copied but there from the start.
        out = np.full((int(valid.sum()), width), -1 if self.tail_symbol is None else self.tail_symbol)
        copied = ~self._is_tail[ids[used]]
        starts, lengths, places = starts[copied], lengths[copied], places[copied]
        out.reshape(-1)[run_indices(places, lengths)] = source[run_indices(starts, lengths)]
        return out, found.astype(np.int64), valid

    def _encode(self, strings: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(strings, add_special_tokens=False)]

    def _tail(self, count: int) -> list[int]:
        """The ids of a tail of so many symbols."""
        if count not in self._tails:
            assert self.tail_symbol is not None
            self._tails[count] = self._encode([chr(self.tail_symbol) * count])[0]
        return self._tails[count]


def _byte_of_character() -> dict[str, int]:
    """The characters by which byte-level vocabularies write bytes: printable Latin-1 as itself, the rest from 0x100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def _check_definition(definition: str) -> int | None:
    """Refuses what is not a byte-level BPE; gives its tail symbol."""
    content = json.loads(definition)
    model, before = content.get("model") or {}, content.get("pre_tokenizer") or {}
    tail_symbol = None
    if before.get("type") == "Sequence" and len(before["pretokenizers"]) == 2:
        split, before = before["pretokenizers"]
        # Nothing but the very pattern that `train` writes.
        pattern = str((split.get("pattern") or {}).get("Regex"))
        match = re.fullmatch(r"\\x\{([0-9a-f]+)\}\+\\z", pattern)
        if split.get("type") != "Split" or match is None or before.get("use_regex") is not False:
            raise ValueError(f"a FAST vocabulary splits off the end of a text and nothing else, got {split}")
        tail_symbol = int(match[1], 16)
    facts = {
        "model": (model.get("type"), "BPE"),
        "model.dropout": (model.get("dropout") or None, None),
        "model.unk_token": (model.get("unk_token"), None),
        "model.byte_fallback": (bool(model.get("byte_fallback")), False),
        "model.continuing_subword_prefix": (model.get("continuing_subword_prefix") or None, None),
        "model.end_of_word_suffix": (model.get("end_of_word_suffix") or None, None),
        "normalizer": (content.get("normalizer"), None),
        "pre_tokenizer": (before.get("type"), "ByteLevel"),
        "pre_tokenizer.add_prefix_space": (before.get("add_prefix_space"), False),
    }
    for name, (found, wanted) in facts.items():
        if found != wanted:
            raise ValueError(f"a FAST vocabulary is a byte-level BPE with {name} = {wanted!r}, got {found!r}")
    return tail_symbol
