"""Added tokens and their ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reasoning_vla_ros.models import ReasoningVLAConfig
from reasoning_vla_ros.models.text_tokenizers import byte_tokenizer
from reasoning_vla_ros.models.vocabulary import SPECIAL_TOKENS, TRAJ_TOKENS, extend_tokenizer, token_ids


def test_order_of_ids_without_the_whole_set() -> None:
    tokenizer = byte_tokenizer()
    base = len(tokenizer)
    extend_tokenizer(tokenizer, 10, add_special_tokens=False)
    assert tokenizer.convert_tokens_to_ids("<i0>") == base
    order = ("history", "future", "history_start", "future_start", "history_end", "future_end")
    assert token_ids(tokenizer, TRAJ_TOKENS) == {name: base + 10 + index for index, name in enumerate(order)}
    assert token_ids(tokenizer, SPECIAL_TOKENS)["cot_start"] is None


def test_extending_twice_changes_nothing() -> None:
    tokenizer = byte_tokenizer()
    extend_tokenizer(tokenizer, 10, add_special_tokens=True)
    before = tokenizer.get_vocab()
    extend_tokenizer(tokenizer, 10, add_special_tokens=True)
    assert tokenizer.get_vocab() == before


def test_another_size_than_the_tokenizers_is_refused() -> None:
    tokenizer = byte_tokenizer()
    extend_tokenizer(tokenizer, 10, add_special_tokens=True)
    with pytest.raises(ValueError, match="need consecutive ids"):
        extend_tokenizer(tokenizer, 12, add_special_tokens=True)


def test_release_layout(parity_data: Path) -> None:
    """Offsets from <i0> are those of the public release, whose tokenizer is not here."""
    release = json.loads((parity_data / "alpamayo_r1" / "release_token_layout.json").read_text())
    for name, size, whole_set in (
        ("release (4000, add_special_tokens=True)", 4000, True),
        ("config defaults (768, False)", 768, False),
    ):
        expected = release[name]
        tokenizer = byte_tokenizer()
        base = len(tokenizer)
        extend_tokenizer(tokenizer, size, whole_set)
        assert len(tokenizer) - base == expected["vocab_size"] - expected["base_len"]
        for key, tokens in (("traj_token_ids", TRAJ_TOKENS), ("special_token_ids", SPECIAL_TOKENS)):
            for token, found in token_ids(tokenizer, tokens).items():
                if token != "image_pad":
                    wanted = expected[key][token]
                    assert (found is None) == (wanted is None), token
                    assert wanted is None or found - base == wanted - expected["base_len"], token


def test_a_config_asks_nothing_of_the_hub() -> None:
    config = ReasoningVLAConfig()
    assert config.vlm_name_or_path == "Qwen/Qwen3-VL-8B-Instruct"
    assert config.vocab_size is None
    assert config.model_dtype == "bfloat16"
    assert (config.traj_vocab_size, config.tokens_per_history_traj, config.tokens_per_future_traj) == (768, 16, 64)


def test_a_config_of_a_folder_knows_its_vocabulary(small_model_dir: Path) -> None:
    config = ReasoningVLAConfig(
        vlm_name_or_path=str(small_model_dir / "vlm"), traj_vocab_size=510, add_special_tokens=True
    )
    assert config.vocab_size == 801
    assert config.traj_token_start_idx == config.traj_token_ids["history_start"] - 510 - 5
