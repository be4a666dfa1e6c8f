"""Text tokenizers of small models, with Qwen's chat and image markup; they can write any text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

# Tokens of Qwen's chat and image markup.
MARKUP_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={symbol: index for index, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _with_markup(tokenizer)


def bpe_tokenizer(texts: Sequence[str], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """Bytes, and merges of bytes within words as often as the texts have them (byte-pair encoding).

    Args:
        texts: to learn the merges from; the same texts in the same order give the same tokenizer.
        vocab_size: at most, the 256 bytes among them.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return _with_markup(tokenizer)


def phrase_tokenizer(texts: Sequence[str], vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """Byte-pair encoding whose merges run across words (SuperBPE, arXiv 2503.13423), up to a comma or full stop.

    What is often said in the same words becomes one token, so that a small model that says little else writes its
    sentences in a few steps. Numbers stand alone, digit runs as tokens of their own.

    Args:
        texts: to learn the merges from; the same texts in the same order give the same tokenizer.
        vocab_size: at most, the 256 bytes among them.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d+|[.,;\n]|[^\d.,;\n]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    # A phrase that only a text or two has is no phrase.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=3, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _with_markup(tokenizer)


def _with_markup(tokenizer: Any) -> PreTrainedTokenizerFast:
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )
    fast.add_tokens(list(MARKUP_TOKENS), special_tokens=True)
    return fast
