"""Text tokenizers of small models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasoning_vla_ros.models.small import build_small_model
from reasoning_vla_ros.models.text_tokenizers import MARKUP_TOKENS, bpe_tokenizer, byte_tokenizer, phrase_tokenizer
from reasoning_vla_ros.planning import Planner

TEXTS = ["The lead vehicle brakes, so slow down.", "The road is clear, so keep the speed."] * 5
ODD = "Grüße, 速度 42 km/h\n\t<tag> and  spaces"


@pytest.mark.parametrize("tokenizer", [bpe_tokenizer(TEXTS), phrase_tokenizer(TEXTS), byte_tokenizer()])
def test_any_text_comes_back(tokenizer: Any) -> None:
    for text in (*TEXTS[:2], ODD, ""):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    markup = tokenizer("".join(MARKUP_TOKENS), add_special_tokens=False).input_ids
    assert markup == tokenizer.convert_tokens_to_ids(list(MARKUP_TOKENS))


def test_known_words_are_single_tokens() -> None:
    tokenizer = bpe_tokenizer(TEXTS)
    assert tokenizer.tokenize(" vehicle") == ["Ġvehicle"]
    assert len(tokenizer(TEXTS[0], add_special_tokens=False).input_ids) <= 10
    assert bpe_tokenizer(TEXTS).get_vocab() == tokenizer.get_vocab()
    assert len(bpe_tokenizer(TEXTS, vocab_size=270)) == 270 + len(MARKUP_TOKENS)


def test_a_small_model_with_words_saves_and_plans(tmp_path: Path) -> None:
    model = build_small_model(tmp_path, hidden_size=64, num_layers=2, texts=TEXTS)
    loaded = Planner.from_pretrained(str(tmp_path)).model
    assert loaded.tokenizer.get_vocab() == model.tokenizer.get_vocab()
    assert loaded.tokenizer.tokenize(" vehicle") == ["Ġvehicle"]


def test_phrases_are_single_tokens_and_numbers_stand_alone() -> None:
    tokenizer = phrase_tokenizer([*TEXTS, *["The car 15 m ahead is slower, so slow down."] * 5])
    assert tokenizer.tokenize(TEXTS[0]) == ["TheĠleadĠvehicleĠbrakes", ",", "ĠsoĠslowĠdown", "."]
    assert tokenizer.tokenize("The car 15 m ahead")[:2] == ["TheĠcarĠ", "15"]
    assert phrase_tokenizer(TEXTS).get_vocab() == phrase_tokenizer(TEXTS).get_vocab()
