from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from reasoning_vla_ros.tokenizers import (
    InvalidTokensError,
    TextActionTokenizer,
    UniformActionTokenizer,
    create_action_tokenizer,
    create_tokenizer,
)

ACTIONS = torch.rand(5, 6, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


def byte_pairs() -> Tokenizer:
    """A byte-level BPE over a little English and some numbers, with a special token, padding and truncation on."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<end>"]
    )
    tokenizer.train_from_iterator(["turn left at 128 91 241 5", "128 128 127 127 126 126"] * 20, trainer)
    tokenizer.enable_padding()
    tokenizer.enable_truncation(3)
    return tokenizer


class Characters:
    """One id a character; the smallest text tokenizer there is."""

    letters = "0123456789 "
    vocab_size = 11

    def encode(self, text: str) -> list[int]:
        return [self.letters.index(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(self.letters[i] for i in ids)


def test_it_writes_what_rt2_writes() -> None:
    tokenizer = TextActionTokenizer(2, 256, (0, 255))
    actions = torch.tensor([[[128.2, 91], [241, 5]], [[0, 255], [10, 99]]])
    assert tokenizer.to_text(actions) == ["128 91 241 5", "0 255 10 99"]
    assert tokenizer.to_text(actions.numpy()) == tokenizer.to_text(actions)
    assert tokenizer.parse(["128 91 241 5", "0 255 10 99"]).tolist() == actions.round().tolist()


@pytest.mark.parametrize("text_tokenizer", [None, byte_pairs(), Characters()], ids=["numbers", "bpe", "characters"])
@pytest.mark.parametrize("bins", [2, 10, 256, 1001])
def test_the_same_actions_as_uniform(text_tokenizer: object, bins: int) -> None:
    tokenizer = TextActionTokenizer(2, bins, text_tokenizer=text_tokenizer, horizon=6)
    uniform = UniformActionTokenizer(2, bins)
    expected = uniform.decode(uniform.encode(ACTIONS))
    ids = tokenizer.encode(ACTIONS)
    assert ids.dtype == torch.int64
    assert int(ids.max()) < tokenizer.vocab_size
    assert torch.equal(tokenizer.decode(ids), expected)
    assert torch.equal(tokenizer.parse(tokenizer.to_text(ACTIONS)), expected)
    assert tokenizer.num_tokens_for(6) == (12 if text_tokenizer is None else None)
    lenient, valid = tokenizer.decode(ids, strict=False)
    assert valid.all()
    assert torch.equal(lenient, expected)
    np.testing.assert_array_equal(tokenizer.decode(tokenizer.encode(ACTIONS.numpy())), expected.numpy())


MALFORMED = [
    "",
    " ",
    "1 2 3",
    "1 2 3 4 5 6",
    "1 2 3 256",
    "1 2 3 99999999999999999999999999",
    "1 2 3 -4",
    "1 2 3 +4",
    "1 2 3 04",
    "1 2 3 4.0",
    "1 2 3 4e0",
    "1 2 3 1_0",
    "1 2 3 0x4",
    "1 2  3 4",
    " 1 2 3 4",
    "1 2 3 4 ",
    "1 2 3 4\n",
    "1 2\n3 4",
    "1\t2 3 4",
    "1 2\xa03 4",
    "1 2 3 ٤",
    "1 2 3 \uff14",
    "1 2 3 ²",
    "1 2 3 \ud800",
    "1 2 3 \0",
    "1 2 3 4<end>",
    "1, 2, 3, 4",
    "action: 1 2 3 4",
    "1 2 3 four",
    "nan 2 3 4",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_every_malformed_text_is_an_error(text: str) -> None:
    tokenizer = TextActionTokenizer(2, horizon=2)
    texts = ["1 2 3 4", text, "5 6 7 8"]
    with pytest.raises(InvalidTokensError, match=r"^text 1 must hold .* got "):
        tokenizer.parse(texts)
    actions, valid = tokenizer.parse(texts, strict=False)
    assert valid.tolist() == [True, False, True]
    assert actions[1].isnan().all()
    assert torch.equal(actions[[0, 2]], tokenizer.parse([texts[0], texts[2]]))


def test_the_wrong_piece_is_named() -> None:
    with pytest.raises(InvalidTokensError, match=r"integers 0\.\.255 with single spaces between, got '007' at 3"):
        TextActionTokenizer(2, horizon=2).parse(["1 2 3 007"])
    with pytest.raises(InvalidTokensError, match="must hold 4 integers, got 2"):
        TextActionTokenizer(2, horizon=2).parse(["1 2"])
    with pytest.raises(InvalidTokensError, match="text 0 must hold a positive multiple of 2 integers, got 3"):
        TextActionTokenizer(2).parse(["1 2 3"])


@given(st.lists(st.text(st.sampled_from("0123456789 \n-٣x"), max_size=12), max_size=4), st.sampled_from([None, 2]))
def test_a_text_is_accepted_just_when_it_is_what_would_be_written(texts: list[str], horizon: int | None) -> None:
    tokenizer = TextActionTokenizer(1, 101, (0, 100), horizon=horizon)
    actions, valid = tokenizer.parse(texts, strict=False)
    assert actions.shape[0] == len(texts)
    for text, values, good in zip(texts, actions, valid, strict=True):
        if good:
            assert tokenizer.to_text(values[None]) == [text]
        else:
            assert values.isnan().all()
            words = text.split(" ")
            numbers = [word for word in words if word.isascii() and word.isdigit() and str(int(word)) == word]
            assert len(numbers) < len(words) or max(map(int, numbers)) > 100 or len(words) != actions.shape[1]


def test_many_rows_are_read_in_parts() -> None:
    tokenizer = TextActionTokenizer(1, 11, (0, 10))
    values = torch.arange(2500)[:, None, None] % 11.0
    texts = tokenizer.to_text(values)
    assert torch.equal(tokenizer.parse(texts), values)
    texts[2100] = "11"
    with pytest.raises(InvalidTokensError, match=r"text 2100 must hold .* got '11' at 0"):
        tokenizer.parse(texts)
    assert (~tokenizer.parse(texts, strict=False)[1]).nonzero().tolist() == [[2100]]
    assert tokenizer.parse([]).shape[0] == 0


@pytest.mark.parametrize("text_tokenizer", [None, byte_pairs(), Characters()], ids=["numbers", "bpe", "characters"])
def test_any_ids_decode_or_are_refused(text_tokenizer: object) -> None:
    tokenizer = TextActionTokenizer(1, 12, text_tokenizer=text_tokenizer, horizon=2)

    @settings(max_examples=60)
    @given(st.lists(st.lists(st.integers(-2, tokenizer.vocab_size + 1), min_size=5, max_size=5), max_size=3))
    def decode(rows: list[list[int]]) -> None:
        tokens = torch.tensor(rows, dtype=torch.long).reshape(-1, 5)[:, : 2 if text_tokenizer is None else 5]
        actions, valid = tokenizer.decode(tokens, strict=False)
        for row, values, good in zip(tokens, actions, valid, strict=True):
            if good:
                assert torch.equal(tokenizer.decode(row[None])[0], values)
            else:
                assert values.isnan().all()
                with pytest.raises(InvalidTokensError):
                    tokenizer.decode(row[None])

    decode()


def test_ids_of_another_count_are_refused() -> None:
    tokenizer = TextActionTokenizer(2, horizon=3)
    with pytest.raises(InvalidTokensError, match="has 6 token ids, got 4"):
        tokenizer.decode(torch.zeros(1, 4, dtype=torch.long))
    assert tokenizer.decode(torch.zeros(1, 4, dtype=torch.long), strict=False)[1].tolist() == [False]
    with pytest.raises(ValueError, match=r"need 3 steps, got the shape \[1, 4, 2\]"):
        tokenizer.encode(torch.zeros(1, 4, 2))


def test_special_tokens_and_gaps_in_the_vocabulary_are_not_dropped() -> None:
    words = Tokenizer(models.WordLevel({"0": 0, "1": 1, " ": 2, "?": 5, "<end>": 6}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Split(" ", "isolated")
    words.decoder = decoders.Fuse()
    words.add_special_tokens(["<end>"])
    tokenizer = TextActionTokenizer(1, 2, text_tokenizer=words)
    assert tokenizer.vocab_size == 8
    assert tokenizer.decode(torch.tensor([[0, 2, 1, 7]])).flatten().tolist() == [-1, 1]
    bad = torch.tensor([[0, 2, 1, 6], [0, 2, 1, 4], [0, 2, 1, 5]])
    assert tokenizer.decode(bad, strict=False)[1].tolist() == [False] * 3


def test_saved_with_the_text_tokenizer(tmp_path: Path) -> None:
    whole = create_tokenizer("joint+text", text_tokenizer=byte_pairs(), bins_per_dim=128)
    joints = torch.rand(3, 4, 7)
    whole.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "text_tokenizer.json").is_file()
    loaded = create_tokenizer(tmp_path / "saved")
    ids = whole.encode(joints, None, joints, None)
    assert torch.equal(loaded.encode(joints, None, joints, None), ids)
    assert torch.equal(loaded.decode(joints, None, ids)[0], whole.decode(joints, None, ids)[0])
    loaded.save_pretrained(tmp_path / "again")
    assert torch.equal(create_tokenizer(tmp_path / "again").encode(joints, None, joints, None), ids)
    from_file = create_action_tokenizer("text", text_tokenizer=str(tmp_path / "saved" / "text_tokenizer.json"))
    assert from_file.vocab_size == whole.vocab_size
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json at text_tokenizer\.json"):
        create_tokenizer(whole.to_config())
    plain = TextActionTokenizer(2, 50).fit(ACTIONS)
    plain.save_pretrained(tmp_path / "plain")
    assert torch.equal(create_action_tokenizer(tmp_path / "plain").encode(ACTIONS), plain.encode(ACTIONS))


def test_text_tokenizers_that_will_not_do() -> None:
    with pytest.raises(TypeError, match="needs encode and decode, got int"):
        TextActionTokenizer(text_tokenizer=3)
    with pytest.raises(TypeError, match=r"only Hugging Face text tokenizers can be written down, got .*Characters"):
        TextActionTokenizer(text_tokenizer=Characters()).to_config()
    forgetful = Characters()
    forgetful.decode = lambda ids: Characters.decode(forgetful, ids)[:-1]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"must give back '0 1 2 3.*\.\.\., got"):
        TextActionTokenizer(text_tokenizer=forgetful)
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        TextActionTokenizer(horizon=0)
